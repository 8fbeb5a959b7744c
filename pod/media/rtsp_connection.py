"""A connection to a camera, plain or TLS, whose every wait can be interrupted and is bounded."""

import contextlib
import errno
import select
import socket
import ssl
import time
from threading import Event

from pod.media.faults import SessionError
from pod.media.location import StreamLocation

SLICE_S = 0.1
"""How soon a stop is noticed: `poll` cannot wait for a thread's event together with a socket."""
READ_BYTES = 65536


def connect(location: StreamLocation, stop: Event, *, timeout_s: float) -> socket.socket:
    """A non-blocking connection to the first of the host's addresses that takes one.

    Raises:
        SessionError: `unknown_host`, `unreachable`; `stopped` once `stop` is set.
    """
    shown = location.shown
    try:
        addresses = socket.getaddrinfo(location.host, location.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # a name with an empty part, or a part beyond 63 letters, is the latter
        raise SessionError(
            "unknown_host", f"{location.host} has no address: correct the url, or check the name server"
        ) from None
    problem, silent = "", f"{shown} does not answer in {timeout_s:.0f} s: check address, network and power"
    for family, kind, protocol, _, address in addresses:
        with contextlib.ExitStack() as undo:
            try:
                connection = undo.enter_context(socket.socket(family, kind, protocol))
            except OSError as error:  # IPv6 addresses are told where the kernel has none, too
                problem = problem or f"no way leads to {shown} ({error.strerror}): check this POD's network"
                continue
            connection.setblocking(False)
            if connection.connect_ex(address) not in (0, errno.EINPROGRESS):
                continue
            if not wait(connection, stop, events=select.POLLOUT, timeout_s=timeout_s):
                problem = silent
            elif not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                undo.pop_all()
                return connection
    closed = f"{shown} takes no connection: check address, port and whether the camera's RTSP is on"
    raise SessionError("unreachable", problem or closed)


def wait(connection: socket.socket, stop: Event, *, events: int, timeout_s: float) -> bool:
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


class RtspConnection:
    """An open connection; over TLS the camera's certificate is not checked, since cameras sign their own."""

    def __init__(self, location: StreamLocation, stop: Event, *, timeout_s: float) -> None:
        """
        Raises:
            SessionError: `unknown_host`, `unreachable`, `refused` over TLS; `stopped` once `stop` is set.
        """
        self._stop = stop
        self._timeout_s = timeout_s
        self._socket = connect(location, stop, timeout_s=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if location.scheme == "rtsps":
            self._secure(location)

    def _secure(self, location: StreamLocation) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            secured = context.wrap_socket(
                self._socket, server_hostname=location.host, do_handshake_on_connect=False
            )
            self._socket = secured
            self._shake_hands(secured)
        except (OSError, ValueError):
            self._socket.close()
            raise SessionError(
                "refused",
                f"{location.shown} breaks off the handshake: check rtsp or rtsps, and end its other clients",
            ) from None
        except SessionError:
            self._socket.close()
            raise

    def _shake_hands(self, secured: ssl.SSLSocket) -> None:
        deadline_s = time.monotonic() + self._timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                wait(secured, self._stop, events=select.POLLIN, timeout_s=left_s)
            except ssl.SSLWantWriteError:
                wait(secured, self._stop, events=select.POLLOUT, timeout_s=left_s)
            else:
                return
        raise TimeoutError

    def receive(self, timeout_s: float) -> bytes | None:
        """What has come, b"" at the end of the connection, or None when nothing came in time.

        Raises:
            OSError: the connection broke.
        """
        for last in (False, True):
            try:
                return self._socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                if not last:
                    poll = select.poll()
                    poll.register(self._socket, select.POLLIN)
                    poll.poll(timeout_s * 1000)
        return None

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of it.

        Raises:
            OSError: the connection broke, or took nothing for so long.
        """
        left = memoryview(data)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                if not wait(self._socket, self._stop, events=select.POLLOUT, timeout_s=timeout_s):
                    raise TimeoutError from None

    def close(self) -> None:
        self._socket.close()
