"""The local page and its API: every router behind one admission, with the headers that browsers heed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from pod.domain.errors import PlateBridgeError
from pod.services.health import Status
from pod.web import (
    api,
    api_docs,
    camera_pages,
    event_pages,
    gate_pages,
    health_pages,
    list_pages,
    login_pages,
    media_pages,
    settings_pages,
    watch_api,
    whep,
)
from pod.web.addresses import is_loopback
from pod.web.admission import Admission
from pod.web.hosts import KnownHosts
from pod.web.own_threads import OwnThreads
from pod.web.pages import HERE, Pages
from pod.web.sign_in import SignIn
from pod.web.source import pack_source
from pod.web.view import PodView
from pod.web.whep_origins import WhepOrigins

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
STRICT_TRANSPORT = "max-age=31536000"


def create_app(
    view: PodView, sign_in: SignIn, *, names: Sequence[str] = (), origins: Sequence[str] = ()
) -> FastAPI:
    """The page and its API on one FastAPI app.

    Args:
        names: host names this POD answers to, beside its addresses and those of loopback.
        origins: of pages elsewhere that may show live video, such as https://portal.example.org.
    """
    opening = OwnThreads("opening by hand")

    @asynccontextmanager
    async def served(_: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            if view.watching is not None:
                name = "end what those watch who sign out"
                ending = group.create_task(watch_api.end_with_sign_in(view.watching, sign_in), name=name)
            yield
            if view.watching is not None:
                ending.cancel()
        opening.stop()
        sign_in.stop()

    app = FastAPI(
        title="PlateBridge POD",
        description=api.DESCRIPTION,
        version=view.version,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=served,
    )
    pages = Pages(site=view.site, version=view.version)
    headers = SECURITY_HEADERS | ({"Strict-Transport-Security": STRICT_TRANSPORT} if sign_in.secure else {})
    app.add_middleware(Admission, sign_in=sign_in, pages=pages)
    app.add_middleware(WhepOrigins, origins=origins)
    app.add_middleware(KnownHosts, names=names)
    # The live player is in sync, as the portal shows it, too.
    static = StaticFiles(directory=HERE / "static", packages=[("sync", "assets")])
    app.mount("/static", static, name="static")
    app.include_router(login_pages.router(pages, sign_in))
    app.include_router(event_pages.router(pages, view, lives=sign_in.lives))
    app.include_router(media_pages.router(pages, view))
    app.include_router(list_pages.router(pages, view))
    app.include_router(gate_pages.router(pages, view, opening))
    app.include_router(camera_pages.router(pages, view))
    app.include_router(health_pages.router(pages, view))
    app.include_router(settings_pages.router(pages, view))
    app.include_router(api.router(view, sign_in, opening))
    app.include_router(watch_api.router(view, sign_in))
    app.include_router(whep.router(view))
    app.include_router(api_docs.router(pages, app))

    @app.middleware("http")
    async def secure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(HTTPException)
    async def wrong(request: Request, error: HTTPException) -> Response:
        if whep.is_for(request):
            return whep.refusal(error)
        heading, sentence = "Not possible", str(error.detail)
        if error.status_code == 404:
            heading = "Nothing here"
            if sentence == "Not Found":  # nobody said more
                sentence = (
                    f"This POD has no page {request.url.path}. The address may be mistyped or out of date."
                )
        refusal = pages.refuse(request, error.status_code, heading=heading, sentence=sentence)
        refusal.headers.update(error.headers or {})
        return refusal

    @app.exception_handler(PlateBridgeError)
    async def failed(request: Request, error: PlateBridgeError) -> Response:
        return pages.refuse(request, 503, heading="Not possible now", sentence=str(error))

    @app.exception_handler(RequestValidationError)
    async def misunderstood(request: Request, error: RequestValidationError) -> Response:
        """What does not fit, without what was given: it may be a password."""
        parts = [f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors()]
        return pages.refuse(request, 422, heading="Not understood", sentence="; ".join(parts))

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> Response:
        """Beyond every other layer, so with its own headers; the log has what happened."""
        sentence = "This is a defect of PlateBridge, and its log says more. Nothing else is affected."
        refusal = pages.refuse(request, 500, heading="The page failed", sentence=sentence)
        refusal.headers.update(headers)
        return refusal

    @app.get("/healthz")
    async def healthz(request: Request) -> JSONResponse:
        """503 while any part fails. Which, and why, is for this machine and for those who signed in: it names
        cameras and folders."""
        health = view.health()
        is_known = request.scope["platebridge.session"] is not None or is_loopback(request.scope["client"])
        told = health.as_json() if is_known else {"status": health.status.value}
        return JSONResponse(told, 503 if health.status is Status.FAILING else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(view.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/source.tar.gz")
    def source() -> Response:
        """The source of the very program that runs here (AGPL-3.0, section 13)."""
        return Response(pack_source(), media_type="application/gzip")

    return app
