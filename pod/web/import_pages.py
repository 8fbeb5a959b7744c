"""Import a CSV file into the list: upload, look at what it would do, then do exactly that."""

import asyncio
import operator
from datetime import datetime
from pathlib import PurePath

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from pod.domain.errors import PlateListError, StoreError
from pod.store.list_plan import ImportPlan, ImportRow, Problem
from pod.store.plate_csv import COLUMNS, MAX_ROWS, examine_csv
from pod.web.admission import UPLOAD_BYTES
from pod.web.import_waiting import Waiting, WaitingImports
from pod.web.import_words import preview_of, problems_of, summary
from pod.web.list_form import sentence
from pod.web.list_news import News, NewsBoard
from pod.web.list_requests import fields_of, first
from pod.web.pages import Pages, SignedIn
from pod.web.view import PodView

MOST_ROWS = 20_000
"""Of one file: seconds on a small box, while somebody looks at a browser that waits."""

IMPORT_TIMEOUT_S = 120.0
"""How long the page waits for an import; a longer one goes on by itself."""

_EXAMPLE = """plate,type,label,until,schedule
AB123CD,resident,Flat 3,,
XY-456,service,Gardener,2030-12-31,mon-fri 07:00-18:00
"""


def router(pages: Pages, view: PodView, board: NewsBoard) -> APIRouter:
    """`/list/import` and its confirmation."""
    routes = APIRouter(include_in_schema=False)
    waiting = WaitingImports()
    one_at_a_time = asyncio.Semaphore(1)

    def show(request: Request, status: int = 200, **context: object) -> Response:
        shared = {
            "columns": COLUMNS,
            "example": _EXAMPLE,
            "limit_mib": UPLOAD_BYTES // 2**20,
            "rows": MOST_ROWS,
        }
        return pages.render(request, "list_import.html", status, **(shared | context))

    def examine(data: bytes) -> tuple[tuple[ImportRow, ...], tuple[Problem, ...], ImportPlan]:
        reading = examine_csv(
            data,
            zone=view.time_zone,
            known_gates=tuple(view.gates()),
            known_cameras=tuple(camera.name for camera in view.cameras),
        )
        plan = view.plates.preview(reading.rows)
        return reading.rows, (*reading.problems, *plan.problems), plan

    def plan_again(waited: Waiting) -> tuple[ImportPlan, bool]:
        """What the import would do now, and whether that is what was previewed."""
        plan = view.plates.preview(waited.rows)
        return plan, plan == waited.plan

    @routes.get("/list/import", response_class=HTMLResponse)
    async def upload_form(request: Request) -> Response:
        return show(request)

    @routes.post("/list/import", response_class=HTMLResponse)
    async def upload(request: Request, session: SignedIn) -> Response:
        """Show what the file would do; nothing is written."""
        try:
            async with request.form(max_files=1, max_fields=10) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile) or not file.filename:
                    return show(request, 422, trouble="Choose a file first.")
                name, data = PurePath(file.filename).name[:80], await file.read()
        except MultiPartException as error:
            return show(request, 422, trouble=f"The upload cannot be read ({error.message}). Try again.")
        if (lines := await asyncio.to_thread(rows_in, data)) > MOST_ROWS:
            trouble = (
                f"{name} holds {lines:,} rows, and this page takes {MOST_ROWS:,} at most. Import it on the "
                f"POD: `platebridge plates import FILE` takes up to {MAX_ROWS:,}."
            )
            return show(request, 422, trouble=trouble)
        async with one_at_a_time:
            rows, problems, plan = await asyncio.to_thread(examine, data)
        if problems:
            return show(request, 422, name=name, problems=problems_of(problems))
        if not rows:
            return show(request, 422, trouble=f"{name} holds no plate below its first line.")
        preview = preview_of(plan, datetime.now(view.time_zone))
        token = "" if preview.changes_nothing else waiting.put(session.token, name, rows=rows, plan=plan)
        return show(request, name=name, preview=preview, token=token)

    @routes.post("/list/import/confirm", response_class=HTMLResponse)
    async def confirm(request: Request, session: SignedIn) -> Response:
        """Do what was previewed, or show what it has become."""
        found = waiting.take(first(await fields_of(request), "token"), session.token)
        if found is None:
            trouble = "This preview is out of date, and nothing was imported. Choose the file again."
            return show(request, 410, trouble=trouble)
        async with one_at_a_time:
            plan, is_same = await asyncio.to_thread(plan_again, found)
        if plan.problems:
            return show(request, 409, name=found.name, problems=problems_of(plan.problems), changed=True)
        if not is_same:
            token = waiting.put(session.token, found.name, rows=found.rows, plan=plan)
            preview = preview_of(plan, datetime.now(view.time_zone))
            return show(request, 409, name=found.name, preview=preview, token=token, changed=True)
        importing = view.plates.import_rows(found.rows, by=session.by, name=found.name)
        try:
            done = await asyncio.wait_for(asyncio.wrap_future(importing), IMPORT_TIMEOUT_S)
        except TimeoutError:
            text = "The import takes long and goes on by itself. Look at the list again in a few minutes."
            board.leave(session.token, News(text))
            return RedirectResponse("/list", 303)
        except (PlateListError, StoreError) as error:
            return show(request, 409, trouble=f"Nothing was imported. {sentence(str(error))}")
        is_same = await asyncio.to_thread(operator.eq, done, found.plan)
        more = "" if is_same else "The list changed at the same moment, so it differs from the preview."
        board.leave(session.token, News(summary(done), more=more))
        return RedirectResponse("/list", 303)

    return routes


def rows_in(data: bytes) -> int:
    """How many lines follow the first; quickly, in UTF-16, too, which has a NUL beside each letter."""
    return max(0, sum(1 for line in data.replace(b"\0", b"").splitlines() if line.strip()) - 1)
