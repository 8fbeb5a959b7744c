"""The POD's requests to its portal over HTTPS: bounded in time and size, each fault with its mend.

Blocking, for a thread of its own or the command line; one connection for each request.
"""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import ValidationError

from sync.agent.identity_error import IdentityError
from sync.protocol.errors import ProtocolError
from sync.protocol.join import Join
from sync.protocol.portal import (
    Heard,
    Heartbeat,
    ImagePlace,
    OfferedImage,
    PortalTrust,
    Problem,
    Register,
    Registered,
    Renew,
    Renewed,
    Sheet,
    take_apart,
)

CONNECT_S = 10.0
ANSWER_S = 30.0
"""How long a whole answer may take."""

MAX_ANSWER_BYTES = 256 * 1024
MAX_LIST_BYTES = 64 * 1024 * 1024
_SANE_YEARS = range(2025, 2090)

S = TypeVar("S", bound=Sheet)


class PortalError(IdentityError):
    """The portal could not be asked, or gave no answer that can be used; asking again may help."""


class PortalRefusedError(PortalError):
    """The portal says no.

    Attributes:
        code: why, for programs.
        status: of HTTP.
    """

    def __init__(self, code: str, sentence: str, *, status: int) -> None:
        super().__init__(sentence)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True, repr=False)
class PortalClient:
    """Asks one portal.

    Attributes:
        portal: https://HOST[:PORT].
        trust: whose certificate it shows.
        ca_pem: of the cloud's authority.
        bearer: the POD's API key or a token that it minted; None before it has any.
    """

    portal: str
    trust: PortalTrust
    ca_pem: bytes
    bearer: str | None = None

    def register(self, asked: Register) -> Registered:
        """Raises PortalError."""
        return self._ask("POST", "/api/pods/register", asked, Registered)

    def renew(self, asked: Renew) -> Renewed:
        """Raises PortalError."""
        return self._ask("POST", "/api/pods/renew", asked, Renewed)

    def heartbeat(self, heartbeat: Heartbeat) -> Heard:
        """Raises PortalError."""
        return self._ask("POST", "/api/pods/heartbeat", heartbeat, Heard)

    def list_frames(self, *, session: str, number: int) -> list[bytes]:
        """The whole list, as the signed frames that a broker would bring: for where no broker can be reached.

        Args:
            session, number: of the request that the frames answer.

        Raises:
            PortalError: it cannot be had.
        """
        path = f"/api/pods/list?session={quote(session, safe='')}&number={number}"
        try:
            return take_apart(self._send("GET", path, b"", "application/json", most_bytes=MAX_LIST_BYTES))
        except ProtocolError:
            raise PortalError(f"the list of {self.portal} was cut off: try again") from None

    def offer_image(self, offer: OfferedImage) -> ImagePlace:
        """From which byte on the portal wants it. Raises PortalError."""
        return self._ask("POST", "/api/pods/media", offer, ImagePlace)

    def put_image(self, name: str, part: bytes, *, from_byte: int) -> ImagePlace:
        """Send the next bytes of an offered picture; answers as `offer_image`.

        Where the connection breaks, what had come stays: offer it again to learn from where to go on.

        Raises:
            PortalError: also where the portal has another number of bytes than `from_byte`.
        """
        path = f"/api/pods/media/{quote(name, safe='')}?offset={from_byte}"
        return _read(self._send("PUT", path, part, "application/octet-stream"), ImagePlace)

    def _ask(self, method: str, path: str, body: Sheet, answer: type[S]) -> S:
        return _read(self._send(method, path, body.model_dump_json().encode(), "application/json"), answer)

    def _send(
        self, method: str, path: str, body: bytes, media_type: str, *, most_bytes: int = MAX_ANSWER_BYTES
    ) -> bytes:
        headers = {"Content-Type": media_type, "Accept": "application/json"}
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer}"
        context = ssl.create_default_context()
        if self.trust == "ca":
            context = ssl.create_default_context(cadata=self.ca_pem.decode())
        return _exchange(
            self.portal, method, path, body=body, headers=headers, context=context, most_bytes=most_bytes
        )


