"""A signed-in session at a running POD that may send whatever bytes a test wants."""

import json
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from running_pod import RunningPod


@dataclass(frozen=True)
class Browser:
    """A session at the POD, and what a form of its pages would send along."""

    host: str
    port: int
    cookie: str
    csrf: str

    def ask(self, raw: bytes, wait_s: float) -> int:
        """The status of the answer; 0 where the POD closes, or keeps waiting for the rest of the request."""
        with socket.create_connection((self.host, self.port), timeout=wait_s) as connection:
            answer = b""
            try:
                connection.sendall(raw)
                while b"\r\n" not in answer:
                    chunk = connection.recv(4096)
                    if not chunk:
                        break
                    answer += chunk
            except (TimeoutError, ConnectionError):
                pass
        status = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
        assert status or not answer, answer[:200]
        return int(status[1]) if status else 0

    def request(self, method: str, target: str, *headers: bytes, body: bytes = b"", signed_in: bool) -> bytes:
        """A request that HTTP itself has nothing against, but for what `headers` bring."""
        ours = [b"Content-Length: %d" % len(body)] if method == "POST" else []
        if not any(header.startswith(b"Host:") for header in headers):
            ours.append(f"Host: {self.host}:{self.port}".encode())
        if signed_in:
            ours += [f"Cookie: {self.cookie}".encode(), f"X-CSRF-Token: {self.csrf}".encode()]
        head = b"\r\n".join((f"{method} {target} HTTP/1.1".encode("latin-1"), *ours, *headers))
        return head + b"\r\nConnection: close\r\n\r\n" + body


def sign_in(pod: RunningPod) -> Browser:
    where = urlsplit(pod.sign_in_link())
    assert where.hostname is not None
    assert where.port is not None
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        target = f"{where.path}?{where.query}"
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = connection.makefile("rb").read().decode("latin-1")
    cookie = re.search(r"set-cookie: ([^;]+)", answer, re.IGNORECASE)
    assert cookie is not None
    browser = Browser(where.hostname, where.port, cookie[1], "")
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        connection.sendall(browser.request("GET", "/api/session", signed_in=True))
        body = connection.makefile("rb").read().partition(b"\r\n\r\n")[2]
    return Browser(where.hostname, where.port, cookie[1], json.loads(body)["csrf"])
