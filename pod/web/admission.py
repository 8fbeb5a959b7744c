"""Let a request in or not: session, forged forms, size and time of a body. Shut unless named here."""

import asyncio
import hmac
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pod.web.addresses import is_loopback
from pod.web.bearer import bearer_of, no_token
from pod.web.pages import Pages
from pod.web.problems import problem
from pod.web.sign_in import SignIn

SIGN_IN = "/api/session"
OPEN_PATHS = ("/healthz", "/source.tar.gz", "/login", "/signin")
OPEN_FOLDERS = ("/static/", "/shared/")
"""`/shared/` asks for a signed link instead of a session."""

LOOPBACK_PATHS = ("/metrics",)
"""Open to programs on this machine."""

WHEP_FOLDER = "/whep/"
"""For whoever brings a stream token in the head. No cookie counts there, so nothing is forged with one."""

FREE_OF_CHANGE = ("/password", "/logout", SIGN_IN)
"""What may be asked for while the password is still the one that was made for the first start."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

BODY_BYTES = 64 * 1024
UPLOAD_BYTES = 4 * 1024 * 1024
UPLOADS = ("/list/import",)
WHEP_BYTES = 32 * 1024
"""Four times the longest offer of a browser."""

BODY_S = 20.0
UPLOAD_S = 60.0
"""How long a body, and a file, may take to arrive."""


@dataclass(frozen=True, slots=True)
class _RefusedError(Exception):
    status: int
    heading: str
    sentence: str


class Admission:
    """ASGI middleware; what it lets through has `platebridge.session` and `platebridge.csrf` in its scope."""

    def __init__(self, app: ASGIApp, *, sign_in: SignIn, pages: Pages) -> None:
        self._app = app
        self._sign_in = sign_in
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"].startswith(WHEP_FOLDER):
            await self._admit_bearer(scope, headers, receive, send)
            return
        cookie = _cookie(headers, self._sign_in.cookie)
        session = self._sign_in.find(cookie)
        scope["platebridge.session"] = session
        scope["platebridge.csrf"] = self._sign_in.csrf_of(cookie) if cookie else ""
        if session is None and not _is_open(scope):
            await _to_sign_in(scope, headers)(scope, receive, send)
            return
        if session is not None and session.must_change and not _is_free_of_change(scope):
            await _elsewhere(scope, headers, "/password", 403)(scope, receive, send)
            return
        if scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        try:
            limits = (UPLOAD_BYTES, UPLOAD_S) if _is_upload(scope, headers) else (BODY_BYTES, BODY_S)
            body = await _body(receive, headers, limit_bytes=limits[0], limit_s=limits[1])
            await _refuse_forged(scope, headers, body)
        except _RefusedError as error:
            refusal = self._pages.refuse(
                Request(scope), error.status, heading=error.heading, sentence=error.sentence
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)

    async def _admit_bearer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Whether the token is good is told where it is spent; without any, not even the body is read."""
        scope["platebridge.session"], scope["platebridge.csrf"] = None, ""
        if scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        if bearer_of(headers) is None:
            await no_token()(scope, receive, send)
            return
        try:
            body = await _body(receive, headers, limit_bytes=WHEP_BYTES, limit_s=BODY_S)
        except _RefusedError as error:
            codes = {400: "cut_short", 408: "too_slow", 413: "too_large"}
            await problem(error.status, codes[error.status], detail=error.sentence)(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


def is_safe_place(path: str) -> bool:
    """Whether a path from a query leads to a page here and not elsewhere."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    if path in LOOPBACK_PATHS:
        return is_loopback(scope["client"])
    if path == SIGN_IN:
        return bool(scope["method"] == "POST")
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _is_free_of_change(scope: Scope) -> bool:
    return scope["path"] in FREE_OF_CHANGE or _is_open(scope)


def _is_upload(scope: Scope, headers: Headers) -> bool:
    """A form of another type holds no file, and one of that size would take long to read."""
    return scope["path"] in UPLOADS and headers.get("content-type", "").startswith("multipart/form-data")


def _cookie(headers: Headers, name: str) -> str:
    """The cookie's value; "" where there is none, or more than one: nobody can tell which is ours."""
    found = []
    for part in headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            found.append(value)
    return found[0] if len(found) == 1 else ""


def _to_sign_in(scope: Scope, headers: Headers) -> Response:
    path: str = scope["path"]
    # Only a page can be shown after the sign-in: not a part of one, nor the answer to a form.
    place = path if scope["method"] == "GET" and "hx-request" not in headers else _current(headers)
    there = f"/login?next={quote(place)}" if place not in ("", "/") else "/login"
    return _elsewhere(scope, headers, there, 401)


def _current(headers: Headers) -> str:
    """The page that a part of it, or a form on it, asks from."""
    try:
        return urlsplit(headers.get("hx-current-url", headers.get("referer", ""))).path
    except ValueError:  # a host that is none, such as [
        return ""


def _elsewhere(scope: Scope, headers: Headers, place: str, status: int) -> Response:
    """Lead a browser to another page; tell a program why it got nothing."""
    if headers.get("hx-request") == "true":
        return Response(status_code=status, headers={"HX-Redirect": place})
    if "text/html" in headers.get("accept", "") and not scope["path"].startswith("/api/"):
        return RedirectResponse(place, 303)
    sentence = "sign in first" if status == 401 else "change the password first"
    return JSONResponse({"detail": sentence}, status)


async def _body(receive: Receive, headers: Headers, *, limit_bytes: int, limit_s: float) -> bytes:
    """The whole body, bounded in size and time, so that no page waits for a browser that does not send."""
    declared = headers.get("content-length", "0")
    too_large = _RefusedError(
        413, "Too much at once", f"This POD takes at most {limit_bytes // 1024} KiB here; send less."
    )
    if not declared.isdigit() or int(declared) > limit_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limit_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _RefusedError(
                        400, "Cut short", "The request ended before it was complete; try again."
                    )
                body += message.get("body", b"")
                if len(body) > limit_bytes:
                    raise too_large
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise _RefusedError(408, "Too slow", "The request did not arrive in time; try again.") from None


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the app the body that was read already, then what comes after it."""
    sent = False

    async def once() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


def is_foreign(headers: Headers) -> bool:
    """Whether a page elsewhere asks, or something that calls itself none."""
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        return True


async def _refuse_forged(scope: Scope, headers: Headers, body: bytes) -> None:
    """Raises unless a form of ours asks: same origin, and the token that only our pages know."""
    foreign = is_foreign(headers)
    if scope["path"] == SIGN_IN and headers.get("content-type") == "application/json" and not foreign:
        return  # nobody has a token yet, and no form elsewhere can send this type
    given = headers.get("x-csrf-token")
    if given is None and not foreign:
        given = await _field(scope, body)
    expected: str = scope["platebridge.csrf"]
    if foreign or not expected or not hmac.compare_digest((given or "").encode(), expected.encode()):
        raise _RefusedError(
            403,
            "This form is out of date",
            "It was made for another sign-in, or did not come from this page. Nothing was done. "
            "Open the page again and repeat it there; cookies must be allowed.",
        )


async def _field(scope: Scope, body: bytes) -> str | None:
    """The form's `csrf` field."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(scope, receive).form(max_files=1, max_fields=1000) as form:
            value = form.get("csrf")
    except (HTTPException, MultiPartException, ValueError):
        raise _RefusedError(400, "Not understood", "This form cannot be read; send it again.") from None
    return value if isinstance(value, str) else None
