"""Addresses of STUN and TURN servers as browsers write them (RFC 7064, RFC 7065), taken apart. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

_URL = re.compile(
    r"(?P<scheme>stun|turns?):(?:\[(?P<v6>[^]]+)\]|(?P<host>[^][:?]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a STUN or TURN server is.

    Attributes:
        scheme: `turns` is TURN over TLS.
        host: a name, or an IP address without brackets.
    """

    scheme: Literal["stun", "turn", "turns"]
    host: str
    port: int
    transport: Literal["udp", "tcp"]

    @property
    def tells_addresses(self) -> bool:
        """Whether it can be asked over UDP from where one is seen; every TURN server can."""
        return self.transport == "udp"


def server_address(url: str) -> ServerAddress:
    """
    Raises:
        ValueError: it is no such address.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("no address of a STUN or TURN server")
    tls = match["scheme"] == "turns"
    over_tcp = tls or match["transport"] == "tcp"
    return ServerAddress(
        "turns" if tls else "turn" if match["scheme"] == "turn" else "stun",
        match["v6"] or match["host"],
        int(match["port"] or (5349 if tls else 3478)),
        "tcp" if over_tcp else "udp",
    )
