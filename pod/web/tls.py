"""The certificate of the local page: the operator's, or one that the POD signs at its first start."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pod.config import WebConfig
from pod.domain.errors import ConfigError
from pod.store.private_file import make_private_folder
from pod.web.private_write import replace_private

FOLDER = "tls"
VALID_DAYS = 3650
"""A POD may run for years unattended; people trust this certificate by its fingerprint, not by its age."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate (chain) and its key, PEM.

    Attributes:
        own: the POD signed it itself, so a browser warns until somebody compares the fingerprint.
        fingerprint: SHA-256 of the certificate as browsers show it, pairs of hexadecimal digits with colons.
        expires_at: aware UTC.
    """

    path: Path
    key_path: Path
    own: bool
    fingerprint: str
    expires_at: datetime


def certificate_of(web: WebConfig, data_dir: Path) -> Certificate | None:
    """What the page is served with; None for plain HTTP on loopback. Makes a certificate where there is none.

    Raises:
        ConfigError: a file cannot be read or written, or certificate and key do not belong together.
    """
    if web.certificate is not None and web.key is not None:
        return _read(Path(web.certificate), Path(web.key), own=False)
    if not web.is_open_to_lan:
        return None
    folder = data_dir / FOLDER
    path, key_path = folder / "page.crt", folder / "page.key"
    if not (path.exists() and key_path.exists()):
        _make(path, key_path, names=web.names)
    return _read(path, key_path, own=True)


def existing_certificate(web: WebConfig, data_dir: Path) -> Certificate | None:
    """As `certificate_of`, but makes none. Raises ConfigError alike."""
    made = data_dir / FOLDER / "page.crt"
    return certificate_of(web, data_dir) if web.certificate is not None or made.exists() else None


def _read(path: Path, key_path: Path, *, own: bool) -> Certificate:
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key_path, password=_no_password)
    except ssl.SSLError:
        raise ConfigError(
            f"web.certificate: {path} and {key_path} do not belong together, or the key has a password: "
            "give the certificate and its own key without a password, both PEM"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"web.certificate: {error.filename or path} cannot be read ({error.strerror}): check the path, "
            "and that the POD's user may read it"
        ) from error
    except ValueError:
        raise ConfigError(f"web.certificate: {path} holds no certificate: give a PEM file") from None
    digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(path, key_path, own, digest, certificate.not_valid_after_utc)


def _no_password() -> str:
    """Instead of asking at the terminal, which a service does not have."""
    return ""


def _make(path: Path, key_path: Path, *, names: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname() or "platebridge"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"PlateBridge {host}"[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # From long ago: the clock of a box without a battery is often behind at its first start.
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(max(now, datetime(2026, 1, 1, tzinfo=UTC)) + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_alternatives((host, *names))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        make_private_folder(path.parent)
        replace_private(key_path, pem)
        replace_private(path, certificate.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): check that the POD's user owns the folder "
            "and that the disk has room"
        ) from error


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys((*names, "localhost", "127.0.0.1")):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            if name.isascii():
                found.append(x509.DNSName(name))
    return found
