"""Network addresses of those who ask, and of this machine."""

import ipaddress
from typing import Any


def is_loopback(client: Any) -> bool:
    """Whether an ASGI `client` (host, port) is on this machine; an unknown one is not."""
    try:
        return client is not None and _ip(client[0]).is_loopback
    except ValueError:
        return False


def neighbourhood(host: str) -> str:
    """What one asker can change at will: all of an IPv4 address, the network part of an IPv6 one."""
    try:
        ip = _ip(host)
    except ValueError:
        return host
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    ip = ipaddress.ip_address(host.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
