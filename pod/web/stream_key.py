"""The key that signs this POD's own stream tokens, in a file that only the POD's user may read."""

import base64
import hashlib
import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pod.domain.errors import ConfigError
from pod.services.stream_tokens import OwnKey
from pod.web.private_write import replace_private

FILE_NAME = "stream-key.pem"
MOST_BYTES = 4096


def own_key(data_dir: Path) -> OwnKey:
    """The POD's key; made where there is none, the same ever after.

    Args:
        data_dir: exists.

    Raises:
        ConfigError: the file cannot be read or written, holds no such key, or is open to others.
    """
    path = data_dir / FILE_NAME
    if not path.exists():
        _make(path)
    key = _read(path)
    return OwnKey(kid_of(key.public_key()), key)


def kid_of(key: Ed25519PublicKey) -> str:
    """How tokens name a POD's key: by what it is, so that no two PODs share a name."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return "pod-" + base64.b32encode(hashlib.sha256(raw).digest()[:10]).decode().lower()


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(
                f"{path} is open to other users: whoever read it can watch. Remove it, so that the next "
                "start makes a new one"
            )
        with path.open("rb") as file:
            pem = file.read(MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): give it to the POD's user") from error
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} holds no key of ours: remove it, so that the next start makes a new one")
    return key


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        replace_private(path, pem)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): check that the POD's user owns the folder and "
            "that the disk has room"
        ) from error
