"""The cameras: what each sees now, with the parts of the view that count and those that are left alone."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from pod.web.health_words import PartWords, part_words
from pod.web.pages import Pages
from pod.web.view import PodView


def router(pages: Pages, view: PodView) -> APIRouter:
    """`/cameras`, and the newest picture of each."""
    routes = APIRouter(include_in_schema=False)
    names = {camera.name for camera in view.cameras}

    def states() -> dict[str, PartWords]:
        """How each camera fares, by its name."""
        parts = [(part.part.partition(" "), part) for part in view.health().parts]
        return {name: part_words(part) for (kind, _, name), part in parts if kind == "camera"}

    @routes.get("/cameras", response_class=HTMLResponse)
    async def cameras(request: Request) -> Response:
        return pages.render(request, "cameras.html", cameras=view.cameras, states=states())

    @routes.get("/cameras/{name}/state", response_class=HTMLResponse)
    async def state(request: Request, name: str) -> Response:
        """The part of the page that changes, beside the picture."""
        for camera in view.cameras:
            if camera.name == name:
                return pages.render(request, "camera_state.html", camera=camera, states=states())
        raise HTTPException(404)

    @routes.get("/cameras/{name}/still.jpg")
    async def still(name: str) -> Response:
        """204 while the camera shows nothing: no fault of the page's, and no picture of long ago."""
        if name not in names:
            raise HTTPException(404)
        jpeg = await view.still(name)
        return Response(status_code=204) if jpeg is None else Response(jpeg, media_type="image/jpeg")

    return routes
