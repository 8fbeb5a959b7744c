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

    def whole_answer(self, raw: bytes) -> bytes:
        """The answer to a request that asks to close the connection, head and body."""
        with socket.create_connection((self.host, self.port), timeout=20) as connection:
            connection.sendall(raw)
            with connection.makefile("rb") as answer:
                return answer.read()

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
    """A session of its own, by a link that works once."""
    where = urlsplit(pod.sign_in_link())
    assert where.hostname is not None
    assert where.port is not None
    visitor = Browser(where.hostname, where.port, "", "")
    answer = visitor.whole_answer(visitor.request("GET", f"{where.path}?{where.query}", signed_in=False))
    cookie = re.search(r"set-cookie: ([^;]+)", answer.decode("latin-1"), re.IGNORECASE)
    assert cookie is not None
    known = Browser(where.hostname, where.port, cookie[1], "")
    session = known.whole_answer(known.request("GET", "/api/session", signed_in=True))
    return Browser(
        known.host, known.port, known.cookie, json.loads(session.partition(b"\r\n\r\n")[2])["csrf"]
    )
