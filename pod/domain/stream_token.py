"""Stream tokens: who may open one session of one camera's video. Pure: the caller brings keys and clock.

A token is a JWT (RFC 7519) in compact form, signed with Ed25519 (RFC 8037), so that any library can make one.
It is read more strictly than the RFC asks: exactly these members, one algorithm, a type of its own (RFC 8725,
3.11), so that nothing else that the same key signs passes for one.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TYPE = "platebridge-stream+jwt"

LIFE_S = 60.0
"""A token is good for so long at most."""

LEEWAY_S = 5.0
"""So far the clock of whoever issued a token may be ahead of ours."""

MOST_VIEWER_CHARS = 100

RefusalCode = Literal[
    "bad_token", "wrong_pod", "wrong_camera", "wrong_session", "expired", "used", "clock_unsure"
]

_COMPACT = re.compile(r"[A-Za-z0-9_-]{2,200}\.[A-Za-z0-9_-]{2,2400}\.[A-Za-z0-9_-]{86}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_LATEST_S = 1e11
"""Far beyond any date; what is larger is no time."""


@dataclass(frozen=True, slots=True)
class StreamToken:
    """What a token says.

    Attributes:
        kid: names the key that signed it.
        audience: the POD it is for.
        camera: the one camera it opens.
        viewer: who watches, for the audit.
        id: unlike that of any other token of this key.
        issued_s, expires_s: Unix time.
    """

    kid: str
    audience: str
    camera: str
    viewer: str
    id: str
    issued_s: float
    expires_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a token opens nothing; the sentence is for people."""

    code: RefusalCode
    sentence: str


def sign(token: StreamToken, key: Ed25519PrivateKey) -> str:
    """The token as text, three parts of base64url."""
    head = {"alg": "EdDSA", "kid": token.kid, "typ": TYPE}
    claims = {
        "aud": token.audience,
        "cam": token.camera,
        "sub": token.viewer,
        "jti": token.id,
        "iat": token.issued_s,
        "exp": token.expires_s,
    }
    signed = f"{_encode(_json(head))}.{_encode(_json(claims))}"
    return f"{signed}.{_encode(key.sign(signed.encode()))}"


def read(text: str, keys: Mapping[str, Ed25519PublicKey]) -> StreamToken | Refused:
    """What a token says, once one of these keys proves to have signed it; no claim is read before.

    Args:
        text: whatever was sent.
        keys: by kid.
    """
    if not _COMPACT.fullmatch(text):
        return Refused("bad_token", "This is no stream token.")
    signed, _, signature = text.rpartition(".")
    head_text, _, claims_text = signed.partition(".")
    head = _members(head_text)
    kid = head.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None or head != {"alg": "EdDSA", "kid": kid, "typ": TYPE}:
        return Refused("bad_token", "No key that this POD trusts signed this token.")
    try:
        key.verify(_decode(signature), signed.encode())
    except InvalidSignature:
        return Refused("bad_token", "No key that this POD trusts signed this token.")
    return _token(str(kid), _members(claims_text))


def concerns(token: StreamToken, *, audience: str, camera: str) -> Refused | None:
    """None where the token is for this POD and camera."""
    if token.audience != audience:
        return Refused("wrong_pod", "This token is for another POD.")
    if token.camera != camera:
        return Refused("wrong_camera", "This token is for another camera.")
    return None


def is_in_time(token: StreamToken, *, now_s: float, since_s: float) -> Refused | None:
    """None while the token is good by a clock that can be believed.

    Args:
        now_s: Unix time.
        since_s: tokens issued until then are refused: they may have been used before the start.
    """
    if token.expires_s - token.issued_s > LIFE_S:
        return Refused("bad_token", f"This token is good for longer than {LIFE_S:.0f} s.")
    if token.issued_s > now_s + LEEWAY_S:
        return Refused("expired", "This token is from the future: the clock of whoever issued it is wrong.")
    if now_s >= token.expires_s:
        return Refused("expired", "This token is too old; get a new one.")
    if token.issued_s <= since_s:
        return Refused("expired", "This token is from before the POD's start; get a new one.")
    return None


def _token(kid: str, claims: Mapping[str, Any]) -> StreamToken | Refused:
    unlike = Refused("bad_token", "This token does not say what a stream token says.")
    if claims.keys() != {"aud", "cam", "sub", "jti", "iat", "exp"}:
        return unlike
    audience, camera, viewer, id_ = (claims[name] for name in ("aud", "cam", "sub", "jti"))
    if not (isinstance(audience, str) and isinstance(camera, str)):
        return unlike
    if not (isinstance(viewer, str) and 0 < len(viewer) <= MOST_VIEWER_CHARS and viewer.isprintable()):
        return unlike
    if not (isinstance(id_, str) and _ID.fullmatch(id_)):
        return unlike
    if not (_is_time(claims["iat"]) and _is_time(claims["exp"])):
        return unlike
    return StreamToken(kid, audience, camera, viewer, id_, float(claims["iat"]), float(claims["exp"]))


def _is_time(value: object) -> bool:
    """JSON as Python reads it knows NaN, infinity and numbers of a thousand digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST_S


def _members(text: str) -> dict[str, Any]:
    """The members of a part; none where it is no object."""
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
    """Raises ValueError where the length is none of base64."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
