"""Every route of the local page's app, those of included routers too."""

from collections.abc import Iterable, Iterator

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route


def routes_of(app: FastAPI) -> frozenset[tuple[str, str]]:
    """Path, with its parameters in braces, and method of each.

    Raises:
        AssertionError: a router holds its routes in a way that this does not know.
    """
    found = frozenset(_within(app.routes))
    assert {("/healthz", "GET"), ("/gate/{name}/open", "POST"), ("/api/gates", "GET")} <= found
    return found


def _within(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Route):
            yield from ((route.path, method) for method in route.methods or ())
        else:
            included = getattr(route, "original_router", None)  # where FastAPI keeps an included router
            yield from _within(included.routes if included is not None else ())
