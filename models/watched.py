"""Connections over HTTP that end where no byte of a file comes for long, whatever else the server says.

A socket's timeout knows silence alone; endless `100 Continue`, or a head that comes byte by byte, are none.
"""

import http.client
import socket
import threading
import time
import urllib.request
from contextlib import suppress
from functools import partial
from typing import Any

from models.web import OnlySafeRedirects

_AGAIN_S = 0.2
"""How often connections are ended once it is over: one may be just about to open."""


class Watch:
    """Looks after the connections of one attempt, from `with` to its end, on a thread of its own.

    Attributes:
        is_stalled: it has ended them, so whatever they give from then on means nothing.
    """

    def __init__(self, limit_s: float) -> None:
        """
        Args:
            limit_s: without a call of `progress` for so long, the connections are ended.
        """
        self.is_stalled = False
        self._limit_s = limit_s
        self._last_s = time.monotonic()
        self._over = threading.Event()
        self._connections: list[http.client.HTTPConnection] = []
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, name="download-watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for handle in self._sockets:
            handle.close()

    def progress(self) -> None:
        """A part of the file came."""
        self._last_s = time.monotonic()

    def opener(self) -> urllib.request.OpenerDirector:
        """What opens addresses on watched connections; it follows safe redirects alone."""
        return urllib.request.build_opener(OnlySafeRedirects(), _Http(self), _Https(self))

    def begins(self, connection: http.client.HTTPConnection) -> None:
        """A connection is about to be opened."""
        self._connections.append(connection)

    def opened(self, handle: socket.socket) -> None:
        """It has this socket, over which TLS comes next: that takes the socket itself away, not this copy."""
        self._sockets.append(handle.dup())

    def _run(self) -> None:
        wait_s = self._limit_s
        while not self._over.wait(wait_s):
            left_s = self._last_s + self._limit_s - time.monotonic()
            if left_s > 0 and not self.is_stalled:
                wait_s = left_s
                continue
            self.is_stalled = True
            wait_s = _AGAIN_S
            for handle in [*self._sockets, *(connection.sock for connection in self._connections)]:
                if handle is not None:
                    # Not the method of a TLS socket, which would change what another thread reads from.
                    with suppress(OSError):
                        socket.socket.shutdown(handle, socket.SHUT_RDWR)


class _Watched(http.client.HTTPConnection):
    watch: Watch

    def connect(self) -> None:
        self.watch.begins(self)
        super().connect()
        self.watch.opened(self.sock)


class _WatchedTls(http.client.HTTPSConnection, _Watched):
    """`connect` of HTTPSConnection calls that of `_Watched` before TLS begins."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_made, _Watched, self._watch), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_made, _WatchedTls, self._watch), req)


def _made(kind: type[_Watched], watch: Watch, /, host: str, **settings: Any) -> Any:
    connection = kind(host, **settings)
    connection.watch = watch
    return connection