def fetch_authority(join: Join) -> bytes:
    """The certificate of the cloud's authority, PEM, once it is the one that the join string names.

    It comes by a connection that nothing proves, and is proved by its digest.

    Raises:
        PortalError: the portal cannot be asked, or is another than the join string means.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    raw = _exchange(
        join.portal,
        "GET",
        "/api/pods/authority",
        body=None,
        headers={},
        context=context,
        most_bytes=MAX_ANSWER_BYTES,
    )
    try:
        certificate = x509.load_pem_x509_certificate(raw)
    except ValueError:
        raise PortalError(
            f"what answers at {join.portal} is no PlateBridge cloud: check the address in the join string"
        ) from None
    if certificate.fingerprint(hashes.SHA256()) != join.ca_sha256:
        raise PortalError(
            f"what answers at {join.portal} is another cloud than the join string is of: somebody stands in "
            "between, or the cloud was set up anew; ask for a new join string"
        )
    return raw


def _exchange(
    portal: str,
    method: str,
    path: str,
    *,
    body: bytes | None,
    headers: dict[str, str],
    context: ssl.SSLContext,
    most_bytes: int,
) -> bytes:
    address = urlsplit(portal)
    host = address.hostname or ""
    connection = http.client.HTTPSConnection(host, address.port or 443, timeout=CONNECT_S, context=context)
    try:
        with _told(portal, host):
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            content = _bounded(response, portal, most_bytes)
    finally:
        connection.close()
    if response.status // 100 != 2:
        raise _refusal(response.status, content, portal)
    return content


def _bounded(response: http.client.HTTPResponse, portal: str, most_bytes: int) -> bytes:
    deadline_s = time.monotonic() + ANSWER_S
    content = bytearray()
    while part := response.read1(64 * 1024):
        content += part
        if len(content) > most_bytes or time.monotonic() > deadline_s:
            raise PortalError(f"the answer of {portal} has no end: check the address in the join string")
    return bytes(content)


def _refusal(status: int, content: bytes, portal: str) -> PortalError:
    try:
        problem = Problem.model_validate_json(content)
    except ValidationError:
        return PortalError(
            f"{portal} answers with HTTP {status} and no reason: see that a PlateBridge cloud runs there"
        )
    return PortalRefusedError(problem.code, problem.detail, status=status)


def _read(content: bytes, model: type[S]) -> S:
    try:
        return model.model_validate_json(content)
    except ValidationError:
        raise PortalError(
            "the cloud's answer cannot be read: it may be of another version; update PlateBridge on this POD"
        ) from None


@contextlib.contextmanager
def _told(portal: str, host: str) -> Iterator[None]:
    """Turn what the network says into what to do about it."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise PortalError(_why_unproved(error, portal)) from None
    except ssl.SSLError as error:
        reason = error.reason or "no TLS"
        raise PortalError(
            f"no secure connection to {portal} ({reason}): check its address and port"
        ) from None
    except socket.gaierror:
        raise PortalError(
            f"the name {host} leads nowhere: check the network cable or Wi-Fi, and this POD's DNS server"
        ) from None
    except TimeoutError:
        raise PortalError(
            f"{portal} does not answer: check the network, and whether a firewall lets this POD out to it"
        ) from None
    except ConnectionRefusedError:
        raise PortalError(f"nobody listens at {portal}: see that the cloud runs, or check the port") from None
    except (OSError, http.client.HTTPException) as error:
        raise PortalError(
            f"the connection to {portal} broke ({error or type(error).__name__}): try again"
        ) from None


def _why_unproved(error: ssl.SSLCertVerificationError, portal: str) -> str:
    now = datetime.now(UTC)
    if now.year not in _SANE_YEARS or error.verify_code in (9, 10):  # not yet valid, has expired
        return (
            f"the certificate of {portal} does not hold at this POD's time, {now:%Y-%m-%d %H:%M} UTC: if "
            "that is wrong, set the clock (timedatectl); if it is right, the cloud's certificate is too old"
        )
    return (
        f"what answers at {portal} cannot prove that it is your cloud ({error.verify_message}): check the "
        "address in the join string, and that no proxy stands in between"
    )
