"""Which pages elsewhere may ask the WHEP endpoint (CORS): those that the configuration lists."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pod.web.admission import SAFE_METHODS, WHEP_FOLDER, is_foreign
from pod.web.problems import problem

PREFLIGHT_S = 600

_ALLOWED = {
    "Access-Control-Allow-Methods": "OPTIONS, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": str(PREFLIGHT_S),
}
_READABLE = "Location, Link, ETag, Retry-After"


class WhepOrigins:
    """ASGI middleware; requests of other paths pass through untouched.

    Args:
        origins: such as https://portal.example.org, in lower case.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(WHEP_FOLDER):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.getlist("origin")
        origin = given[0].lower() if len(given) == 1 else ""
        if origin in self._origins:
            await self._app(scope, receive, _told(send, given[0], is_preflight=scope["method"] == "OPTIONS"))
        elif given and scope["method"] not in SAFE_METHODS and (len(given) > 1 or is_foreign(headers)):
            refusal = problem(
                403,
                "origin",
                detail="Pages of this origin may not show live video; live.origins lists those that may.",
            )
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _told(send: Send, origin: str, *, is_preflight: bool) -> Send:
    """Let the page at `origin` read the answer."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _READABLE
            headers.add_vary_header("Origin")
            if is_preflight:
                headers.update(_ALLOWED)
        await send(message)

    return with_headers
