"""The addresses of this machine at which viewers may reach it, the best first."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

import ifaddr

MOST_ADDRESSES = 8
"""Each is a socket for each viewer, and connectivity checks with each of its own addresses."""

BEST_PREFERENCE = 65_535
"""RFC 8445, 5.1.2.1: of the address that is tried first; each further one has less."""

_OF_CONTAINERS = re.compile(
    r"(docker|podman|cni|virbr|lxcbr|lxdbr|veth|cali|flannel)[0-9A-Za-z._-]*|br-[0-9a-f]{12}"
)
"""Bridges to containers and virtual machines, by the names their makers give: nobody watches from there, and
the same addresses (172.17.0.1) lead elsewhere on the viewer's side."""

_TUNNELS = re.compile(r"(tailscale|wg|tun|tap|zt|ppp)[0-9A-Za-z._-]*")
_SHARED = ipaddress.ip_network("100.64.0.0/10")
"""RFC 6598; Tailscale gives them to its machines."""


@dataclass(frozen=True, slots=True)
class HostAddress:
    """One address.

    Attributes:
        ip: IPv4 or IPv6.
        preference: RFC 8445's local preference, different for each.
    """

    ip: str
    preference: int


def host_addresses() -> tuple[HostAddress, ...]:
    """Those of this machine, as they are now."""
    found = []
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            if isinstance(each.ip, str):
                found.append((adapter.name, each.ip))
            elif each.ip[2] == 0:  # no scope: one that is good on every link
                found.append((adapter.name, each.ip[0]))
    return ranked(found)


def ranked(found: Iterable[tuple[str, str]]) -> tuple[HostAddress, ...]:
    """The addresses that viewers get, best first, `MOST_ADDRESSES` at most. Pure.

    The local network comes before tunnels, which cost both sides more, and those before addresses that a
    machine gave itself. Those of containers are left out unless there are no others.

    Args:
        found: name of the interface, and address.
    """
    usable = [(name, ip) for name, text in found if not (ip := ipaddress.ip_address(text)).is_loopback]
    usable = [(name, ip) for name, ip in usable if not (ip.version == 6 and ip.is_link_local)]
    outside = [one for one in usable if not _OF_CONTAINERS.fullmatch(one[0])]
    ordered = sorted(outside or usable, key=lambda one: _rank(*one))
    texts = dict.fromkeys(str(ip) for _, ip in ordered)
    return tuple(HostAddress(text, BEST_PREFERENCE - at) for at, text in enumerate(texts))[:MOST_ADDRESSES]


def _rank(interface: str, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[int, int]:
    """Smaller is better; among equals IPv6 comes first, as RFC 8421 has it."""
    if ip.is_link_local:
        way = 2
    elif _TUNNELS.fullmatch(interface) or (isinstance(ip, ipaddress.IPv4Address) and ip in _SHARED):
        way = 1
    else:
        way = 0
    return way, -ip.version
