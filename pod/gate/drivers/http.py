"""A device on the network that gives one pulse for one request and times it itself. Runs in the guard.

HTTP/1.1 by hand, for three reasons: the moment from which the request may have been seen must be known, the
time limit holds for the whole exchange, and of the answer only the status counts.
"""

import base64
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from pod.gate.timed_device import Answer, Device, Request

LONGEST_STATUS_BYTES = 512

Address = tuple[socket.AddressFamily, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Attributes:
        tls: None for plain HTTP, which goes to addresses of a local network only.
        headers: all of them but Host, each ended by CR LF.
    """

    method: str
    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    headers: str
    timeout_s: float


class HttpDevice(Device):
    """One address, asked once a pulse."""

    def __init__(self, given: Mapping[str, object], *, pulse_ms: int, gate: str) -> None:
        """Prepare all that can be prepared; nothing is sent.

        Args:
            given: url, method, timeout_ms, username, password, token, certificate, as in the configuration;
                checked there.

        Raises:
            OSError: the certificate cannot be read.
        """
        parts = urlsplit(str(given["url"]))
        assert parts.hostname is not None
        is_https = parts.scheme == "https"
        self._fixed = {"pulse_ms": str(pulse_ms), "pulse_s": f"{pulse_ms / 1000:g}", "gate": gate}
        self._target = Target(
            method=str(given["method"]),
            host=parts.hostname,
            port=parts.port or (443 if is_https else 80),
            path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            tls=_tls_context(given.get("certificate")) if is_https else None,
            headers=_authorization(given),
            timeout_s=int(str(given["timeout_ms"])) / 1000,
        )
        self.timeout_ns = int(self._target.timeout_s * 1e9)

    def reach(self) -> str | None:
        """Why the device takes no connection or is a wrong one; None where all is well. Asks it nothing."""
        attempt = HttpRequest(self._target, "/")
        try:
            attempt.connect().close()
        except (OSError, ValueError) as fault:
            return attempt.not_reached(fault)
        return None

    def request(self, pulse_id: str) -> "HttpRequest":
        path = filled(self._target.path, self._fixed | {"pulse_id": pulse_id})
        return HttpRequest(self._target, path)


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with each `{name}` replaced by its value, percent-encoded whole."""
    for name, value in values.items():
        template = template.replace("{" + name + "}", quote(value, safe=""))
    return template


class HttpRequest(Request):
    """One attempt; it is never repeated, not even at the device's second address once bytes have left."""

    def __init__(self, target: Target, path: str) -> None:
        self._target = target
        self._path = path
        self._end_s = time.monotonic() + target.timeout_s
        self._lock = threading.Lock()
        self._may_send = True
        self._sent = False

    def run(self) -> Answer:
        where = f"{self._target.host}:{self._target.port}"
        try:
            connection = self.connect()
        except (OSError, ValueError) as fault:
            return "not_sent", self.not_reached(fault)
        with connection:
            with self._lock:
                if not self._may_send:
                    return "not_sent", f"{where} was not reached in time"
                self._sent = True
            try:
                connection.settimeout(self._left_s())
                connection.sendall(self._bytes())
                status = self._status(connection)
            except (OSError, ValueError) as fault:
                return "unknown", f"{where} was asked, but {_words(fault)}; nobody knows whether it pulsed"
        if 200 <= status < 300:
            return "done", ""
        return "unknown", f"{where} was asked and answered {status}{_STATUS_MENDS.get(status // 100, '')}"

    def give_up(self) -> Answer:
        where, waited_s = f"{self._target.host}:{self._target.port}", self._target.timeout_s
        with self._lock:
            self._may_send = False
            if self._sent:
                return "unknown", f"{where} was asked and gave no answer within {waited_s:g} s"
            return "not_sent", f"{where} was not reached within {waited_s:g} s; check its power and network"

    def connect(self) -> socket.socket:
        """A connection to the first address that takes one; with TLS its certificate has been checked.

        Raises:
            OSError, ValueError: none did.
        """
        fault: Exception = OSError("the name has no address")
        for family, address in self._addresses():
            if self._target.tls is None and not is_local(address[0]):
                fault = ValueError("plain http leaves the local network there; use https")
                continue
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(self._left_s())
                connection.connect(address)
                if self._target.tls is not None:
                    return self._target.tls.wrap_socket(connection, server_hostname=self._target.host)
            except (OSError, ValueError) as problem:
                connection.close()
                fault = problem
            else:
                return connection
        raise fault

    def not_reached(self, fault: Exception) -> str:
        """What `connect` raised, with its mend."""
        where = f"{self._target.host}:{self._target.port}"
        return f"{where} was not reached ({_words(fault)}); check its address, power and network"

    def _addresses(self) -> list[Address]:
        found = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]  # v6 is longer

    def _left_s(self) -> float:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def _bytes(self) -> bytes:
        target = self._target
        host = f"[{target.host}]" if ":" in target.host else target.host
        length = "" if target.method == "GET" else "Content-Length: 0\r\n"
        head = (
            f"{target.method} {self._path} HTTP/1.1\r\nHost: {host}:{target.port}\r\n{target.headers}{length}"
        )
        return f"{head}User-Agent: platebridge\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode("ascii")

    def _status(self, connection: socket.socket) -> int:
        """The status code of the answer.

        Raises:
            OSError: it did not come whole, or not in time.
            ValueError: it is not HTTP.
        """
        answer = b""
        while b"\n" not in answer:
            connection.settimeout(self._left_s())
            part = connection.recv(LONGEST_STATUS_BYTES)
            if not part:
                raise OSError("it hung up without an answer")
            answer += part
            if len(answer) > LONGEST_STATUS_BYTES and b"\n" not in answer[:LONGEST_STATUS_BYTES]:
                break
        words = answer.split(b"\n", 1)[0].split()
        if (
            len(words) < 2
            or not words[0].startswith(b"HTTP/1.")
            or not words[1].isdigit()
            or len(words[1]) != 3
        ):
            raise ValueError("its answer is not HTTP")
        return int(words[1])


def is_local(address: str) -> bool:
    """Whether an IP address is none of the internet's: this machine's, or of a private network."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return not (getattr(ip, "ipv4_mapped", None) or ip).is_global


_STATUS_MENDS = {
    3: ": a redirect, which is not followed; write the address that it leads to",
    4: "; check the path, and username, password or token",
    5: ", a fault of its own; look at the device",
}


def _words(fault: Exception) -> str:
    """A fault in few words, without the address, which may hold a key."""
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {fault.verify_message}; name it under certificate"
    if isinstance(fault, socket.gaierror):
        return "its name is not known"
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__


def _tls_context(certificate: object) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(certificate) if certificate else None)
    except ssl.SSLError as fault:
        raise OSError(f"{certificate} holds no certificate in PEM form") from fault


def _authorization(given: Mapping[str, object]) -> str:
    if given.get("token"):
        return f"Authorization: Bearer {given['token']}\r\n"
    if given.get("username"):
        pair = f"{given['username']}:{given.get('password') or ''}".encode()
        return f"Authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    return ""
