"""Render a page: the shared templates, who is signed in, and where in the navigation one is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape

from pod.web.sessions import Session

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    path: str
    title: str
    icon: str


PLACES = (
    Place("/", "Now", "nav-now"),
    Place("/list", "List", "nav-list"),
    Place("/gate", "Gate", "nav-gate"),
    Place("/cameras", "Cameras", "nav-cameras"),
    Place("/health", "Health", "nav-health"),
    Place("/settings", "Settings", "nav-settings"),
)
_BELONGS = {"/password": "/settings", "/api": ""}
"""Pages that belong to an entry of the navigation by another path than its own, or to none."""


class Pages:
    """The templates with what every page needs."""

    def __init__(self, *, site: str, version: str) -> None:
        self._shared = {"site": site, "version": version, "places": PLACES}
        self._templates = Jinja2Templates(HERE / "templates")
        self._templates.env.filters["clock"] = lambda at: at.strftime("%H:%M:%S")
        self._templates.env.filters["code"] = with_code

    def render(self, request: Request, template: str, status: int = 200, **context: object) -> Response:
        """A page. Its template finds `site`, `version`, `places`, `here` (the path of the entry of the
        navigation it belongs to), `session` (None before the sign-in) and `csrf` for its forms."""
        session: Session | None = request.scope.get("platebridge.session")
        around = {
            "session": session,
            "csrf": request.scope.get("platebridge.csrf", ""),
            "here": _place_of(request.url.path, PLACES),
        }
        return self._templates.TemplateResponse(request, template, self._shared | around | context, status)

    def refuse(self, request: Request, status: int, *, heading: str, sentence: str) -> Response:
        """What went wrong: a page for people, JSON for programs and scripts."""
        if is_htmx(request) or "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": sentence}, status)
        return self.render(request, "error.html", status, heading=heading, sentence=sentence, here="")


def with_code(text: str) -> Markup:
    """A sentence as HTML: what stands in backticks, as in a terminal, is a command."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped first)


def _place_of(path: str, places: Sequence[Place]) -> str:
    """The entry of the navigation that a path belongs to; approaches and searches belong to Now."""
    entries = {place.path: place.path for place in places[1:]} | _BELONGS
    return next((to for of, to in entries.items() if path == of or path.startswith(f"{of}/")), "/")


def signed_in(request: Request) -> Session:
    """Who asks. Admission let nobody else through; without it this fails loudly."""
    session: Session = request.scope["platebridge.session"]
    return session


SignedIn = Annotated[Session, Depends(signed_in)]


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


def is_htmx(request: Request) -> bool:
    """Whether a part of the page asks, not the browser's address bar."""
    return request.headers.get("hx-request") == "true"
