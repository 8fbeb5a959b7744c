"""Bounds on connections and bodies: whoever sends slowly, or too much, holds up nobody else."""

import asyncio
import socket
import weakref
from dataclasses import dataclass, field
from typing import Any

import h11
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sync.cloud.api.problem import ProblemError

MOST_CONNECTIONS = 400
"""Open at once; of 1024 files, as many systems allow, the database and the pictures keep the rest."""

HEAD_S = 10.0
"""The head of a request may take so long, from the connection's begin or the head's first byte."""

BODY_BYTES = 64 * 1024
BODY_S = 10.0

UPLOAD_PREFIX = "/api/pods/media/"
UPLOAD_IDLE_S = 20.0
UPLOAD_S = 300.0
"""A picture's bytes may pause, and take, so long; what came stays, and the POD goes on from there."""


class BoundedListener(socket.socket):
    """A listening socket that accepts no more than the bound, unfinished TLS handshakes included."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.turned_away = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """As `socket.accept`; raises ConnectionAbortedError, which asyncio passes over, for one too many."""
        connection, address = super().accept()
        if sum(other.fileno() != -1 for other in tuple(self._held)) >= MOST_CONNECTIONS:
            self.turned_away += 1
            connection.close()
            raise ConnectionAbortedError
        self._held.add(connection)
        return connection, address


class PatientConnection(H11Protocol):
    """uvicorn's connection with an end to its patience."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self.conn.trailing_data[0]:
            self._wait_for_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()  # answered without the body: nobody reads the rest of it

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@dataclass(slots=True)
class BodyBounds:
    """ASGI middleware: bodies are bounded in size and time before anything of them is read.

    Attributes:
        refused: requests whose body was too large, too slow or cut off.
    """

    app: ASGIApp
    refused: dict[str, int] = field(default_factory=lambda: {"too_large": 0, "too_slow": 0, "cut_short": 0})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "PUT" and scope["path"].startswith(UPLOAD_PREFIX):
            await self.app(scope, self._paced(receive), send)
            return
        try:
            body = await _whole(receive, Headers(scope=scope))
        except ProblemError as refusal:
            self.refused[refusal.code] += 1
            await refusal.response()(scope, receive, send)
            return
        await self.app(scope, _again(body, receive), send)

    def _paced(self, receive: Receive) -> Receive:
        """For uploads, which are read as they come."""
        ends_s = asyncio.get_running_loop().time() + UPLOAD_S

        async def next_part() -> Message:
            left_s = ends_s - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(min(UPLOAD_IDLE_S, max(0.0, left_s))):
                    return await receive()
            except TimeoutError:
                self.refused["too_slow"] += 1
                raise ProblemError(
                    408, "too_slow", "The bytes came too slowly: go on from the last."
                ) from None

        return next_part


async def _whole(receive: Receive, headers: Headers) -> bytes:
    declared = headers.get("content-length", "0")
    too_large = ProblemError(413, "too_large", f"More than {BODY_BYTES // 1024} KiB are not read here.")
    if not (declared.isascii() and declared.isdigit()) or len(declared) > 9 or int(declared) > BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ProblemError(400, "cut_short", "The request ended too early: try again.")
                body += message.get("body", b"")
                if len(body) > BODY_BYTES:
                    raise too_large
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise ProblemError(408, "too_slow", "The request did not arrive in time: try again.") from None


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, then what comes after it."""
    is_sent = False

    async def once() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
