"""Sign in, change the password, sign out."""

import math
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pod.domain.errors import ConfigError
from pod.web.addresses import is_loopback
from pod.web.admin_password import MAX_CHARACTERS, MIN_CHARACTERS, weakness
from pod.web.admission import is_safe_place
from pod.web.cookies import drop_cookie, set_cookie
from pod.web.pages import Pages, SignedIn, address_of
from pod.web.sessions import Session
from pod.web.sign_in import SignIn, TooManyTries, WrongPassword, trouble_for

Given = Annotated[str, Form(max_length=1000)]


def router(pages: Pages, sign_in: SignIn) -> APIRouter:
    """`/login`, `/signin`, `/password`, `/logout`."""
    routes = APIRouter(include_in_schema=False)

    def form(request: Request, status: int = 200, **context: object) -> Response:
        """The login form, with a cookie that its token belongs to: before the sign-in, too."""
        if request.scope["platebridge.csrf"]:  # another tab may show the form that belongs to this cookie
            return pages.render(request, "login.html", status, **context)
        visitor = secrets.token_urlsafe(32)
        response = pages.render(request, "login.html", status, csrf=sign_in.csrf_of(visitor), **context)
        set_cookie(response, sign_in, visitor)
        return response

    @routes.get("/login", response_class=HTMLResponse)
    async def login(request: Request, next: str = "/") -> Response:
        if request.scope["platebridge.session"] is not None:
            return RedirectResponse(_safe(next), 303)
        return form(request, next=_safe(next))

    @routes.post("/login", response_class=HTMLResponse)
    async def try_password(request: Request, password: Given = "", next: Given = "/") -> Response:
        try:
            result = await sign_in.with_password(password, address_of(request))
        except ConfigError as error:
            problem = trouble_for(request.scope["client"], error)
            return form(request, 503, next=_safe(next), problem=problem)
        if isinstance(result, Session):
            return _with_session(sign_in, result, "/password" if result.must_change else _safe(next))
        return form(
            request, 429 if isinstance(result, TooManyTries) else 401, next=_safe(next), problem=_why(result)
        )

    @routes.get("/signin", response_class=HTMLResponse)
    async def link(request: Request, token: str = "") -> Response:
        session = None
        # A browser that looks ahead must not use the link up before anybody follows it.
        if is_loopback(request.scope["client"]) and "sec-purpose" not in request.headers:
            session = await sign_in.with_link(token, address_of(request))
        if session is not None:
            return _with_session(sign_in, session, "/")
        sentence = (
            "It works once, for ten minutes, and on the POD itself. Make a new one there with: "
            "platebridge pod password --link"
        )
        return pages.refuse(request, 403, heading="This link does not sign in any more", sentence=sentence)

    @routes.get("/password", response_class=HTMLResponse)
    async def password(request: Request, session: SignedIn) -> Response:
        return pages.render(
            request, "password.html", first=session.must_change, least=MIN_CHARACTERS, most=MAX_CHARACTERS
        )

    @routes.post("/password", response_class=HTMLResponse)
    async def change_password(
        request: Request, session: SignedIn, old: Given = "", new: Given = "", again: Given = ""
    ) -> Response:
        problem = weakness(new) or ("Both new passwords must be the same." if new != again else "")
        if not problem and new == old:
            problem = "The new password must differ from the old one."
        status = 422
        if not problem:
            try:
                result = await sign_in.change_password(session, old, new=new)
            except ConfigError as error:
                status, problem = 503, str(error)
            else:
                if isinstance(result, Session):
                    return _with_session(sign_in, result, "/" if session.must_change else "/settings")
                problem = _why(result)
        return pages.render(
            request,
            "password.html",
            status,
            first=session.must_change,
            least=MIN_CHARACTERS,
            most=MAX_CHARACTERS,
            problem=problem,
        )

    @routes.post("/logout", response_class=HTMLResponse)
    async def sign_out(session: SignedIn) -> Response:
        sign_in.sign_out(session)
        response = RedirectResponse("/login", 303)
        drop_cookie(response, sign_in)
        return response

    return routes


def _why(refused: TooManyTries | WrongPassword) -> str:
    if isinstance(refused, TooManyTries):
        wait_s = math.ceil(refused.wait_s)
        return f"Too many wrong passwords. Wait {wait_s} s, then try again."
    return "This is not the password."


def _safe(place: str) -> str:
    return place if is_safe_place(place) else "/"


def _with_session(sign_in: SignIn, session: Session, place: str) -> Response:
    response = RedirectResponse(place, 303)
    set_cookie(response, sign_in, session.token)
    return response
