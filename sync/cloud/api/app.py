"""The HTTP side of the POD's requests: paths, limits, documents. What is answered is the desk's."""

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sync.cloud.api.desk import Desk
from sync.cloud.api.problem import ProblemError
from sync.protocol.limits import MAX_INT
from sync.protocol.lists import EMPTY
from sync.protocol.portal import (
    Heard,
    Heartbeat,
    ImagePlace,
    OfferedImage,
    Problem,
    Register,
    Registered,
    Renew,
    Renewed,
    put_together,
)
from sync.protocol.up import WantList

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "Refused; `code` says why, `detail` what to do."},
    "5XX": {"model": Problem, "description": "The cloud cannot answer now."},
}
_MAX_FAULTS = 5
_Authorization = Annotated[str | None, Header(max_length=2000)]


def create_app(desk: Desk) -> FastAPI:
    """The application; `server.PodApi` serves it with its bounds."""
    app = FastAPI(
        title="PlateBridge: what PODs ask the cloud for",
        version=version("platebridge"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.add_exception_handler(ProblemError, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _unknown)
    _add_health(app, desk)
    _add_identity(app, desk)
    _add_exchange(app, desk)
    return app


def _add_health(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/health")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/api/health/ready", response_model=None)
    async def ready() -> JSONResponse:
        """Database and broker answer, too: 200; else 503, with what does not."""
        unready = await desk.unready()
        return JSONResponse(
            {"status": "not ready" if unready else "ok", **unready},
            503 if unready else 200,
            headers={"Cache-Control": "no-store"},
        )


def _add_identity(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/pods/authority", response_class=PlainTextResponse)
    async def authority() -> str:
        """The certificate of the cloud's authority, PEM; its SHA-256 is in each join string."""
        return desk.signer.certificate_pem.decode()

    @app.post("/api/pods/register", responses=_REFUSALS)
    async def register(asked: Register) -> Registered:
        """Let a POD in by the token of its join string, once."""
        return await desk.register(asked)

    @app.post("/api/pods/renew", responses=_REFUSALS)
    async def renew(asked: Renew, authorization: _Authorization = None) -> Renewed:
        """The next certificate, for the key that the POD has."""
        return await desk.renew(_bearer(authorization), asked)


def _add_exchange(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/pods/heartbeat", responses=_REFUSALS)
    async def heartbeat(told: Heartbeat, authorization: _Authorization = None) -> Heard:
        """A POD is alive although no broker hears it."""
        return await desk.heartbeat(_bearer(authorization), told)

    @app.get("/api/pods/list", response_class=Response, responses=_REFUSALS)
    async def whole_list(
        session: Annotated[str, Query(pattern=_NAME)],
        number: Annotated[int, Query(ge=0, le=MAX_INT)],
        authorization: _Authorization = None,
    ) -> Response:
        """The whole list in the signed frames that a broker would bring, each behind its length (4 bytes)."""
        want = WantList(session=session, number=number, has=EMPTY, version=0, missing=None)
        frames = await desk.list_frames(_bearer(authorization), want)
        return Response(put_together(frames), media_type="application/octet-stream")

    @app.post("/api/pods/media", responses=_REFUSALS)
    async def offer_image(offer: OfferedImage, authorization: _Authorization = None) -> ImagePlace:
        """Whether the cloud wants a picture, and from which byte on."""
        return await desk.offer_image(_bearer(authorization), offer)

    @app.put("/api/pods/media/{name}", responses=_REFUSALS)
    async def put_image(
        request: Request,
        name: Annotated[str, Path(pattern=_NAME)],
        offset: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
        authorization: _Authorization = None,
    ) -> ImagePlace:
        """Bytes of an offered picture from `offset` on; what came before a break stays."""
        try:
            return await desk.put_image(
                _bearer(authorization), name, from_byte=offset, parts=request.stream()
            )
        except ClientDisconnect:
            raise ProblemError(400, "cut_short", "The connection broke: go on from the last byte.") from None


def _bearer(authorization: str | None) -> str | None:
    kind, _, token = (authorization or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ProblemError):
        raise error
    return error.response()


async def _unreadable(_: Request, error: Exception) -> JSONResponse:
    """By field, without repeating what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    told = [
        f"{'.'.join(str(part)[:32] for part in one['loc'][:4])}: {str(one['msg'])[:80]}"
        for one in error.errors()[:_MAX_FAULTS]
    ]
    return ProblemError(422, "bad_request", f"This cannot be read: {'; '.join(told)}").response()


async def _unknown(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 400:  # a body that is nested too deeply
        return ProblemError(400, "bad_request", "This body cannot be read.").response()
    code = {404: "not_found", 405: "bad_method"}.get(status, "refused")
    return ProblemError(
        status, code, "There is nothing by this path and method: see /api/openapi.json."
    ).response()
