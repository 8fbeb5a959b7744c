"""Network addresses of those who ask, and of this machine."""

import errno
import ipaddress
import socket
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


def why_not_heard(error: OSError, host: str, port: int) -> str:
    """Why nothing can listen there, and the mend."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; stop it or choose another web.port"
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}; choose a web.port above 1023"
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or isinstance(error, socket.gaierror):
        return f"{host} is not an address of this machine; set web.host to 127.0.0.1"
    return f"cannot listen on {host} port {port} ({error.strerror}); check web.host and web.port"
