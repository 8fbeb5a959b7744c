"""The list: look for entries, add, change and remove them, take a change back, let a visitor in."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError, StoreError
from pod.domain.index import AccessIndex
from pod.domain.matching import confusable_with
from pod.store.entries import MAX_LABEL, MAX_USES, contradicts
from pod.store.plate_csv import write_csv
from pod.web import import_pages
from pod.web.list_form import EntryForm, FormProblemsError, Places, entry_of, form_of, read_form, sentence
from pod.web.list_news import News, NewsBoard
from pod.web.list_requests import fields_of, filter_of, first, number, page_link
from pod.web.list_visitor import VisitorForm, read_visitor, visitor_of
from pod.web.list_words import STATES, EntryWords, entry_words, page_of
from pod.web.pages import Pages, SignedIn
from pod.web.schedule_form import WindowRow
from pod.web.schedule_words import DAY_LETTERS, DAY_NAMES, week_bars
from pod.web.sessions import Session
from pod.web.view import PodView, done

MOST_TAKEN_BACK = 64
"""Changes whose undoing is remembered for whoever sends it again; the audit has them all."""


def router(pages: Pages, view: PodView) -> APIRouter:
    """`/list` and all below it."""
    routes = APIRouter(include_in_schema=False)
    taken_back: OrderedDict[int, News] = OrderedDict()
    board = NewsBoard()
    routes.include_router(import_pages.router(pages, view, board))
    places = Places(tuple(view.gates()), tuple(camera.name for camera in view.cameras))

    def now() -> datetime:
        return datetime.now(view.time_zone)

    async def show_list(
        request: Request, session: Session, *, visitor: VisitorForm, status: int = 200
    ) -> Response:
        wanted = filter_of(request)
        snapshot = view.plates.current
        shown = await asyncio.to_thread(page_of, snapshot.entries, wanted, now())
        return pages.render(
            request,
            "list.html",
            status,
            wanted=wanted,
            shown=shown,
            visitor=visitor,
            news=board.take(session.token),
            types=[each.value for each in EntryType],
            states=STATES,
            switches=snapshot.state,
            link=lambda page: page_link(wanted, page),
            max_uses=MAX_USES,
        )

    def show_form(
        request: Request,
        form: EntryForm,
        *,
        entry: Entry | None,
        status: int = 200,
        trouble: str = "",
        conflict: EntryWords | None = None,
        overruled: Sequence[Entry] = (),
        alike: Sequence[Entry] = (),
    ) -> Response:
        return pages.render(
            request,
            "list_entry.html",
            status,
            form=form,
            entry=None if entry is None else entry_words(entry, now()),
            mark="" if entry is None else mark_of(entry),
            types=[each.value for each in EntryType],
            gates=sorted({*places.gates, *form.gates}),
            cameras=sorted({*places.cameras, *form.cameras}),
            configured=places,
            rows=(*form.windows, WindowRow()),
            day_names=DAY_NAMES,
            day_letters=DAY_LETTERS,
            week=week_bars(entry.schedule if entry is not None else None),
            zone=view.time_zone.key,
            trouble=trouble,
            conflict=conflict,
            overruled=[entry_words(other, now()) for other in overruled],
            alike=[entry_words(other, now()) for other in alike],
            max_label=MAX_LABEL,
            max_uses=MAX_USES,
        )

    def back_to_list(session: Session, news: News) -> Response:
        board.leave(session.token, news)
        return RedirectResponse("/list", 303)

    def gone(request: Request) -> Response:
        sentence = "Somebody removed this entry meanwhile, or it was never there."
        return pages.refuse(request, 404, heading="This entry is not on the list", sentence=sentence)

    @routes.get("/list", response_class=HTMLResponse)
    async def show(request: Request, session: SignedIn) -> Response:
        return await show_list(request, session, visitor=VisitorForm())

    @routes.get("/list/export.csv")
    async def export() -> Response:
        text = await asyncio.to_thread(write_csv, view.plates.current.entries)
        name = f"plates-{now().date().isoformat()}.csv"
        # The mark tells spreadsheets that this is UTF-8.
        return Response(
            "\ufeff" + text,
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @routes.post("/list/visitor", response_class=HTMLResponse)
    async def let_in(request: Request, session: SignedIn) -> Response:
        form = read_visitor(await fields_of(request))
        try:
            entry = visitor_of(form, now())
            change = await done(view.plates.add(entry, by=session.by))
        except FormProblemsError as error:
            form.problems.update(error.problems)
        except PlateListError as error:
            form.problems["plate"] = sentence(str(error))
        except StoreError as error:
            form.problems[""] = sentence(str(error))
        else:
            words = entry_words(change.entries[0], now())
            text = f"{words.plate} is let in {words.when}."
            return back_to_list(session, News(text, change.id))
        return await show_list(request, session, visitor=form, status=422)

    @routes.post("/list/undo")
    async def undo(session: SignedIn, request: Request) -> Response:
        change = number(first(await fields_of(request), "change"))
        if change is None:
            return back_to_list(session, News("There is nothing to take back."))
        try:
            back = await done(view.plates.undo(change, by=session.by))
        except (PlateListError, StoreError) as error:
            before = taken_back.get(change, News(f"It was not taken back. {sentence(str(error))}"))
            return back_to_list(session, before)
        step = back.steps[0]
        what = "is on the list again" if step.before is None else "is off the list again"
        if step.before is not None and step.after is not None:
            what = "is as it was before"
        news = News(f"Taken back: {step.entry.plate} {what}.", back.id)
        taken_back[change] = news
        while len(taken_back) > MOST_TAKEN_BACK:
            taken_back.popitem(last=False)
        return back_to_list(session, news)

    @routes.get("/list/new", response_class=HTMLResponse)
    async def new(request: Request, plate: str = "", verdict: str = "") -> Response:
        chosen = verdict if verdict == Verdict.DENY.value else Verdict.ALLOW.value
        return show_form(request, EntryForm(plate=plate[:32], verdict=chosen), entry=None)

    @routes.post("/list/new", response_class=HTMLResponse)
    async def add(request: Request, session: SignedIn) -> Response:
        return await save(request, session, None)

    @routes.get("/list/{entry_id:int}", response_class=HTMLResponse)
    async def edit(request: Request, entry_id: int) -> Response:
        entry = view.plates.current.find(entry_id)
        if entry is None:
            return gone(request)
        return show_form(request, form_of(entry, view.time_zone), entry=entry)

    @routes.post("/list/{entry_id:int}", response_class=HTMLResponse)
    async def change(request: Request, entry_id: int, session: SignedIn) -> Response:
        entry = view.plates.current.find(entry_id)
        if entry is None:
            form = read_form(await fields_of(request))
            trouble = "Somebody removed this entry while you changed it. Saving adds it anew."
            return show_form(request, form, entry=None, status=409, trouble=trouble)
        return await save(request, session, entry)

    async def save(request: Request, session: Session, before: Entry | None) -> Response:
        """Put the form's entry on the list, in the place of `before` where there is one."""
        fields = await fields_of(request)
        form = read_form(fields)
        if first(fields, "more"):
            return show_form(request, form, entry=before)
        if before is not None and first(fields, "mark") != mark_of(before):
            return show_form(request, form, entry=before, status=409, conflict=entry_words(before, now()))
        index = view.plates.current.index
        try:
            entry = entry_of(form, places, view.time_zone, before=before)
        except FormProblemsError as error:
            form.problems.update(error.problems)
            return show_form(request, form, entry=before, status=422)
        overruled = denied_by(entry, index)
        if overruled and not first(fields, "deny_anyway"):
            return show_form(request, form, entry=before, status=422, overruled=overruled)
        try:
            if before is None:
                made = await done(view.plates.add(entry, by=session.by))
            else:
                made = await done(view.plates.replace(before.id, entry, by=session.by))
        except PlateListError as error:
            form.problems["plate"] = sentence(str(error))
            alike = in_the_way(entry, index)
            return show_form(request, form, entry=before, status=422, alike=alike)
        except StoreError as error:
            trouble = f"It was not saved. {sentence(str(error))}"
            return show_form(request, form, entry=before, status=503, trouble=trouble)
        what = "was added to the list" if before is None else "was changed"
        more = ""
        if made.overruled:
            more = f"It keeps out what {len(made.overruled)} other of its entries would let in."
        return back_to_list(session, News(f"{entry.plate} {what}.", made.id, more))

    @routes.post("/list/{entry_id:int}/remove")
    async def remove(entry_id: int, session: SignedIn) -> Response:
        try:
            change = await done(view.plates.remove([entry_id], by=session.by))
        except (PlateListError, StoreError) as error:
            return back_to_list(session, News(f"Nothing was removed. {sentence(str(error))}"))
        return back_to_list(session, News(f"{change.entries[0].plate} was removed from the list.", change.id))

    return routes


def mark_of(entry: Entry) -> str:
    """Tells one state of an entry from another, so that two people who change it are told."""
    return hashlib.sha256(repr(entry).encode()).hexdigest()[:16]


def denied_by(entry: Entry, index: AccessIndex) -> tuple[Entry, ...]:
    """The entries that let the plate in now and would not any more."""
    if entry.verdict is Verdict.ALLOW:
        return ()
    others = index.by_key(entry.key)
    return tuple(other for other in others if other.id != entry.id and contradicts(entry, other))


def in_the_way(entry: Entry, index: AccessIndex) -> tuple[Entry, ...]:
    """Other entries of this plate, and those that cameras confuse with it."""
    others = (*index.by_key(entry.key), *confusable_with(entry, index))
    return tuple(other for other in dict.fromkeys(others) if other.id != entry.id)
