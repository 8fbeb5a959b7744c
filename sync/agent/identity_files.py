"""Who a POD is to its cloud, on its disk: one folder, its owner's alone, whole or as it was.

`identity.json` is what counts: it names the other files by what is in them, so that one rename puts a new
identity in force and a power cut in between leaves the old one.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.agent.identity_error import IdentityError
from sync.protocol.errors import ProtocolError
from sync.protocol.framing import PinnedKey
from sync.protocol.homes import Home
from sync.protocol.portal import KeyText, PortalTrust, pinned
from sync.protocol.topics import check_pod
from sync.protocol.wire import faults

FOLDER = "cloud"
"""Below the POD's data directory."""

FILE = "identity.json"
PENDING_KEY = "pending.key"
"""The key of an enrolment that is under way, so that one that was cut off can be repeated with it."""

RENEW_AFTER = 2 / 3
"""Of a certificate's lifetime."""

MAX_FILE_BYTES = 64 * 1024

_MEND = "restore the folder from a backup, or enroll again with a new join string"


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")
    pod: str
    community: str
    portal: str
    portal_trust: PortalTrust
    brokers: Annotated[list[str], Field(min_length=1, max_length=16)]
    keys: dict[str, KeyText]
    names: Annotated[dict[str, str], Field(max_length=16)]
    time_zone: str
    api_key: str
    key_file: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.key$")]
    certificate_file: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.crt$")]
    ca_file: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.crt$")]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this POD is to its cloud.

    Attributes:
        pod, community: ids.
        home: portal and brokers as they were at the enrolment; a later move is kept elsewhere.
        portal_trust: whose certificates the portal shows: the cloud's own authority, or one of the web.
        keys: the cloud's, with what each may sign, by kid.
        names: of pod, site and community, for people.
        time_zone: IANA.
        api_key: a secret that shows who asks where the certificate cannot.
        key_path, certificate_path, ca_path: PEM.
        valid_from, valid_until: of the certificate; aware UTC.
    """

    pod: str
    community: str
    home: Home
    portal_trust: PortalTrust
    keys: Mapping[str, PinnedKey]
    names: Mapping[str, str]
    time_zone: str
    api_key: str
    key_path: Path
    certificate_path: Path
    ca_path: Path
    valid_from: datetime
    valid_until: datetime

    def __repr__(self) -> str:
        return f"Identity({self.pod} of {self.community})"

    def is_due(self, now: datetime) -> bool:
        """Whether the certificate is to be renewed: two thirds of its time are over, or it is not yet valid.

        A clock far in the future renews at once, and the cloud's clock decides what comes of it.
        """
        return now < self.valid_from or now >= self.renew_at

    @property
    def renew_at(self) -> datetime:
        """When two thirds of the certificate's time are over."""
        return self.valid_from + (self.valid_until - self.valid_from) * RENEW_AFTER


@dataclass(frozen=True, slots=True, repr=False)
class Enrolled:
    """What the cloud gave a POD, before it is on the disk; it holds secrets.

    Attributes:
        keys: as in the answer.
        key_pem, certificate_pem, ca_pem: PEM.
    """

    pod: str
    community: str
    home: Home
    portal_trust: PortalTrust
    keys: Mapping[str, KeyText]
    names: Mapping[str, str]
    time_zone: str
    api_key: str
    key_pem: bytes
    certificate_pem: bytes
    ca_pem: bytes


