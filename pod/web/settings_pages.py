"""The settings in force and where each was given, and how to sign in here."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from pod.web.pages import Pages
from pod.web.view import PodView


def router(pages: Pages, view: PodView) -> APIRouter:
    """`/settings`, to be read: they are changed in the file, by whoever may write it."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/settings", response_class=HTMLResponse)
    async def settings(request: Request) -> Response:
        host, port = request.scope.get("server") or ("127.0.0.1", None)
        return pages.render(
            request,
            "settings.html",
            groups=view.settings,
            certificate=view.certificate,
            host=f"[{host}]" if ":" in host else host,
            port=port or "PORT",
        )

    return routes
