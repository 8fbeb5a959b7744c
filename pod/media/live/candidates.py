"""ICE candidates as a viewer writes them (RFC 8839): read, and those that cannot help left out. Pure."""

import ipaddress
import re
from dataclasses import dataclass

from pod.domain.errors import LiveError

MOST_CANDIDATES = 24
"""Of one session, those trickled later included; each costs connectivity checks. A laptop has about 8."""

_CANDIDATE = re.compile(
    r"candidate:(?P<foundation>[A-Za-z0-9+/]{1,32}) (?P<component>[0-9]{1,3})"
    r" (?P<transport>[A-Za-z0-9-]{1,16}) (?P<priority>[0-9]{1,10})"
    r" (?P<address>[^ ]{1,253}) (?P<port>[0-9]{1,5}) typ (?P<type>[a-z]{1,16})(?: .*)?"
)

_TYPES = ("host", "srflx", "relay")


@dataclass(frozen=True, slots=True)
class ViewerCandidate:
    """Where a viewer may be reached over UDP.

    Attributes:
        address: IPv4 or IPv6, in its canonical form.
        type: host, srflx or relay.
    """

    foundation: str
    priority: int
    address: str
    port: int
    type: str

    def line(self) -> str:
        """It as an attribute of SDP, without the end of the line."""
        return (
            f"a=candidate:{self.foundation} 1 udp {self.priority} {self.address} {self.port} typ {self.type}"
        )


def candidate_of(value: str) -> ViewerCandidate | None:
    """The candidate of `candidate:...`, or None where it is of no use to a POD.

    Of no use are: TCP, other components than RTP, a name in place of an address (browsers hide theirs behind
    `.local` names; to look one up costs a second, and the viewer's own checks arrive anyhow), addresses that
    belong to no single other machine, and the port 9 of TCP's active side.

    Raises:
        LiveError: `bad_offer`, it is not written as RFC 8839 says.
    """
    match = _CANDIDATE.fullmatch(value)
    if match is None:
        raise LiveError("bad_offer", "a candidate in it cannot be read: write it as RFC 8839 says")
    if match["transport"].lower() != "udp" or match["component"] != "1" or match["type"] not in _TYPES:
        return None
    port, priority = int(match["port"]), int(match["priority"])
    if not 1 <= port <= 65535 or not 0 < priority < 1 << 32:
        raise LiveError("bad_offer", "a candidate in it has a port or priority out of range")
    try:
        address = ipaddress.ip_address(match["address"])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped):
        return None
    if address.is_unspecified or address.is_multicast or address.is_loopback or str(address) == _BROADCAST:
        return None
    return ViewerCandidate(match["foundation"], priority, str(address), port, match["type"])


_BROADCAST = "255.255.255.255"
