"""The cars at the gate: what it did and why, live."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sse_starlette import EventSourceResponse

from pod.domain.errors import StoreError
from pod.domain.history import ApproachRecord
from pod.services.health import Health, PartHealth, Status
from pod.web.car_words import days_of
from pod.web.health_words import health_of
from pod.web.pages import Pages
from pod.web.view import PodView

KEEPALIVE_S = 15

CARS_SHOWN = 50
"""Most cars on the page; `platebridge audit` shows the rest."""


def router(pages: Pages, view: PodView) -> APIRouter:
    """`/`, the part of it that changes, and the events that say when."""
    routes = APIRouter(include_in_schema=False)

    async def render(request: Request, template: str) -> Response:
        now = datetime.now(view.time_zone)
        health = view.health()
        records: Sequence[ApproachRecord] | None = None
        try:
            records = await view.recent(CARS_SHOWN)
        except StoreError as error:
            others = (part for part in health.parts if part.part != "store")
            health = Health((*others, PartHealth("store", Status.FAILING, str(error))))
        return pages.render(
            request,
            template,
            now=now,
            zone=view.time_zone.key,
            health=health_of(health),
            days=days_of(records or (), now),
            unread=records is None,
            full=records is not None and len(records) == CARS_SHOWN,
        )

    @routes.get("/", response_class=HTMLResponse)
    async def page(request: Request) -> Response:
        return await render(request, "page.html")

    @routes.get("/now", response_class=HTMLResponse)
    async def now(request: Request) -> Response:
        """The part of the page that changes."""
        return await render(request, "now.html")

    @routes.get("/events")
    async def events() -> EventSourceResponse:
        """Server-sent events: one JSON object each, from now on."""
        return EventSourceResponse(_server_sent(view), ping=KEEPALIVE_S)

    return routes


async def _server_sent(view: PodView) -> AsyncIterator[dict[str, str]]:
    with view.listen() as events:
        async for event in events:
            yield {"event": str(event["kind"]), "data": json.dumps(event)}
