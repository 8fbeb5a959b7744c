"""Who may come in at a broker, by a certificate, or by a password where TLS ends before the broker."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from sync.cloud.brokers.access import SERVICES, Access, access_of_pod, access_of_service
from sync.cloud.database import Connection
from sync.cloud.identity.certificate_request import public_der
from sync.cloud.identity.pod_jwt import standing_of_jwt
from sync.cloud.identity.refusal import RefusedError
from sync.cloud.identity.standing import Standing, standing_of
from sync.cloud.identity.tokens import KEY_PREFIX, MAX_KEY_CHARS, holder_of
from sync.protocol import topics
from sync.protocol.errors import ProtocolError

PASSWORD_HOURS = 24
"""So long a connection by password lasts; the POD then shows it again."""


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """What a client shows; nothing of it is proved, but that it holds the certificate's key.

    Attributes:
        certificate_pem: that the broker's TLS verified; None where there is none.
    """

    client_id: str
    user: str
    password: str
    certificate_pem: bytes | None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client that is let in.

    Attributes:
        name: a POD's id, or a service's name.
        until: when its certificate ends, and the connection with it; aware UTC.
    """

    name: str
    access: Access
    until: datetime


async def admit(conn: Connection, shown: Shown, *, now: datetime) -> Admitted:
    """Let a client in as whom it proves to be.

    Raises:
        RefusedError: it proves nothing, says it is somebody else, or was revoked.
    """
    if shown.certificate_pem is None:
        return await _by_password(conn, shown, now=now)
    certificate = _read(shown.certificate_pem)
    name = _name_in(certificate)
    until = certificate.not_valid_after_utc
    if not certificate.not_valid_before_utc <= now < until:
        raise RefusedError("bad_token", "This certificate does not hold now: renew it.")
    if shown.user not in ("", name):
        raise RefusedError("bad_token", "The user's name is not the certificate's.")
    for service in SERVICES:
        if name == service:
            if not shown.client_id.startswith(f"{name}-"):
                raise RefusedError("bad_token", "A service's client id begins with its name.")
            return Admitted(name, access_of_service(service), until)
    _check_client_id(shown, name)
    standing = await _standing(conn, name)
    shown_key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if standing.key is None or public_der(standing.key) != shown_key:
        raise RefusedError("other_key", "This certificate is for another key than the POD's.")
    return Admitted(name, access_of_pod(name), until)


async def _by_password(conn: Connection, shown: Shown, *, now: datetime) -> Admitted:
    _check_client_id(shown, shown.user)
    if shown.password.startswith(KEY_PREFIX):
        if len(shown.password) > MAX_KEY_CHARS:
            raise RefusedError("key_unknown", "This is no API key.")
        holder = await holder_of(conn, shown.password.encode())
        if holder is None or holder.kind != "api_key" or holder.is_revoked or holder.pod != shown.user:
            raise RefusedError("key_unknown", "This is no API key of this POD.")
        await _standing(conn, shown.user)
    else:
        standing = await standing_of_jwt(conn, shown.password, audience="mqtt", now=now)
        if standing.pod != shown.user:
            raise RefusedError("bad_token", "This token is another POD's.")
    until = datetime.fromtimestamp(now.timestamp() + PASSWORD_HOURS * 3600, UTC)
    return Admitted(shown.user, access_of_pod(shown.user), until)


async def _standing(conn: Connection, pod: str) -> Standing:
    standing = await standing_of(conn, pod)
    if standing is None:
        raise RefusedError("pod_unknown", "The cloud knows no such POD.")
    if standing.is_revoked:
        raise RefusedError("pod_revoked", "This POD was revoked.")
    return standing


def _check_client_id(shown: Shown, name: str) -> None:
    try:
        topics.check_pod(name)
    except ProtocolError:
        raise RefusedError("bad_token", "This is the name of no POD and no service.") from None
    if shown.client_id != name:
        raise RefusedError("bad_token", "The client id is not the POD's.")


def _read(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise RefusedError("bad_token", "This certificate cannot be read.") from None


def _name_in(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise RefusedError("bad_token", "This certificate names nobody, or several.")
    return names[0].value
