"""Answer only to the names of this POD, so that a page elsewhere cannot point its own name here."""

import html
import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

STATIC = "/static/"
"""Answered under any name: it holds nothing of this POD's, and the page below looks like the others by it."""

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Another name, please</title><link rel="stylesheet" href="/static/page.css"></head>
<body><main class="alone"><h1>This POD does not answer to that name</h1>
<p>The address in your browser names {host}, and this POD does not know itself by that name. Nothing was
done.</p><p>Use its IP address instead. If the name is right, whoever looks after the POD adds it to
<code>web.names</code> in its configuration.</p></main></body></html>
"""


class KnownHosts:
    """ASGI middleware. Known are loopback, the names given, and the address that the connection came in by.

    An address cannot be pointed elsewhere as a name can, so it need not be listed: it may change by DHCP.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = {*LOOPBACK_NAMES, *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).getlist("host")
        name = _without_port(given[0]) if len(given) == 1 else ""
        if scope["path"].startswith(STATIC) or name in self._names or _is_own(name, scope.get("server")):
            await self._app(scope, receive, send)
            return
        page = _PAGE.format(host=html.escape(name[:100]) or "no host, or several")
        await HTMLResponse(page, 400)(scope, receive, send)


def _without_port(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return (name if separator and port.isdigit() else host).lower().rstrip(".")


def _is_own(name: str, server: tuple[str, int | None] | None) -> bool:
    try:
        return server is not None and ipaddress.ip_address(name.strip("[]")) == ipaddress.ip_address(
            server[0].partition("%")[0].removeprefix("::ffff:")
        )
    except ValueError:
        return False
