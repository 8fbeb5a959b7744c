"""Bounds on the page's connections: however many come, the gate keeps its file descriptors."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 64
"""Open at once, live pages included; a further one is closed at once."""

REQUEST_HEAD_S = 10.0
"""How long a connection may take to send its first request."""


class BoundedConnection(H11Protocol):
    """uvicorn's connection, closed when there are too many, or when no request comes."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._head_timer = self.loop.call_later(REQUEST_HEAD_S, self._give_up_waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def _give_up_waiting(self) -> None:
        if self.cycle is None:
            self.transport.abort()
