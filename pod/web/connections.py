"""Bounds on the page's connections: however many come, the gate keeps its file descriptors."""

import asyncio
import socket
import weakref
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pod.web.addresses import is_loopback, neighbourhood

MOST_CONNECTIONS = 64
"""Open at once, live pages and unfinished TLS handshakes included; a further one is closed at once."""

MOST_OF_ONE_ADDRESS = 24
"""Of these, what one other machine may hold: four browsers, as each opens six. This machine may take all."""

UNREAD_S = 30.0
"""How long a browser may take nothing of what is sent to it; the kernel breaks the connection then."""

REQUEST_HEAD_S = 10.0
"""How long the head of a request may take, from the connection's begin or its first byte."""

REST_S = 2.0
"""How long the rest of a body may take after the answer. If the connection were closed at once, whoever still
sends would lose the answer, too: the kernel resets what is closed with something unread."""


class BoundedListener(socket.socket):
    """A listening socket that accepts no more than the bounds allow, TLS or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: weakref.WeakKeyDictionary[socket.socket, str] = weakref.WeakKeyDictionary()

    def accept(self) -> tuple[socket.socket, Any]:
        """As `socket.accept`; raises ConnectionAbortedError, which asyncio passes over, for one too many."""
        connection, address = super().accept()
        held = [of for other, of in tuple(self._held.items()) if other.fileno() != -1]
        mine = neighbourhood(address[0])
        crowded = held.count(mine) >= MOST_OF_ONE_ADDRESS and not is_loopback(address)
        if len(held) >= MOST_CONNECTIONS or crowded:
            connection.close()
            raise ConnectionAbortedError
        # Counts while the other end takes nothing, or answers nothing, closed by us meanwhile or not.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_S * 1000))
        self._held[connection] = mine
        return connection, address


class BoundedConnection(H11Protocol):
    """uvicorn's connection, closed when the head of a request, or the rest of an unwanted body, stays out."""

    _head_timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._expect_head()
        elif self.conn.their_state is not h11.IDLE:
            self._forget_head()
        if self.conn.their_state is not h11.SEND_BODY:
            self._forget_rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._rest_timer = self.loop.call_later(REST_S, self.transport.close)  # nobody reads it

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self._forget_rest()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        """From the first byte on, not from the latest: a trickle does not win time."""
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(REQUEST_HEAD_S, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget_rest(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
