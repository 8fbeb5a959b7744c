"""The API's description as a page that needs nothing from elsewhere, made from its OpenAPI document."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from pod.web.pages import Pages

METHODS = ("get", "post", "put", "patch", "delete")


def router(pages: Pages, app: FastAPI) -> APIRouter:
    """`/api/docs`; the document itself is at `/api/openapi.json`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/api/docs", response_class=HTMLResponse)
    async def docs(request: Request) -> Response:
        document = app.openapi()
        operations = [
            (method.upper(), path, item[method])
            for path, item in document["paths"].items()
            for method in METHODS
            if method in item
        ]
        schemas = document.get("components", {}).get("schemas", {})
        return pages.render(
            request, "api.html", info=document["info"], operations=operations, schemas=schemas
        )

    return routes
