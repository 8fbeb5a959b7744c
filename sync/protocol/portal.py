"""What a POD and the cloud's portal say to each other over HTTPS. Pure."""

import base64
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field

from sync.protocol.errors import ProtocolError
from sync.protocol.framing import PinnedKey
from sync.protocol.health import Health
from sync.protocol.wire import Count, Name, Seconds

MAX_PEM_CHARS = 8 * 1024
MAX_NAME_CHARS = 200

PortalTrust = Literal["ca", "web"]
"""Whose certificates a portal shows: those of the cloud's own authority, or of one that browsers trust."""

_Pem = Annotated[str, Field(max_length=MAX_PEM_CHARS)]
_PodName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Sheet(BaseModel):
    """A body of a request or an answer; unknown members are passed over."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class KeyText(Sheet):
    """A key of the cloud: 32 bytes as base64, and the kinds of message it may sign."""

    key: Annotated[str, Field(max_length=64)]
    kinds: Annotated[list[Name], Field(max_length=16)]


class Names(Sheet):
    """What people call a POD and its place."""

    pod: _PodName
    site: _PodName
    community: _PodName


class Register(Sheet):
    """Asks to be let in.

    Attributes:
        token: of the join string, as hexadecimal digits.
        csr: a certificate request, PEM; its key alone counts.
        name: what people are to call the POD.
        community: whose audit the POD holds; None where it holds none.
    """

    token: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    csr: _Pem
    name: _PodName
    community: Annotated[str, Field(max_length=64)] | None = None


class Registered(Sheet):
    """Who the POD is from now on.

    Attributes:
        certificate, ca: PEM.
        keys: that sign what the POD is told, by kid.
        api_key: a secret for where the certificate cannot be shown.
    """

    pod: str
    community: str
    certificate: _Pem
    ca: _Pem
    brokers: Annotated[list[Annotated[str, Field(max_length=300)]], Field(min_length=1, max_length=16)]
    keys: Annotated[dict[Name, KeyText], Field(min_length=1, max_length=16)]
    names: Names
    time_zone: Annotated[str, Field(max_length=64)]
    api_key: Annotated[str, Field(max_length=100)]


class Renew(Sheet):
    """Asks for the next certificate, for the key that the POD has."""

    csr: _Pem


class Renewed(Sheet):
    """The next certificate, PEM, and the names as they are now."""

    certificate: _Pem
    names: Names
    time_zone: Annotated[str, Field(max_length=64)]


class Heartbeat(Sheet):
    """A POD is alive although no broker hears it.

    Attributes:
        tailscale_ip: where operators reach it; empty where it has none.
    """

    tailscale_ip: Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]{0,45}$")] = ""
    health: Health | None = None


class Heard(Sheet):
    """Answers a heartbeat: what time it is in the cloud."""

    time_s: Seconds


class OfferedImage(Sheet):
    """A picture or clip that the POD would upload.

    Attributes:
        approach: of the car that it shows.
        sha256: of its bytes, as hexadecimal digits.
        taken_s: when it was taken, by the POD's clock.
    """

    name: Name
    approach: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Count
    media_type: Literal["image/jpeg", "video/mp4"]
    taken_s: Seconds


class ImagePlace(Sheet):
    """From which byte on the cloud wants a picture; None: it has it, or does not want it."""

    from_byte: Count | None


class Problem(Sheet):
    """Why something is refused: a code for programs, a sentence with the mend for people."""

    code: Name
    detail: Annotated[str, Field(max_length=500)]


def pinned(keys: Mapping[str, KeyText]) -> dict[str, PinnedKey]:
    """The keys as the protocol takes them.

    Raises:
        ValueError: one is no key.
    """
    return {
        kid: PinnedKey(
            Ed25519PublicKey.from_public_bytes(base64.b64decode(one.key, validate=True)), frozenset(one.kinds)
        )
        for kid, one in keys.items()
    }


def key_text(key: PinnedKey) -> KeyText:
    """A key as it is sent."""
    return KeyText(key=base64.b64encode(key.key.public_bytes_raw()).decode(), kinds=sorted(key.kinds))


def put_together(frames: Iterable[bytes]) -> bytes:
    """Frames of a list as one body: each behind its length, 4 bytes."""
    return b"".join(len(frame).to_bytes(4) + frame for frame in frames)


def take_apart(body: bytes) -> list[bytes]:
    """The frames of such a body.

    Raises:
        ProtocolError: it was cut off.
    """
    frames, at = [], 0
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4])
        if end > len(body) or end < at + 4:
            raise ProtocolError("a list that was cut off")
        frames.append(body[at + 4 : end])
        at = end
    return frames
