"""What may be asked on the network, and the network's faults as sentences. Opens no connection."""

import ipaddress
import re
import socket
import ssl
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from models.manifest import ModelError

_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_NO_SIGN_IN = (
    "a user and password in an address are not supported, as they would end up in logs: take a mirror that "
    "wants none, or bring the files in a folder and name that with --from"
)
_MOST_SHOWN = 4
_MOST_TOLD = 100


class PassingError(Exception):
    """An attempt failed in a way that may pass; the text is part of a sentence."""


def check_url(url: str) -> str:
    """The address, where it may be asked: https, or http on this machine.

    Raises:
        ModelError: anything else.
    """
    shown = without_secrets(url)
    if _UNFIT.search(url):
        raise ModelError(f"{shown!r} is no address, as it holds a space or the like: write https://HOST/PATH")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port  # which may be no number
    except ValueError:
        raise ModelError(f"{shown!r} is no address: write https://HOST/PATH") from None
    if "@" in parts.netloc:
        raise ModelError(f"{shown}: {_NO_SIGN_IN}")
    if parts.scheme == "https" and host:
        return url
    if parts.scheme == "http" and _is_this_machine(host):
        return url
    raise ModelError(f"{shown}: only https is fetched from, or a folder: use https://")


def check_mirror(url: str) -> str:
    """The address of a place with files, which their names are put behind, where it may be asked.

    Raises:
        ModelError: anything else. No part of it that may be a secret is in the message.
    """
    if "@" in url:
        # The part before it may hold anything, a slash as well: where the password ends cannot be told.
        raise ModelError(f"--from {url.split(':', 1)[0]}://…@…: {_NO_SIGN_IN}")
    if "?" in url or "#" in url:
        raise ModelError(
            f"--from {without_secrets(url)}: the names of files are put behind it, so it cannot hold ? or #: "
            "write https://HOST/PATH"
        )
    return check_url(url)


class OnlySafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone; within this machine also to http. One for each request."""

    def __init__(self) -> None:
        self._visited: list[str] = []

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_url(newurl)
        self._visited.append(req.full_url)
        if newurl in self._visited or len(self._visited) >= self.max_redirections:
            way = " → ".join(
                without_secrets(url)[:_MOST_TOLD] for url in [*self._visited, newurl][-_MOST_SHOWN:]
            )
            what = "in a circle" if newurl in self._visited else "on and on"
            raise ModelError(
                f"{without_secrets(self._visited[0])}: leads {what} ({way}): ask its publisher, or bring the "
                "file in a folder and name that with --from"
            )
        fp.close()  # what it says beside the address would be read to its end, and may have none
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
    return re.sub(r"//[^/?#]*@", "//", url).split("?")[0]
