"""The join string: all that a POD needs to find its cloud, trust it, and be let in once. Pure.

One line of capital letters, digits and dashes, safe to print, mail and type: "PB1-" and base32 of

    trust    1 byte    whose certificate the portal shows: 0 the cloud's own authority's, 1 one of the web's
    digest   32 bytes  SHA-256 of the authority's certificate
    token    20 bytes  good once
    portal             https://HOST[:PORT], UTF-8
    check    4 bytes   of all before, so that a slip is told from a token that is used up
"""

import base64
import re
import zlib
from dataclasses import dataclass

from sync.protocol.errors import ProtocolError
from sync.protocol.portal import PortalTrust

TOKEN_BYTES = 20
PREFIX = "PB1-"
MAX_CHARS = 1000

_PORTAL = re.compile(r"https://[A-Za-z0-9.:\[\]-]{1,253}")
_TRUSTS: tuple[PortalTrust, ...] = ("ca", "web")
_MEND = "copy the whole line that begins with PB1-"


@dataclass(frozen=True, slots=True, repr=False)
class Join:
    """What a join string says; it holds a secret.

    Attributes:
        portal: https://HOST[:PORT].
        token: 20 bytes.
        ca_sha256: of the authority's certificate (DER), 32 bytes.
    """

    portal: str
    token: bytes
    ca_sha256: bytes
    portal_trust: PortalTrust = "ca"


def make_join(join: Join) -> str:
    """The string.

    Raises:
        ValueError: the portal's address, token or digest cannot be sent.
    """
    if not _PORTAL.fullmatch(join.portal):
        raise ValueError("a portal's address is https://HOST or https://HOST:PORT")
    if len(join.token) != TOKEN_BYTES or len(join.ca_sha256) != 32:
        raise ValueError(f"a token has {TOKEN_BYTES} bytes, and a digest 32")
    body = bytes((_TRUSTS.index(join.portal_trust),)) + join.ca_sha256 + join.token + join.portal.encode()
    return PREFIX + base64.b32encode(body + _check(body)).decode().rstrip("=")


def read_join(text: str) -> Join:
    """What a string says; spaces, line breaks and small letters do no harm.

    Raises:
        ProtocolError: it is none, or was cut off or mistyped; the text repeats nothing of it.
    """
    if len(text) > MAX_CHARS:
        raise ProtocolError(f"no join string: longer than {MAX_CHARS} characters: {_MEND}")
    plain = re.sub(r"[\s-]+", "", text).upper()
    if not plain.startswith(PREFIX.rstrip("-")):
        raise ProtocolError(f"no join string: {_MEND}")
    coded = plain.removeprefix(PREFIX.rstrip("-"))
    try:
        raw = base64.b32decode(coded + "=" * (-len(coded) % 8))
    except ValueError:
        raise ProtocolError(f"a join string that was cut off or mistyped: {_MEND}") from None
    body, check = raw[:-4], raw[-4:]
    if check != _check(body):
        raise ProtocolError(f"a join string that was cut off or mistyped: {_MEND}")
    if len(body) < 33 + TOKEN_BYTES or body[0] >= len(_TRUSTS):
        raise ProtocolError("a join string of another version: update PlateBridge on this POD")
    portal = body[33 + TOKEN_BYTES :].decode("ascii", "replace")
    if not _PORTAL.fullmatch(portal):
        raise ProtocolError("a join string without an address of a portal: ask for a new one")
    return Join(portal, body[33 : 33 + TOKEN_BYTES], body[1:33], _TRUSTS[body[0]])


def _check(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4)
