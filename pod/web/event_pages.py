"""The cars at the gate: live, one by one with pictures and the reason, and those of other days."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sse_starlette import EventSourceResponse

from pod.domain.errors import StoreError
from pod.domain.history import ApproachRecord, approaches, gate_facts
from pod.domain.plates import match_key
from pod.services.health import Health, PartHealth, Status
from pod.web.approach_words import story_of
from pod.web.car_words import days_of
from pod.web.event_search import OUTCOMES, query_of, search_of
from pod.web.health_words import health_of
from pod.web.list_words import entry_words
from pod.web.pages import Pages, SignedIn
from pod.web.sessions import Session
from pod.web.view import MediaFile, PodView

KEEPALIVE_S = 15

CARS_SHOWN = 50
"""Most cars on the page; the search shows the rest."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The kept pictures of one step of an approach, by number; None where there is none."""

    scene: int | None = None
    plate: int | None = None


def router(pages: Pages, view: PodView, *, lives: Callable[[Session], bool]) -> APIRouter:
    """`/`, `/now`, `/stream`, `/events` and `/approaches/ID`.

    Args:
        lives: whether a session has not ended, asked before each event of a stream.
    """
    routes = APIRouter(include_in_schema=False)

    async def render(request: Request, template: str) -> Response:
        now = datetime.now(view.time_zone)
        health = view.health()
        records: Sequence[ApproachRecord] | None = None
        pictures: Mapping[str, Pictures] = {}
        try:
            records = await view.recent(CARS_SHOWN)
            pictures = await newest_pictures(records)
        except StoreError as error:
            others = (part for part in health.parts if part.part != "store")
            health = Health((*others, PartHealth("store", Status.FAILING, str(error))))
        return pages.render(
            request,
            template,
            now=now,
            cameras=view.cameras,
            zone=view.time_zone.key,
            health=health_of(health),
            days=days_of(records or (), now),
            pictures=pictures,
            wired=any(gate.is_wired for gate in view.gates().values()),
            unread=records is None,
            full=records is not None and len(records) == CARS_SHOWN,
        )

    async def newest_pictures(records: Sequence[ApproachRecord]) -> Mapping[str, Pictures]:
        media = view.media
        if media is None or not records:
            return {}
        ids = [record.approach for record in records]
        found = await asyncio.to_thread(media.find_all, ids)
        steps = {id_: _by_revision(files) for id_, files in found.items()}
        return {id_: of_step[max(of_step)] for id_, of_step in steps.items() if of_step}

    @routes.get("/", response_class=HTMLResponse)
    async def page(request: Request) -> Response:
        return await render(request, "page.html")

    @routes.get("/now", response_class=HTMLResponse)
    async def now(request: Request) -> Response:
        """The part of the page that changes."""
        return await render(request, "now.html")

    @routes.get("/stream")
    async def stream(session: SignedIn) -> EventSourceResponse:
        """Server-sent events: one JSON object each, from now on until the session ends."""
        return EventSourceResponse(_server_sent(view, lambda: lives(session)), ping=KEEPALIVE_S)

    @routes.get("/events", response_class=HTMLResponse)
    async def events(request: Request) -> Response:
        """Cars of any day."""
        now = datetime.now(view.time_zone)
        asked = search_of(request.query_params, now)
        context: dict[str, object] = {"days": [], "pictures": {}, "older": None, "trouble": ""}
        if not asked.problems:
            try:
                found = await view.search(query_of(asked, now))
                context["days"] = days_of(found.records, now)
                context["pictures"] = await newest_pictures(found.records)
                if found.next_before is not None:
                    context["older"] = asked.link(found.next_before)
            except StoreError as error:
                context["trouble"] = str(error)
        return pages.render(
            request,
            "events.html",
            200 if not asked.problems else 422,
            search=asked,
            outcomes={name: title for name, (title, _) in OUTCOMES.items()},
            cameras=[each.name for each in view.cameras],
            zone=view.time_zone.key,
            **context,
        )

    @routes.get("/approaches/{approach}", response_class=HTMLResponse)
    async def approach_page(request: Request, approach: str) -> Response:
        """Why it did or did not open for one car."""
        now = datetime.now(view.time_zone)
        try:
            rows = await view.approach(approach)
        except StoreError as error:
            return pages.refuse(request, 503, heading="The records cannot be read now", sentence=str(error))
        records = approaches(rows)
        if not records:
            sentence = (
                "There is no record of this car any more, or there never was: records are erased when their "
                "time is over, or when somebody asks for it."
            )
            return pages.refuse(request, 404, heading="No such car", sentence=sentence)
        record = records[0]
        media = view.media
        files = await asyncio.to_thread(media.find, approach) if media is not None else ()
        clips = await asyncio.to_thread(media.clips, approach) if media is not None else ()
        pictures = _by_revision(files)
        index = view.plates.current.index
        listed = index.by_key(match_key(record.entry or record.plate)) if record.plate else ()
        return pages.render(
            request,
            "approach.html",
            story=story_of(record, now, gate_facts(rows)),
            record=record,
            shown=pictures[max(pictures)] if pictures else Pictures(),
            pictures=pictures,
            clips=clips,
            keeps_pictures=media is not None,
            listed=[entry_words(entry, now) for entry in listed],
            zone=view.time_zone.key,
        )

    return routes


def _by_revision(files: Sequence[MediaFile]) -> dict[int, Pictures]:
    found: dict[int, dict[str, int]] = {}
    for file in files:
        found.setdefault(file.revision, {})[file.kind] = file.id
    return {revision: Pictures(**kinds) for revision, kinds in sorted(found.items())}


async def _server_sent(view: PodView, is_allowed: Callable[[], bool]) -> AsyncIterator[dict[str, str]]:
    with view.listen() as events:
        async for event in events:
            if not is_allowed():
                return
            yield {"event": str(event["kind"]), "data": json.dumps(event)}
