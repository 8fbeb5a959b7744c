"""A hub on this machine: a real HTTP server that can cut, stall, refuse ranges, redirect, and lie."""

import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What the server has, how it behaves, and what it was asked.

    Attributes:
        files: content by name.
        behave: called for each request with the handler and the file's content; True: it has answered.
        asked: the `Range` of each request, "" where it had none.
        knows_ranges: False: every answer is the whole file.
        etag: what it calls a content; None: it does not.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    behave: Callable[["Request", bytes], bool] = lambda _request, _content: False
    asked: list[str] = field(default_factory=list)
    knows_ranges: bool = True
    etag: Callable[[bytes], str] | None = lambda content: f'"{hashlib.md5(content).hexdigest()}"'
    stop: threading.Event = field(default_factory=threading.Event)


class Request(BaseHTTPRequestHandler):
    """One request to a `Hub`."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        hub = self.hub
        hub.asked.append(self.headers.get("Range", ""))
        content = hub.files.get(self.path.rsplit("/", 1)[1])
        if content is None:
            self.head(404, 0)
        elif not hub.behave(self, content):
            self.serve(content)

    def serve(self, content: bytes, *, body: bytes | None = None) -> None:
        """The file, or the part of it that was asked for; `body`: what to send instead of that."""
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        called = self.hub.etag(content) if self.hub.etag else ""
        holds = self.headers.get("If-Range", called) == called
        if span and self.hub.knows_ranges and holds:
            start = int(span[1])
            if start >= len(content):
                self.head(416, 0, **{"Content-Range": f"bytes */{len(content)}"})
                return
            rest = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.head(206, len(content) - start, **{"Content-Range": rest})
            content = content[start:]
        else:
            self.head(200, len(content))
        self.wfile.write(content if body is None else body)

    def head(self, status: int, length: int | None, **more: str) -> None:
        """Status line and headers."""
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        headers = {"Content-Type": "application/octet-stream", "Connection": "close"} | more
        if self.hub.etag and status < 300:
            headers.setdefault("ETag", self.hub.etag(self.hub.files.get(self.path.rsplit("/", 1)[1], b"")))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests look at `Hub.asked`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what many tests are about."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    """A hub that listens on a free port of this machine until the block ends."""
    hub = Hub()
    server = _Server(("127.0.0.1", 0), type("Bound", (Request,), {"hub": hub}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    hub.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="hub")
    thread.start()
    try:
        yield hub
    finally:
        hub.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def once(act: Callable[[Request, bytes], bool]) -> Callable[[Request, bytes], bool]:
    """Behave so for the first request, and well from then on."""
    done: list[bool] = []

    def behave(request: Request, content: bytes) -> bool:
        if done:
            return False
        done.append(True)
        return act(request, content)

    return behave


def cut_after(count: int) -> Callable[[Request, bytes], bool]:
    """Promise the whole file, send so many bytes, and hang up."""

    def act(request: Request, content: bytes) -> bool:
        request.serve(content, body=content[:count])
        return True

    return act


def say(status: int, content_type: str = "text/plain", body: bytes = b"", **headers: str) -> Any:
    """Answer with this."""

    def act(request: Request, _content: bytes) -> bool:
        request.head(status, len(body), **{"Content-Type": content_type} | headers)
        request.wfile.write(body)
        return True

    return act
