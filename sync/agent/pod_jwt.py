"""Mint tokens that show who this POD is, with the key of its certificate."""

import secrets
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from sync.agent.identity_error import IdentityError
from sync.agent.identity_files import Identity
from sync.protocol import pod_jwt


def mint(identity: Identity, *, audience: str, now: datetime) -> str:
    """A token that is good for a minute; a connection takes a new one each time.

    Args:
        audience: `mqtt` for a broker over WebSocket, `api` for the portal.

    Raises:
        IdentityError: the POD's key cannot be read.
    """
    key = read_key(identity)
    return pod_jwt.mint(
        identity.pod, key, audience=audience, id=secrets.token_urlsafe(16), now_s=now.timestamp()
    )


def read_key(identity: Identity) -> pod_jwt.PodPrivateKey:
    """The POD's own key.

    Raises:
        IdentityError: it cannot be read.
    """
    return read_private_key(identity.key_path)


def read_private_key(path: Path) -> pod_jwt.PodPrivateKey:
    """The key in a file, PEM.

    Raises:
        IdentityError: it cannot be read.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}: run this as the POD's user") from None
    except (ValueError, TypeError):
        raise IdentityError(
            f"{path} is damaged: restore it from a backup, or enroll again with --new-key"
        ) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise IdentityError(f"{path}: a key of another kind: enroll again with --new-key")
    return key
