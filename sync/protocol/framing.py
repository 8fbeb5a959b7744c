"""A message as bytes: version, flags, signature, body. Pure.

    version  1 byte   1; 0 is the answer to an unknown version and never changes: JSON {"speaks": [versions]}
    flags    1 byte   1: the body is deflated (RFC 1951); 2: signed; all others are 0
    if signed         length of the key's name, 1 byte; the name; an Ed25519 signature, 64 bytes
    body              JSON on one line; in some kinds a line feed and bytes that the JSON describes

The signature covers who the message is for, version, flags and the body as it is sent, so that nothing is
unpacked or read before it is proved. sync/README.md says why the format is this one.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync.protocol.errors import ProtocolError, UnknownVersionError, UntrustedError
from sync.protocol.limits import MAX_BODY_BYTES, MAX_FRAME_BYTES

VERSION = 1

_DEFLATED, _SIGNED = 1, 2
_PAYS_FROM_BYTES = 200
_LEVEL = 6
_RAW_DEFLATE = -15
_SIGNATURE_BYTES = 64
_MAX_KID_BYTES = 64
_VERSIONS_FRAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs, by the name that PODs know it by."""

    kid: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A key that a POD trusts, and with which kinds of message."""

    key: Ed25519PublicKey
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Body:
    """What a frame held.

    Attributes:
        signed_by: the key that proves to have signed it; None where it is not signed.
    """

    content: bytes
    signed_by: PinnedKey | None


@dataclass(frozen=True, slots=True)
class Versions:
    """The other side's answer to a message of a version that it does not know."""

    speaks: tuple[int, ...]


def pack(content: bytes, *, pod: str, signer: Signer | None = None) -> bytes:
    """A frame for, or of, this POD.

    Raises:
        ProtocolError: it would be larger than any other side takes.
    """
    if len(content) > MAX_BODY_BYTES:
        raise ProtocolError(f"a body of {len(content)} bytes: at most {MAX_BODY_BYTES} are taken")
    flags, body = _deflated(content)
    if signer is None:
        return bytes((VERSION, flags)) + body
    flags |= _SIGNED
    kid = signer.kid.encode()
    signature = signer.key.sign(_signed_bytes(pod, flags, body))
    return bytes((VERSION, flags, len(kid))) + kid + signature + body


def unpack(frame: bytes, *, pod: str, keys: Mapping[str, PinnedKey] | None = None) -> Body | Versions:
    """What a frame holds.

    Args:
        pod: whom it is for, or from whom it comes.
        keys: by name; a signature by none of them is refused.

    Raises:
        UnknownVersionError: to be answered with `versions_frame`.
        UntrustedError: a signature that proves nothing.
        ProtocolError: no frame of this protocol.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a message of {len(frame)} bytes: at most {MAX_FRAME_BYTES} are taken")
    if len(frame) < 2:
        raise ProtocolError("a message without version and flags")
    version, flags = frame[0], frame[1]
    if version == 0:
        return _versions(frame)
    if version != VERSION:
        raise UnknownVersionError(version)
    if flags & ~(_DEFLATED | _SIGNED):
        raise ProtocolError("a message with flags that version 1 does not know")
    body, signed_by = frame[2:], None
    if flags & _SIGNED:
        body, signed_by = _proved(body, pod, flags, keys or {})
    return Body(_inflated(body) if flags & _DEFLATED else body, signed_by)


def versions_frame() -> bytes:
    """The answer to a message of an unknown version."""
    return b"\0" + json.dumps({"speaks": [VERSION]}).encode()


def _versions(frame: bytes) -> Versions:
    try:
        told = json.loads(frame[1:_VERSIONS_FRAME_BYTES])
    except (ValueError, RecursionError) as error:
        raise ProtocolError("an answer about versions that is no JSON") from error
    speaks = told.get("speaks") if isinstance(told, dict) else None
    if not isinstance(speaks, list) or not all(type(v) is int and 0 < v < 256 for v in speaks):
        raise ProtocolError("an answer about versions that names none")
    return Versions(tuple(speaks))


def _deflated(content: bytes) -> tuple[int, bytes]:
    if len(content) < _PAYS_FROM_BYTES:
        return 0, content
    squeezer = zlib.compressobj(_LEVEL, wbits=_RAW_DEFLATE)
    small = squeezer.compress(content) + squeezer.flush()
    return (_DEFLATED, small) if len(small) < len(content) else (0, content)


def _inflated(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=_RAW_DEFLATE)
    try:
        content = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise ProtocolError("a body that is not deflated as its flags say") from error
    if len(content) > MAX_BODY_BYTES:
        raise ProtocolError(f"a body that unpacks to more than {MAX_BODY_BYTES} bytes")
    if not inflater.eof:
        raise ProtocolError("a body that was cut off")
    if inflater.unused_data:
        raise ProtocolError("a body with bytes after its end")
    return content


def _proved(rest: bytes, pod: str, flags: int, keys: Mapping[str, PinnedKey]) -> tuple[bytes, PinnedKey]:
    kid_bytes = rest[0] if rest else 0
    start = 1 + kid_bytes + _SIGNATURE_BYTES
    if not 0 < kid_bytes <= _MAX_KID_BYTES or len(rest) < start:
        raise UntrustedError("a signature that was cut off, or without the name of its key")
    pinned = keys.get(rest[1 : 1 + kid_bytes].decode("ascii", "replace"))
    if pinned is None:
        raise UntrustedError("signed with a key that is not trusted here")
    body = rest[start:]
    try:
        pinned.key.verify(rest[1 + kid_bytes : start], _signed_bytes(pod, flags, body))
    except InvalidSignature as error:
        raise UntrustedError("a signature that does not fit: changed, or for another POD") from error
    return body, pinned


def _signed_bytes(pod: str, flags: int, body: bytes) -> bytes:
    return b"platebridge-down\0" + pod.encode() + bytes((0, VERSION, flags)) + body
