"""How the POD fares: its parts, and the alarms that stand."""

from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from pod.web.health_words import health_of
from pod.web.pages import Pages
from pod.web.view import PodView


def router(pages: Pages, view: PodView) -> APIRouter:
    """`/health` and the part of it that changes."""
    routes = APIRouter(include_in_schema=False)

    def render(request: Request, template: str) -> Response:
        zone = view.time_zone
        return pages.render(
            request,
            template,
            now=datetime.now(zone),
            health=health_of(view.health()),
            alarms=[(alarm, alarm.since.astimezone(zone)) for alarm in view.alarms()],
        )

    @routes.get("/health", response_class=HTMLResponse)
    async def health(request: Request) -> Response:
        return render(request, "health_page.html")

    @routes.get("/health/now", response_class=HTMLResponse)
    async def now(request: Request) -> Response:
        """The part of the page that changes."""
        return render(request, "health_now.html")

    return routes