def load(data_dir: Path) -> Identity | None:
    """The POD's identity; None where it was never enrolled.

    Raises:
        IdentityError: there is one, and it cannot be used.
    """
    folder = data_dir / FOLDER
    raw = _content(folder / FILE)
    if raw is None:
        return None
    try:
        file = _File.model_validate_json(raw)
        check_pod(file.pod)
        keys = pinned(file.keys)
        certificate = x509.load_pem_x509_certificate((folder / file.certificate_file).read_bytes())
        for name in (file.key_file, file.ca_file):
            (folder / name).stat()
    except ValidationError as error:
        raise IdentityError(f"{folder / FILE} cannot be used: {faults(error)}: {_MEND}") from None
    except OSError as error:
        raise IdentityError(f"{error.filename}: {error.strerror}: {_MEND}") from None
    except (ValueError, ProtocolError) as error:
        raise IdentityError(f"{folder / FILE} cannot be used: {error}: {_MEND}") from None
    return Identity(
        file.pod,
        file.community,
        Home(file.portal, tuple(file.brokers)),
        file.portal_trust,
        keys,
        file.names,
        file.time_zone,
        file.api_key,
        folder / file.key_file,
        folder / file.certificate_file,
        folder / file.ca_file,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def save(data_dir: Path, enrolled: Enrolled) -> None:
    """Put an identity in force; the files of the one before it are taken away.

    Raises:
        IdentityError: disk or rights refuse; the POD is then who it was.
    """
    folder = data_dir / FOLDER
    names = [
        _named(content, suffix)
        for content, suffix in (
            (enrolled.key_pem, "key"),
            (enrolled.certificate_pem, "crt"),
            (enrolled.ca_pem, "crt"),
        )
    ]
    file = _File(
        pod=enrolled.pod,
        community=enrolled.community,
        portal=enrolled.home.portal,
        portal_trust=enrolled.portal_trust,
        brokers=list(enrolled.home.brokers),
        keys=dict(enrolled.keys),
        names=dict(enrolled.names),
        time_zone=enrolled.time_zone,
        api_key=enrolled.api_key,
        key_file=names[0],
        certificate_file=names[1],
        ca_file=names[2],
    )
    with _told(folder):
        make_folder(data_dir)
        contents = (enrolled.key_pem, enrolled.certificate_pem, enrolled.ca_pem)
        with _locked(folder):
            for name, content in zip(names, contents, strict=True):
                write_private(folder / name, content)
            write_private(folder / FILE, file.model_dump_json(indent=2).encode())
            _forget_others(folder, keep={*names, FILE})


def save_renewed(
    data_dir: Path, identity: Identity, certificate_pem: bytes, *, names: Mapping[str, str], time_zone: str
) -> None:
    """Put a renewed certificate in force, and the names that came with it.

    Raises:
        IdentityError: disk or rights refuse, or the identity was replaced meanwhile; it is then as it was.
    """
    folder = data_dir / FOLDER
    with _told(folder), _locked(folder):
        file = _File.model_validate_json((folder / FILE).read_bytes())
        if file.key_file != identity.key_path.name:
            raise IdentityError(f"{folder}: the POD was enrolled anew meanwhile: nothing is to be done")
        name = _named(certificate_pem, "crt")
        write_private(folder / name, certificate_pem)
        renewed = file.model_copy(
            update={"certificate_file": name, "names": dict(names), "time_zone": time_zone}
        )
        write_private(folder / FILE, renewed.model_dump_json(indent=2).encode())
        _forget_others(folder, keep={file.key_file, file.ca_file, name, FILE})


def make_folder(data_dir: Path) -> Path:
    """The folder, made where it is missing. Raises OSError."""
    folder = data_dir / FOLDER
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _give_to_owner(folder, data_dir)
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Write or replace a file whole, for the folder's owner alone. Raises OSError."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _give_to_owner(temporary, path.parent)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _give_to_owner(path: Path, like: Path) -> None:
    """What root writes for a POD must not lock the POD's own user out."""
    if os.geteuid() == 0:
        place = like.stat()
        os.chown(path, place.st_uid, place.st_gid, follow_symlinks=False)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time: the POD renews while somebody enrolls it anew."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _forget_others(folder: Path, *, keep: set[str]) -> None:
    for path in folder.iterdir():
        is_ours = path.suffix in (".key", ".crt") or path.name.startswith(f".{FILE}-")
        if is_ours and path.name not in {*keep, PENDING_KEY}:
            path.unlink(missing_ok=True)


def _named(content: bytes, suffix: str) -> str:
    return f"{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}: run this as the POD's user") from None
    if len(raw) > MAX_FILE_BYTES:
        raise IdentityError(f"{path}: longer than {MAX_FILE_BYTES} bytes: {_MEND}")
    return raw


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IdentityError(
            f"{error.filename or folder}: {error.strerror}: check that the POD's user owns the folder "
            "and that the disk has room"
        ) from None
    except ValidationError as error:
        raise IdentityError(f"{folder / FILE} cannot be used: {faults(error)}: {_MEND}") from None
