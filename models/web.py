"""What may be asked on the network, and the network's faults as sentences. Opens no connection."""

import ipaddress
import re
import socket
import ssl
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from models.manifest import ModelError


class PassingError(Exception):
    """An attempt failed in a way that may pass; the text is part of a sentence."""


def check_url(url: str) -> str:
    """The address, where it may be asked: https, or http on this machine.

    Raises:
        ModelError: anything else.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ModelError(f"{url!r} is no address: write https://HOST/PATH") from None
    if parts.scheme == "https" and host:
        return url
    if parts.scheme == "http" and _is_this_machine(host):
        return url
    raise ModelError(f"{without_secrets(url)}: only https is fetched from, or a folder: use https://")


class OnlySafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone; within this machine also to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_url(newurl)
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise ModelError(
                f"{without_secrets(req.full_url)}: leads to {without_secrets(newurl)}, which is not https: "
                "refused"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def told(fault: object, host: str | None, stall_s: float) -> Exception:
    """A fault of the network as a sentence; one that no retry mends as a ModelError."""
    is_through_proxy = bool(urllib.request.getproxies().get("https"))
    through = " (through the proxy that HTTPS_PROXY names)" if is_through_proxy else ""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return ModelError(
            f"the certificate of {host} is not trusted ({fault.verify_message}): set this machine's clock, "
            "install the certificate of the filter between, or bring the file in a folder and name that with "
            "--from"
        )
    if isinstance(fault, socket.gaierror):
        return PassingError(f"{host} has no address here{through}: no network, or no DNS")
    if isinstance(fault, TimeoutError):
        return PassingError(f"{host} says nothing for {stall_s:.0f} s{through}")
    if isinstance(fault, ConnectionRefusedError):
        return PassingError(f"{host} refuses the connection{through}")
    text = str(fault) or type(fault).__name__
    return PassingError(f"the connection to {host} broke{through} ({text[:200]})")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_secrets(url: str) -> str:
    """An address without user, password and query, which may be secrets."""
    return re.sub(r"//[^/@]*@", "//", url).split("?")[0]
