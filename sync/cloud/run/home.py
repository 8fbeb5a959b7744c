"""The folder of a cloud on one machine: its authority, keys, certificates, and what each part keeps."""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.cloud.errors import CloudError, IdentityError
from sync.cloud.identity.ca import CertificateAuthority, Issued
from sync.cloud.identity.private_files import write_private
from sync.protocol.framing import PinnedKey, Signer
from sync.protocol.wire import faults

AUTHORITY_NAME = "PlateBridge"
RENEW_BEFORE = timedelta(days=90)
STATE_FILE = "cloud.json"

WELCOMES = frozenset({"welcome"})
LISTS_AND_COMMANDS = frozenset({"list_delta", "list_chunk", "command", "rehome"})

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class Places(BaseModel):
    """Where PODs reach this cloud; kept, for they remember it.

    Attributes:
        host: name or address that PODs reach this machine by.
        portal_port, broker_port: of HTTPS and of MQTT over TLS.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    host: str
    portal_port: int = Field(ge=1, le=65535)
    broker_port: int = Field(ge=1, le=65535)

    @property
    def portal(self) -> str:
        """As join strings name it."""
        return f"https://{_bracketed(self.host)}:{self.portal_port}"

    @property
    def broker(self) -> str:
        """As PODs are told it."""
        return f"mqtts://{_bracketed(self.host)}:{self.broker_port}"

    @property
    def listens_at(self) -> str:
        """The address to listen at: where PODs on this machine alone are meant, nobody else can connect."""
        if self.host == "localhost":
            return "127.0.0.1"
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return "0.0.0.0"  # noqa: S104  # PODs come from elsewhere; the API and the broker prove who they are
        return self.host if address.is_loopback else "::" if address.version == 6 else "0.0.0.0"  # noqa: S104  # as above


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate chain and its key, PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class CloudHome:
    """All of it, there and whole.

    Attributes:
        server: what portal and broker show to PODs.
        bridge, dispatch, api: what the services show to the broker.
        welcomes, lists: the keys that PODs pin, each for its own kinds of message.
    """

    folder: Path
    places: Places
    authority: CertificateAuthority
    server: Files
    bridge: Files
    dispatch: Files
    api: Files
    welcomes: Signer
    lists: Signer

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "certificates" / "ca.crt"

    @property
    def pinned_keys(self) -> dict[str, PinnedKey]:
        """What PODs are told at their registration."""
        return {
            self.welcomes.kid: PinnedKey(self.welcomes.key.public_key(), WELCOMES),
            self.lists.kid: PinnedKey(self.lists.key.public_key(), LISTS_AND_COMMANDS),
        }


def open_home(
    folder: Path, *, host: str | None, portal_port: int | None, broker_port: int | None
) -> CloudHome:
    """The home in a folder, made where it is missing; certificates that end soon are made anew.

    Args:
        host, portal_port, broker_port: None: as it was, or 127.0.0.1, 8443 and 8883; a port of 0: a free one.

    Raises:
        CloudError: it cannot be made or read; the message says what to do.
    """
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        for name in ("certificates", "keys"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        places = _places(folder / STATE_FILE, host=host, portal_port=portal_port, broker_port=broker_port)
        authority = _authority(folder / "authority")
        certificates = folder / "certificates"
        (certificates / "ca.crt").write_bytes(authority.certificate_pem)
        names = list(dict.fromkeys([places.host, "localhost", "127.0.0.1"]))
        return CloudHome(
            folder=folder,
            places=places,
            authority=authority,
            server=_issued(certificates, "server", lambda: authority.issue_server(names), names=names),
            bridge=_issued(certificates, "bridge", lambda: authority.issue_service("bridge")),
            dispatch=_issued(certificates, "dispatch", lambda: authority.issue_service("dispatch")),
            api=_issued(certificates, "api", lambda: authority.issue_service("api")),
            welcomes=_signer(folder / "keys" / "welcomes.key", kid="bridge-1"),
            lists=_signer(folder / "keys" / "lists.key", kid="dispatch-1"),
        )
    except OSError as error:
        raise CloudError(
            f"{error.filename or folder}: {error.strerror}: name a folder that this user may write, "
            "with room on its disk"
        ) from None


def read_home(folder: Path) -> tuple[Places, CertificateAuthority]:
    """Where a cloud that was run before is reached, and its authority.

    Raises:
        CloudError: there is none in this folder.
    """
    if not (folder / STATE_FILE).exists():
        raise CloudError(
            f"{folder}: no cloud was run here: start `platebridge cloud run --embedded {folder}`"
        )
    return _read(folder / STATE_FILE), CertificateAuthority.load(folder / "authority")


def _places(file: Path, *, host: str | None, portal_port: int | None, broker_port: int | None) -> Places:
    """As they were, but for what is named now; written down."""
    before = _read(file) if file.exists() else Places(host="127.0.0.1", portal_port=8443, broker_port=8883)
    if host is not None and not _is_host(host):
        raise CloudError(
            f"{host[:100]!r} is no name or address of a host: give the one that PODs reach this by"
        )
    places = Places(
        host=before.host if host is None else host,
        portal_port=before.portal_port if portal_port is None else portal_port or _free_port(),
        broker_port=before.broker_port if broker_port is None else broker_port or _free_port(),
    )
    if places.portal_port == places.broker_port:
        raise CloudError(f"portal and broker cannot both listen at port {places.portal_port}: choose another")
    if not file.exists() or places != before:
        write_private(file, places.model_dump_json(indent=1).encode())
    return places


def _read(file: Path) -> Places:
    try:
        return Places.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise CloudError(f"{file}: {faults(error)}: restore it from a backup") from None


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text) is not None
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _authority(folder: Path) -> CertificateAuthority:
    if folder.is_dir() and any(folder.iterdir()):
        return CertificateAuthority.load(folder)
    return CertificateAuthority.create(folder, name=AUTHORITY_NAME)


def _issued(folder: Path, name: str, issue: Callable[[], Issued], *, names: Sequence[str] = ()) -> Files:
    """The certificate of that name, while it holds for some months and these hosts; else a new one."""
    files = Files(folder / f"{name}.crt", folder / f"{name}.key")
    if not (files.key.exists() and files.certificate.exists() and _holds(files.certificate, names)):
        issued = issue()
        write_private(files.key, issued.key_pem)
        write_private(files.certificate, issued.chain_pem)
    return files


def _holds(certificate: Path, names: Sequence[str]) -> bool:
    try:
        shown = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError:
        return False
    if shown.not_valid_after_utc - datetime.now(UTC) < RENEW_BEFORE:
        return False
    if not names:
        return True
    try:
        listed = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = {*listed.get_values_for_type(x509.DNSName)}
    known |= {str(address) for address in listed.get_values_for_type(x509.IPAddress)}
    return set(names) <= known


def _signer(file: Path, *, kid: str) -> Signer:
    if not file.exists():
        write_private(file, Ed25519PrivateKey.generate().private_bytes_raw())
    raw = file.read_bytes()
    if len(raw) != 32:
        raise IdentityError(f"{file}: no key of 32 bytes: restore it from a backup, for PODs trust no other")
    return Signer(kid, Ed25519PrivateKey.from_private_bytes(raw))
