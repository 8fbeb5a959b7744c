"""Asks a camera for a sign of life before libav does, because this wait can be interrupted and named."""

import select
import socket
from threading import Event

from pod.media.faults import SessionError
from pod.media.location import StreamLocation
from pod.media.rtsp_connection import connect, wait


def probe(location: StreamLocation, stop: Event, *, timeout_s: float) -> None:
    """Connect, ask for OPTIONS and take any RTSP answer. Over rtsps:// only the connection is tried.

    Raises:
        SessionError: `unknown_host`, `unreachable`, `closed`, `not_rtsp`; `stopped` once `stop` is set.
    """
    with connect(location, stop, timeout_s=timeout_s) as connection:
        if location.scheme == "rtsp":
            _ask(connection, location, stop, timeout_s=timeout_s)


def _ask(connection: socket.socket, location: StreamLocation, stop: Event, *, timeout_s: float) -> None:
    shown = location.shown
    try:
        connection.sendall(f"OPTIONS {location.request_url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        answered = wait(connection, stop, events=select.POLLIN, timeout_s=timeout_s)
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
