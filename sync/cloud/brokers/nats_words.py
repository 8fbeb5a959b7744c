"""nats-server's own words: keys, signed tokens, subjects. Pure, but for the clock that the caller brings."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.cloud.brokers.access import Access

_ACCOUNT = 0 << 3  # the first letter of an account's key is A
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


def account_key(key: Ed25519PrivateKey) -> str:
    """A public key as nats-server writes an account's: base32 of kind, key and CRC-16."""
    raw = bytes((_ACCOUNT,)) + key.public_key().public_bytes_raw()
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def token(
    key: Ed25519PrivateKey,
    nats: Mapping[str, object],
    *,
    subject: str,
    issued_at_s: int,
    name: str = "",
    audience: str,
    expires_at_s: int | None = None,
) -> bytes:
    """A JWT of nats-server's kind, signed by an account's key.

    Args:
        nats: the claims that are nats-server's own.
        subject: the public key that the token is for.
        name: shown in the broker's lists and logs.
        audience: an account or a server.
        expires_at_s: seconds since 1970; None: never.
    """
    claims: dict[str, object] = {
        "iss": account_key(key),
        "sub": subject,
        "aud": audience,
        "iat": issued_at_s,
        "nats": nats,
    }
    if name:
        claims["name"] = name
    if expires_at_s is not None:
        claims["exp"] = expires_at_s
    claims["jti"] = hashlib.sha256(_json(claims)).hexdigest()
    signed = _base64(_json(_HEADER)) + b"." + _base64(_json(claims))
    return signed + b"." + _base64(key.sign(signed))


def claims_of(raw: bytes) -> dict[str, object]:
    """What a token says, unproved: it came over a connection that only the broker may send on.

    Raises:
        ValueError: it is none.
    """
    parts = raw.split(b".")
    if len(parts) != 3:
        raise ValueError("no token")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    if not isinstance(claims, dict):
        raise ValueError("no token")
    return claims


def permissions(access: Access) -> dict[str, object]:
    """Rights as a user's claims have them.

    Whoever may do nothing of a kind has it denied by name: nats-server takes an empty list for no limit.
    """
    return {
        "pub": _rule(access.publish),
        "sub": _rule(access.subscribe),
        "resp": None,
    }


def _rule(filters: tuple[str, ...]) -> dict[str, list[str]]:
    return {"allow": [subject_of(one) for one in filters]} if filters else {"deny": [">"]}


def subject_of(topic_filter: str) -> str:
    """An MQTT filter without dots, spaces and `#` as nats-server's subject."""
    return topic_filter.replace("/", ".").replace("+", "*")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
