"""Enroll this POD with a cloud by a join string; what was cut off may be repeated with the same string."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from sync.agent.identity_error import IdentityError
from sync.agent.identity_files import (
    FOLDER,
    PENDING_KEY,
    Enrolled,
    Identity,
    load,
    make_folder,
    save,
    write_private,
)
from sync.agent.pod_jwt import read_private_key
from sync.agent.portal_client import PortalClient, PortalRefusedError, fetch_authority
from sync.protocol.errors import ProtocolError
from sync.protocol.homes import Home
from sync.protocol.join import Join, read_join
from sync.protocol.pod_jwt import PodPrivateKey
from sync.protocol.portal import Register, Registered, pinned
from sync.protocol.topics import check_pod

Say = Callable[[str], None]

_SPENT_KEYS = ("pod_revoked", "other_community")
"""Refusals after which the key of this enrolment is of no use."""


def enroll(data_dir: Path, join_string: str, *, name: str, new_key: bool, say: Say) -> Identity:
    """Register with the cloud and write down who this POD is there.

    A POD that is enrolled keeps its id and key, unless a new key is asked for.

    Args:
        name: for people.
        say: told of each step.

    Raises:
        IdentityError: it failed; the POD is then who it was.
    """
    try:
        join = read_join(join_string)
    except ProtocolError as error:
        raise IdentityError(f"this is {error}") from None
    known = _known(data_dir, say)
    community = None if known is None else known.community
    try:
        asked = Register(token=join.token.hex(), csr="", name=name, community=community)
    except ValidationError:
        raise IdentityError("a POD's name is one line of up to 200 characters: choose another") from None
    key, is_pending = _key(data_dir, known, new_key=new_key)
    say(f"Asking {join.portal} ...")
    ca_pem = fetch_authority(join)
    say("It is the cloud that the join string is of.")
    try:
        registered = PortalClient(join.portal, join.portal_trust, ca_pem).register(
            asked.model_copy(update={"csr": certificate_request(key).decode()})
        )
    except PortalRefusedError as refused:
        if refused.code in _SPENT_KEYS:
            _forget_pending(data_dir)
        raise
    say(f"The cloud knows this POD as {registered.pod}.")
    save(data_dir, _checked(registered, join, key, ca_pem))
    if is_pending:
        _forget_pending(data_dir)
    identity = load(data_dir)
    if identity is None:
        raise IdentityError(f"{data_dir / FOLDER} was taken away meanwhile: run this again")
    return identity


def certificate_request(key: PodPrivateKey) -> bytes:
    """PEM. It names nothing: the cloud gives the names."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    algorithm = hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def check_certificate(certificate_pem: bytes, key: PodPrivateKey, pod: str) -> None:
    """Raises IdentityError unless it is of this key and names this POD."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        names = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        is_ours = certificate.public_key() == key.public_key() and names == [pod]
    except ValueError:
        is_ours = False
    if not is_ours:
        raise IdentityError("the cloud sent a certificate that is not of this POD: tell whoever runs it")


def _known(data_dir: Path, say: Say) -> Identity | None:
    if not data_dir.is_dir():
        raise IdentityError(
            f"there is no folder {data_dir}: start the POD once, or name it by --data-dir DIR"
        )
    try:
        known = load(data_dir)
    except IdentityError as error:
        say(f"What is there of an earlier enrolment is left aside: {error}")
        return None
    if known is not None:
        say(f"This POD is {known.pod} already and is registered again.")
    return known


def _key(data_dir: Path, known: Identity | None, *, new_key: bool) -> tuple[PodPrivateKey, bool]:
    """The key to register with, and whether it waits for this enrolment to succeed.

    It is on the disk before the cloud hears of it: an enrolment that was cut off is repeated as the same POD.
    """
    path = data_dir / FOLDER / PENDING_KEY
    if path.exists():
        with contextlib.suppress(IdentityError):  # damaged, so nobody can have registered with it
            return read_private_key(path), True
    if known is not None and not new_key:
        return read_private_key(known.key_path), False
    # P-256 and no newer kind: every broker, and what stands before it, can check it.
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        make_folder(data_dir)
        write_private(path, key_pem(key))
    except OSError as error:
        raise IdentityError(
            f"{error.filename or path}: {error.strerror}: run this as the POD's user (sudo -u ...) or as "
            "root, and see that the disk has room"
        ) from None
    return key, True


def _forget_pending(data_dir: Path) -> None:
    (data_dir / FOLDER / PENDING_KEY).unlink(missing_ok=True)


def key_pem(key: PodPrivateKey) -> bytes:
    """PEM, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _checked(registered: Registered, join: Join, key: PodPrivateKey, ca_pem: bytes) -> Enrolled:
    """The answer, once it can be used: what is wrong is told now, not when the POD next starts."""
    try:
        check_pod(registered.pod)
        pinned(registered.keys)
    except (ValueError, ProtocolError) as error:
        raise IdentityError(f"the cloud's answer cannot be used ({error}): tell whoever runs it") from None
    check_certificate(registered.certificate.encode(), key, registered.pod)
    return Enrolled(
        pod=registered.pod,
        community=registered.community,
        home=Home(join.portal, tuple(registered.brokers)),
        portal_trust=join.portal_trust,
        keys=registered.keys,
        names=registered.names.model_dump(),
        time_zone=registered.time_zone,
        api_key=registered.api_key,
        key_pem=key_pem(key),
        certificate_pem=registered.certificate.encode(),
        ca_pem=ca_pem,
    )
