"""Asks a camera for a sign of life before libav does, because this wait can be interrupted and named."""

import select
import socket
import time
from threading import Event

from pod.media.faults import CameraFault
from pod.media.location import StreamLocation

SLICE_S = 0.1
"""How soon a stop is noticed; a thread has no event that `select` could wait on together with a socket."""


def probe(location: StreamLocation, stop: Event, *, timeout_s: float) -> None:
    """Connect, ask for OPTIONS and take any RTSP answer. Over rtsps:// only the connection is tried.

    Returns early, without a fault, when `stop` is set.

    Raises:
        CameraFault: `unknown_host`, `unreachable` or `not_rtsp`.
    """
    shown = location.shown
    try:
        addresses = socket.getaddrinfo(location.host, location.port, type=socket.SOCK_STREAM)
    except OSError:
        raise CameraFault(
            "unknown_host",
            f"{location.host} has no address: correct the camera's url, or check the name server",
        ) from None
    family, kind, protocol, _, address = addresses[0]
    with socket.socket(family, kind, protocol) as connection:
        connection.setblocking(False)
        try:
            connection.connect(address)
        except BlockingIOError:
            pass
        except OSError:
            raise CameraFault(
                "unreachable", f"no way to {shown}: check the address and this machine's network"
            ) from None
        if not _wait(connection, stop, timeout_s=timeout_s, writable=True):
            if stop.is_set():
                return
            raise CameraFault(
                "unreachable",
                f"{shown} does not answer within {timeout_s:.0f} s: check its address, network and power",
            )
        problem = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise CameraFault(
                "unreachable",
                f"{shown} takes no connection: check address, port and the camera's RTSP setting",
            )
        if location.scheme == "rtsps":
            return
        _ask(connection, location, stop, timeout_s=timeout_s)


def _ask(connection: socket.socket, location: StreamLocation, stop: Event, *, timeout_s: float) -> None:
    host = f"[{location.host}]" if ":" in location.host else location.host
    silent = CameraFault(
        "unreachable",
        f"{location.shown} takes the connection but does not answer within {timeout_s:.0f} s: restart the camera",
    )
    try:
        connection.sendall(f"OPTIONS rtsp://{host}:{location.port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        if not _wait(connection, stop, timeout_s=timeout_s, writable=False):
            if stop.is_set():
                return
            raise silent
        answer = connection.recv(64)
    except OSError:
        raise CameraFault(
            "closed", f"{location.shown} breaks the connection at once: see whether it has sessions left"
        ) from None
    if not answer.startswith(b"RTSP/"):
        raise CameraFault(
            "not_rtsp", f"{location.shown} does not speak RTSP: correct the port (554 on most cameras)"
        )


def _wait(connection: socket.socket, stop: Event, *, timeout_s: float, writable: bool) -> bool:
    """True once the socket is ready, False when `stop` was set or the time is over."""
    deadline_s = time.monotonic() + timeout_s
    while not stop.is_set() and (left_s := deadline_s - time.monotonic()) > 0:
        wanted = [connection]
        ready = select.select(
            [] if writable else wanted, wanted if writable else [], [], min(SLICE_S, left_s)
        )
        if ready[0] or ready[1]:
            return True
    return False
