"""A relay with a web address: real servers on the loopback that behave and misbehave. Run by tests only."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Serve = Callable[[socket.socket, bytes], None]
"""What is done with a connection once the head of a request was read."""


def answers(text: str) -> Serve:
    def serve(connection: socket.socket, head: bytes) -> None:
        connection.sendall(text.encode())

    return serve


def answers_status(status: str, headers: str = "") -> Serve:
    return answers(f"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n")


OK = answers_status("200 OK")


def answers_after(seconds: float) -> Serve:
    def serve(connection: socket.socket, head: bytes) -> None:
        time.sleep(seconds)
        OK(connection, head)

    return serve


def drips(connection: socket.socket, head: bytes) -> None:
    """A byte of a good answer every 100 ms: no single read ever waits long."""
    for byte in b"HTTP/1.1 200 OK" + b" " * 400:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def hangs_up(connection: socket.socket, head: bytes) -> None:
    """Read the request, then cut the line without an answer."""


def resets(connection: socket.socket, head: bytes) -> None:
    """As above, with a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class GateDevice:
    """Accepts connections on a free port of the loopback and remembers the heads of all requests."""

    def __init__(self, serve: Serve, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def url(self, path: str = "/pulse") -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (part := connection.recv(4096)):
                    head += part
                self.requests.append(head)
                self._serve(connection, head)
