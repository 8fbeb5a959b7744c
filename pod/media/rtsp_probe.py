"""Asks a camera for a sign of life before libav does, because this wait can be interrupted and named."""

import contextlib
import errno
import select
import socket
import time
from threading import Event

from pod.media.faults import SessionError
from pod.media.location import StreamLocation

SLICE_S = 0.1
"""How soon a stop is noticed: `poll` cannot wait for a thread's event together with a socket."""


def probe(location: StreamLocation, stop: Event, *, timeout_s: float) -> None:
    """Connect, ask for OPTIONS and take any RTSP answer. Over rtsps:// only the connection is tried.

    Raises:
        SessionError: `unknown_host`, `unreachable`, `closed`, `not_rtsp`; `stopped` once `stop` is set.
    """
    with _connect(location, stop, timeout_s=timeout_s) as connection:
        if location.scheme == "rtsp":
            _ask(connection, location, stop, timeout_s=timeout_s)


def _connect(location: StreamLocation, stop: Event, *, timeout_s: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one."""
    shown = location.shown
    try:
        addresses = socket.getaddrinfo(location.host, location.port, type=socket.SOCK_STREAM)
    except OSError:
        raise SessionError(
            "unknown_host", f"{location.host} has no address: correct the url, or check the name server"
        ) from None
    problem = f"{shown} takes no connection: check address, port and whether the camera's RTSP is on"
    for family, kind, protocol, _, address in addresses:
        with contextlib.ExitStack() as undo:
            connection = undo.enter_context(socket.socket(family, kind, protocol))
            connection.setblocking(False)
            if connection.connect_ex(address) not in (0, errno.EINPROGRESS):
                continue
            if not _wait(connection, stop, events=select.POLLOUT, timeout_s=timeout_s):
                problem = f"{shown} does not answer in {timeout_s:.0f} s: check address, network and power"
            elif not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                undo.pop_all()
                return connection
    raise SessionError("unreachable", problem)


def _ask(connection: socket.socket, location: StreamLocation, stop: Event, *, timeout_s: float) -> None:
    shown = location.shown
    try:
        connection.sendall(f"OPTIONS {location.request_url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        answered = _wait(connection, stop, events=select.POLLIN, timeout_s=timeout_s)
        answer = connection.recv(64) if answered else b""
    except OSError:
        answered, answer = True, b""
    if not answered:
        raise SessionError(
            "unreachable", f"{shown} takes connections but does not answer them: restart the camera"
        )
    if not answer:
        raise SessionError(
            "closed", f"{shown} breaks the connection at once: end other clients of the camera, or restart it"
        )
    if not answer.startswith(b"RTSP/"):
        raise SessionError("not_rtsp", f"{shown} does not speak RTSP: correct the port (554 on most cameras)")


def _wait(connection: socket.socket, stop: Event, *, events: int, timeout_s: float) -> bool:
    """True once the socket is ready, False when the time is over. Raises SessionError `stopped`."""
    poll = select.poll()
    poll.register(connection, events)
    deadline_s = time.monotonic() + timeout_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        if poll.poll(min(SLICE_S, left_s) * 1000):
            return True
        if stop.is_set():
            raise SessionError("stopped", "nobody waits for the camera any more")
    return False
