"""Where a broker is, and what proves who is at either end."""

import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from sync.mqtt.errors import LinkError

Scheme = Literal["mqtts", "wss", "mqtt"]
_PORTS: dict[Scheme, int] = {"mqtts": 8883, "wss": 443, "mqtt": 1883}
_PLAIN = re.compile(r"[\x21-\x7e]+")
"""The path becomes a line of a request, and `urlsplit` drops line breaks in silence."""
_EXAMPLES = "write mqtts://HOST:8883 or wss://HOST/mqtt"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's address.

    Attributes:
        scheme: `mqtts`, MQTT over TLS; `wss`, over WebSocket; `mqtt`, without TLS, on this machine alone.
        path: of the WebSocket; empty for the others.
    """

    scheme: Scheme
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a URL.

        Raises:
            LinkError: it is no address of a broker, or one without TLS that is not on this machine.
        """
        wrong = LinkError("address", f"{text[:200]!r} is no broker's address: {_EXAMPLES}")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        scheme = next((known for known in _PORTS if known == parts.scheme), None)
        if scheme is None or not host or port == 0 or not _PLAIN.fullmatch(text):
            raise wrong
        if parts.username or parts.password or parts.query or parts.fragment:
            raise wrong
        if scheme != "wss" and parts.path.strip("/"):
            raise wrong
        if scheme == "mqtt" and not _is_this_machine(host):
            raise LinkError("address", f"{host}: without TLS only a broker on this machine: {_EXAMPLES}")
        path = (parts.path or "/mqtt") if scheme == "wss" else ""
        return cls(scheme, host, _PORTS[scheme] if port is None else port, path)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files in PEM.

    Attributes:
        ca: who certifies the broker; None: whom this machine trusts.
        certificate, key: what shows who connects; both or none.
    """

    ca: Path | None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """What a connection is made with: TLS 1.2 or newer, the broker's name checked.

        Raises:
            LinkError: a file is missing, or holds something else.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError, ValueError) as error:
            names = ", ".join(str(file) for file in (self.ca, self.certificate, self.key) if file)
            said = "no such PEM in it" if isinstance(error, ssl.SSLError | ValueError) else error.strerror
            raise LinkError("certificate", f"{names}: {said}: see that all are there and whole") from None
        return context


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
