"""The local page: what the gate did and why, and how the pod fares. Server-rendered, read-only."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pod.domain.errors import StoreError
from pod.domain.history import ApproachRecord
from pod.runtime.broadcast import Event
from pod.services.health import Health, PartHealth, Status
from pod.web.car_words import days_of
from pod.web.health_words import health_of
from pod.web.source import pack_source

_HERE = Path(__file__).parent
KEEPALIVE_S = 15

CARS_SHOWN = 50
"""Most cars on the page; `platebridge audit` shows the rest."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class PodView:
    """What the page may see of the pod."""

    site: str
    time_zone: ZoneInfo
    version: str
    health: Callable[[], Health]
    recent: Callable[[int], Awaitable[Sequence[ApproachRecord]]]
    listen: Callable[[], AbstractContextManager[AsyncIterator[Event]]]
    registry: CollectorRegistry


def create_app(view: PodView, *, allowed_hosts: Sequence[str]) -> FastAPI:
    """The page and its API on one FastAPI app.

    Args:
        allowed_hosts: names this POD answers to; anything else is refused, so that a web page elsewhere
            cannot reach it by pointing its own name at this address.
    """
    app = FastAPI(title="PlateBridge POD", version=view.version, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    templates = Jinja2Templates(_HERE / "templates")
    templates.env.filters["clock"] = lambda at: at.strftime("%H:%M:%S")

    @app.middleware("http")
    async def secure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def answer(request: Request, template: str, status: int = 200, **context: object) -> Response:
        shared = {"site": view.site, "version": view.version}
        return templates.TemplateResponse(request, template, shared | context, status)

    async def render(request: Request, template: str) -> Response:
        now = datetime.now(view.time_zone)
        health = view.health()
        records: Sequence[ApproachRecord] | None = None
        try:
            records = await view.recent(CARS_SHOWN)
        except StoreError as error:
            others = (part for part in health.parts if part.part != "store")
            health = Health((*others, PartHealth("store", Status.FAILING, str(error))))
        return answer(
            request,
            template,
            now=now,
            zone=view.time_zone.key,
            health=health_of(health),
            days=days_of(records or (), now),
            unread=records is None,
            full=records is not None and len(records) == CARS_SHOWN,
        )

    @app.exception_handler(HTTPException)
    async def wrong(request: Request, error: HTTPException) -> Response:
        """A page for people, JSON for programs."""
        if error.status_code != 404 or "text/html" not in request.headers.get("accept", ""):
            return await http_exception_handler(request, error)
        sentence = f"This POD has no page {request.url.path}. The address may be mistyped or out of date."
        return answer(request, "error.html", 404, heading="Nothing here", sentence=sentence)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page(request: Request) -> Response:
        return await render(request, "page.html")

    @app.get("/now", response_class=HTMLResponse, include_in_schema=False)
    async def now(request: Request) -> Response:
        """The part of the page that changes."""
        return await render(request, "now.html")

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """Part by part; 503 while any part fails."""
        health = view.health()
        return JSONResponse(health.as_json(), 503 if health.status is Status.FAILING else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(view.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/events")
    async def events() -> EventSourceResponse:
        """Server-sent events: one JSON object each, from now on."""
        return EventSourceResponse(_server_sent(view), ping=KEEPALIVE_S)

    @app.get("/source.tar.gz")
    def source() -> Response:
        """The source of the very program that runs here (AGPL-3.0, section 13)."""
        return Response(pack_source(), media_type="application/gzip")

    return app


async def _server_sent(view: PodView) -> AsyncIterator[dict[str, str]]:
    with view.listen() as events:
        async for event in events:
            yield {"event": str(event["kind"]), "data": json.dumps(event)}
