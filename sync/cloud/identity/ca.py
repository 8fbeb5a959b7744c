"""The cloud's own certificate authority: it certifies PODs, services and servers, in one folder.

A POD's request gives its key and nothing else: every name in a certificate is put there by the cloud.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync.cloud.errors import AuthorityError, IdentityError
from sync.cloud.identity.certificate_request import PodPublicKey, key_of_request, public_der
from sync.cloud.identity.private_files import write_private

KEY_FILE = "ca.key"
CERTIFICATE_FILE = "ca.crt"

POD_DAYS = 30
"""PODs renew at two thirds of it."""
SERVICE_DAYS = 825
"""Browsers take no longer one of a server; whoever starts a service issues its certificate anew."""
AUTHORITY_DAYS = 7300
_EARLY = timedelta(hours=1)
"""Certificates hold from a little before now, for clocks that are behind."""

_CERT_SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A new key and the certificates that lead from it to the authority, PEM; it holds a secret."""

    key_pem: bytes
    chain_pem: bytes


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that holds no more, by its serial number."""

    serial: int
    at: datetime


class PodSigner(Protocol):
    """What certifies PODs: the authority below, or somebody else's."""

    @property
    def certificate_pem(self) -> bytes:
        """The authority that PODs are to trust."""

    def sign_pod(self, csr_pem: bytes, *, pod: str, now: datetime) -> bytes:
        """A POD's certificate, PEM, without the authority's; on a thread, within some seconds.

        Raises:
            IdentityError: the request cannot be used.
            AuthorityError: the authority cannot be asked.
        """


@dataclass(frozen=True, slots=True, repr=False)
class CertificateAuthority:
    """A key that certifies, and its own certificate."""

    _key: ec.EllipticCurvePrivateKey
    _certificate: x509.Certificate

    @classmethod
    def create(cls, folder: Path, *, name: str, now: datetime | None = None) -> Self:
        """A new one in a folder, which is made where it is missing.

        Raises:
            IdentityError: one is there already, or the folder cannot be written.
        """
        if (folder / KEY_FILE).exists() or (folder / CERTIFICATE_FILE).exists():
            raise IdentityError(f"{folder}: holds an authority already: use it, or choose an empty folder")
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        certificate = (
            _builder(subject, key.public_key(), now=now, days=AUTHORITY_DAYS)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_CERT_SIGNING, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(folder / KEY_FILE, _key_pem(key))
            write_private(folder / CERTIFICATE_FILE, _pem(certificate))
        except OSError as error:
            raise IdentityError(
                f"{error.filename or folder}: {error.strerror}: choose a folder that this user may write"
            ) from None
        return cls(key, certificate)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The one in a folder.

        Raises:
            IdentityError: there is none, others may read its key, or the two files do not belong together.
        """
        try:
            with (folder / KEY_FILE).open("rb") as file:
                is_open_to_others = os.fstat(file.fileno()).st_mode & 0o077
                key_pem = file.read()
            certificate_pem = (folder / CERTIFICATE_FILE).read_bytes()
        except OSError as error:
            raise IdentityError(f"{error.filename}: {error.strerror}: name the authority's folder") from None
        if is_open_to_others:
            raise IdentityError(f"{folder / KEY_FILE}: others may read the authority's key: chmod 600 it")
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
            certificate = x509.load_pem_x509_certificate(certificate_pem)
        except (ValueError, TypeError):
            raise IdentityError(
                f"{folder}: no authority that can be read: restore {KEY_FILE} and {CERTIFICATE_FILE} "
                "from a backup"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise IdentityError(
                f"{folder}: {KEY_FILE} and {CERTIFICATE_FILE} do not belong together: restore both "
                "from one backup"
            )
        return cls(key, certificate)

    @property
    def certificate_pem(self) -> bytes:
        """Its own certificate, PEM."""
        return _pem(self._certificate)

    @property
    def sha256(self) -> bytes:
        """The digest of its own certificate (DER), which join strings carry; 32 bytes."""
        return self._certificate.fingerprint(hashes.SHA256())

    def issue_server(self, names: Sequence[str], *, now: datetime | None = None) -> Issued:
        """For a server that is called by these host names and addresses, the first being its common name.

        Raises:
            IdentityError: there is none, or one is no name of a host.
        """
        if not names:
            raise IdentityError("a server's certificate needs the name that it is called by")
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH]
        return self._issue(names[0][:64], purposes, names=names, now=now)

    def issue_service(self, name: str, *, now: datetime | None = None) -> Issued:
        """For a service of the cloud, such as `bridge`, which signs in to brokers by this name."""
        return self._issue(name, [ExtendedKeyUsageOID.CLIENT_AUTH], names=(), now=now)

    def sign_pod(self, csr_pem: bytes, *, pod: str, now: datetime) -> bytes:
        """A POD's certificate for the key of its request, PEM; its common name is the POD's id.

        Raises:
            IdentityError: the request cannot be used.
        """
        return self._certify(
            _named(pod), key_of_request(csr_pem), [ExtendedKeyUsageOID.CLIENT_AUTH], now=now, days=POD_DAYS
        )

    def revocation_list(self, revoked: Sequence[Revoked], *, now: datetime, valid_s: float) -> bytes:
        """The certificates that hold no more, PEM, for brokers that read such a list."""
        listing = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _EARLY)
            .next_update(now + timedelta(seconds=valid_s))
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.at)
            listing = listing.add_revoked_certificate(entry.build())
        return listing.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _issue(
        self, name: str, purposes: list[x509.ObjectIdentifier], *, names: Sequence[str], now: datetime | None
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certify(
            _named(name),
            key.public_key(),
            purposes,
            now=now or datetime.now(UTC),
            days=SERVICE_DAYS,
            names=names,
        )
        return Issued(_key_pem(key), certificate + self.certificate_pem)

    def _certify(
        self,
        subject: x509.Name,
        key: PodPublicKey,
        purposes: list[x509.ObjectIdentifier],
        *,
        now: datetime,
        days: int,
        names: Sequence[str] = (),
    ) -> bytes:
        builder = (
            _builder(subject, key, now=now, days=days)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_SIGNING, critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in dict.fromkeys(names)])
            builder = builder.add_extension(alternatives, critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256()))


def certifies(certificate_pem: bytes, *, pod: str, key: PodPublicKey) -> x509.Certificate:
    """The certificate, once it says of this key that it is this POD's, whoever's authority made it.

    Raises:
        AuthorityError: it does not.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        names = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        is_its_key = public_der(key) == certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except ValueError:
        raise AuthorityError("the authority sent no certificate: see that it answers in PEM") from None
    if names != [pod] or not is_its_key:
        raise AuthorityError(
            f"the authority certified another key or name than asked for: its common name has to be {pod}"
        )
    return certificate


def _builder(subject: x509.Name, key: PodPublicKey, *, now: datetime, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError:
        raise IdentityError("a certificate's name has 1 to 64 characters") from None


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise IdentityError("a server's certificate takes ASCII names of hosts, and addresses") from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
