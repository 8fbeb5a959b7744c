"""The WHEP endpoint of each camera (draft-ietf-wish-whep-03), as docs/live-video.md describes it."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import ParamSpec

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from pod.domain.errors import LiveError, LiveErrorKind
from pod.domain.stream_token import Refused
from pod.media.live.sessions import IceServer
from pod.services.watching import LEASE_S, Watching
from pod.web.admission import WHEP_FOLDER
from pod.web.bearer import bearer_of, token_refused
from pod.web.pages import address_of
from pod.web.problems import problem
from pod.web.view import PodView

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

STATUS: dict[LiveErrorKind, int] = {
    "bad_offer": 400,
    "too_large": 413,
    "no_h264": 406,
    "no_camera": 404,
    "not_playing": 409,
    "too_many_for_camera": 503,
    "too_many": 503,
    "too_fast": 429,
    "gone": 404,
    "bad_etag": 412,
    "no_restart": 422,
    "stopping": 503,
    "fault": 500,
}

RETRY_AFTER_S: dict[LiveErrorKind, float] = {
    "not_playing": 5.0,
    "too_many_for_camera": 30.0,
    "too_many": 30.0,
    "too_fast": 2.0,
    "stopping": 5.0,
}
"""Where whoever raised it did not say; without an entry asking again does not help."""

P = ParamSpec("P")


class _UnfitError(Exception):
    """The request is not one of WHEP's."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


def is_for(request: Request) -> bool:
    """Whether a request is for an endpoint or a session of WHEP."""
    return request.url.path.startswith(WHEP_FOLDER)


def refusal(error: HTTPException) -> JSONResponse:
    """What no route took."""
    codes = {
        404: ("no_camera", "There is no such endpoint."),
        405: ("method", "This method does nothing here; see Allow."),
    }
    code, sentence = codes.get(error.status_code, ("refused", str(error.detail)))
    answer = problem(error.status_code, code, detail=sentence)
    answer.headers.update(error.headers or {})
    return answer


def router(view: PodView) -> APIRouter:
    """`/whep/...`. Admission has read the body, and seen that there is a token."""
    routes = APIRouter(prefix=WHEP_FOLDER.rstrip("/"), include_in_schema=False)

    @routes.api_route("/{camera}", methods=["GET", "HEAD", "OPTIONS", "POST"])
    @_told
    async def endpoint(request: Request, camera: str) -> Response:
        if request.method != "POST":
            return _servers(view, request, camera) or _about(request, {"Accept-Post": SDP})
        watching, token = _who(view, request)
        offer = await _text(request, SDP)
        answer = await watching.open(camera, token, offer, address=address_of(request))
        if isinstance(answer, Refused):
            return token_refused(answer.code, answer.sentence)
        response = Response(answer.sdp, 201, media_type=SDP)
        response.headers["Location"] = f"{WHEP_FOLDER}{camera}/{answer.session_id}"
        response.headers["ETag"] = f'"{answer.etag}"'
        _add_servers(response, watching.ice_servers())
        return response

    @routes.api_route("/{camera}/{session}", methods=["GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE"])
    @_told
    async def session(request: Request, camera: str, session: str) -> Response:
        if request.method not in ("POST", "PATCH", "DELETE"):
            return _about(request, {"Accept-Patch": FRAGMENT})
        watching, token = _who(view, request)
        if request.method == "POST":
            refused = await watching.renew(camera, session, token)
            done: Response = JSONResponse({"lease_s": LEASE_S})
        elif request.method == "DELETE":
            refused = await watching.end(camera, session, token)
            done = Response()
        else:
            fragment = await _text(request, FRAGMENT)
            etag = _etag(request)
            refused = await watching.trickle(camera, session, token, fragment=fragment, etag=etag)
            done = Response(status_code=204)
        return done if refused is None else token_refused(refused.code, refused.sentence)

    return routes


def _told(handler: Callable[P, Awaitable[Response]]) -> Callable[P, Awaitable[Response]]:
    """Say what went wrong as a problem."""

    @wraps(handler)
    async def told(*args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            return await handler(*args, **kwargs)
        except LiveError as error:
            wait_s = error.retry_after_s
            if wait_s is None:
                wait_s = RETRY_AFTER_S.get(error.kind)
            return problem(STATUS[error.kind], error.kind, detail=_sentence(error), retry_after_s=wait_s)
        except _UnfitError as error:
            return problem(error.status, error.code, detail=_sentence(error))

    return told


def _who(view: PodView, request: Request) -> tuple[Watching, str]:
    token = bearer_of(request.headers)
    if view.watching is None:  # why is for those who signed in: it may name a folder
        raise _UnfitError(503, "off", "live video is off on this POD; its own page says why")
    return view.watching, token or ""


def _about(request: Request, accepts: dict[str, str]) -> Response:
    """What can be asked here, without a token: the same whatever exists."""
    if request.method == "OPTIONS":
        return Response(headers=accepts)
    return Response(status_code=204, headers=accepts)


def _servers(view: PodView, request: Request, camera: str) -> Response | None:
    """The answer to OPTIONS of whoever brings a token: the ICE servers, too, for those that need them before
    they offer (RFC 9725, 4.6). A browser's preflight brings none. None where nobody asks for them."""
    token = bearer_of(request.headers)
    if request.method != "OPTIONS" or token is None or view.watching is None:
        return None
    found = view.watching.ice_servers_for(camera, token)
    if isinstance(found, Refused):
        return token_refused(found.code, found.sentence)
    response = _about(request, {"Accept-Post": SDP})
    _add_servers(response, found)
    return response


def _add_servers(response: Response, servers: Sequence[IceServer]) -> None:
    for server in servers:
        response.headers.append("Link", _link(server))


async def _text(request: Request, kind: str) -> str:
    """The body, of this media type and no other."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise _UnfitError(415, "wrong_type", f"this takes Content-Type: {kind}")
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise _UnfitError(400, "bad_offer", "this is no SDP: it is not UTF-8") from None


def _etag(request: Request) -> str:
    """The ICE session that a fragment is for, without its quotes."""
    given = request.headers.get("if-match")
    if given is None:
        raise _UnfitError(428, "no_etag", "send If-Match with the ETag that came with the answer")
    if given.strip() == "*":
        raise LiveError("no_restart", "ICE restarts are not supported; open a new session")
    found = re.fullmatch(r'"([^"]*)"', given.strip())
    if found is None:
        raise LiveError("bad_etag", "If-Match is not the ETag of this session")
    return found[1]


def _link(server: IceServer) -> str:
    """A header that tells of a STUN or TURN server, as WHIP writes it (RFC 9725, 4.6)."""
    parts = [f"<{server.url}>", 'rel="ice-server"']
    if server.username is not None and server.credential is not None:
        parts += [f"username={_quoted(server.username)}", f"credential={_quoted(server.credential)}"]
        parts.append('credential-type="password"')
    return "; ".join(parts)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."
