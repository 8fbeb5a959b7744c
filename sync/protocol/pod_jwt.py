"""Tokens by which a POD says who it is where TLS ends early. Pure: the caller brings key and clock.

A JWT (RFC 7519) in compact form, signed with the key of the POD's certificate: EdDSA (RFC 8037) or ES256
(RFC 7518). It is read more strictly than the RFC asks: exactly these members, the key's algorithm, a type of
its own (RFC 8725, 3.11).
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from sync.protocol.errors import ProtocolError, UntrustedError
from sync.protocol.topics import check_pod

TYPE = "platebridge-pod+jwt"

LIFE_S = 60.0
"""A token is good for so long at most."""

LEEWAY_S = 30.0
"""So far the POD's clock may be ahead of the cloud's."""

PodPrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PodPublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey

_COMPACT = re.compile(r"[A-Za-z0-9_-]{2,200}\.[A-Za-z0-9_-]{2,600}\.[A-Za-z0-9_-]{86}")
_AUDIENCE = re.compile(r"[a-z]{1,16}")
_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_LATEST_S = 1e11


def mint(pod: str, key: PodPrivateKey, *, audience: str, id: str, now_s: float) -> str:
    """A token that is good from now on for a minute.

    Args:
        audience: what it opens, such as `mqtt`.
        id: unlike that of any other token of this key; 16 to 64 of letters, digits, dash and underscore.
        now_s: Unix time by the POD's clock.
    """
    head = {"alg": _algorithm(key), "typ": TYPE}
    claims = {"sub": pod, "aud": audience, "jti": id, "iat": now_s, "exp": now_s + LIFE_S}
    signed = f"{_encode(_json(head))}.{_encode(_json(claims))}"
    return f"{signed}.{_encode(_sign(key, signed.encode()))}"


def claimed_pod(text: str) -> str:
    """Who a token says that it is of, so that the key to prove it by can be found. It proves nothing.

    Raises:
        ProtocolError: it is no token.
    """
    if not _COMPACT.fullmatch(text):
        raise ProtocolError("no token of a POD")
    pod = _members(text.split(".")[1]).get("sub")
    if not isinstance(pod, str):
        raise ProtocolError("a token of no POD")
    return check_pod(pod)


def check(text: str, key: PodPublicKey, *, pod: str, audience: str, now_s: float) -> str:
    """The id of a token that this POD signed for this, and lately.

    Args:
        key: of the POD.
        now_s: Unix time by the cloud's clock.

    Raises:
        UntrustedError: it is not so; the text says why.
    """
    if not _COMPACT.fullmatch(text):
        raise UntrustedError("no token of a POD")
    signed, _, signature = text.rpartition(".")
    head_text, _, claims_text = signed.partition(".")
    if _members(head_text) != {"alg": _algorithm(key), "typ": TYPE}:
        raise UntrustedError("a token of another kind or algorithm")
    try:
        _verify(key, _decode(signature), signed.encode())
    except (InvalidSignature, ValueError):
        raise UntrustedError("a token that the POD's key did not sign") from None
    return _checked(_members(claims_text), pod=pod, audience=audience, now_s=now_s)


def _checked(claims: dict[str, Any], *, pod: str, audience: str, now_s: float) -> str:
    if claims.keys() != {"sub", "aud", "jti", "iat", "exp"}:
        raise UntrustedError("a token that does not say what a POD's token says")
    id_, issued_s, expires_s = claims["jti"], claims["iat"], claims["exp"]
    if claims["sub"] != pod or claims["aud"] != audience or not _AUDIENCE.fullmatch(audience):
        raise UntrustedError("a token for something else, or of another POD")
    if not (isinstance(id_, str) and _ID.fullmatch(id_) and _is_time(issued_s) and _is_time(expires_s)):
        raise UntrustedError("a token that does not say what a POD's token says")
    if expires_s - issued_s > LIFE_S:
        raise UntrustedError(f"a token that is good for longer than {LIFE_S:.0f} s")
    if issued_s > now_s + LEEWAY_S:
        raise UntrustedError("a token from the future: set the POD's clock")
    if now_s >= expires_s:
        raise UntrustedError("a token that is too old: if the POD just made it, set its clock")
    return id_


def _algorithm(key: PodPrivateKey | PodPublicKey) -> str:
    return "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey) else "ES256"


def _sign(key: PodPrivateKey, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def _verify(key: PodPublicKey, signature: bytes, data: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
        return
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


def _is_time(value: object) -> bool:
    """JSON as Python reads it knows NaN, infinity and numbers of a thousand digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST_S


def _members(text: str) -> dict[str, Any]:
    try:
        found = json.loads(_decode(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _json(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
