"""What PODs tell the cloud. Pure."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from sync.protocol.batch import Batch, read_batch
from sync.protocol.framing import Versions, pack, unpack
from sync.protocol.health import Health, Presence
from sync.protocol.limits import MAX_CHUNKS, MAX_POINTS, MAX_REFUSED
from sync.protocol.topics import UpChannel
from sync.protocol.wire import Count, Digest, Message, Name, Part, Point, Seq, Text, read

_Chunk = Annotated[int, Field(ge=0, lt=MAX_CHUNKS)]


class ListState(Part):
    """Which list a side has; version 0 and a digest of zeros before the first."""

    version: Count
    digest: Digest


class Hello(Message):
    """Asks where the cloud stands; sent at every connect and again and again, for time and list.

    Attributes:
        session: drawn anew by each start of a POD's program.
        number: counts the hellos of a session; the answer repeats it.
        head: where the audit stands on the POD.
        oldest: the position before the first row that the POD can still send.
    """

    t: Literal["hello"] = "hello"
    session: Name
    number: Count
    head: Point
    oldest: Point
    listed: ListState


class Points(Message):
    """Links of rows on the POD, to find the last that both sides share.

    Attributes:
        points: seq and link of those that were asked for; None: the POD has no such row. Empty: begin.
    """

    t: Literal["points"] = "points"
    session: Name
    line: Count
    points: list[tuple[Seq, Digest | None]] = Field(max_length=MAX_POINTS)


class WantList(Message):
    """Asks for the list.

    Attributes:
        number: counts the requests of a session; the answers repeat it.
        version: of the list whose chunks are missing; None: whatever is newest.
        missing: those chunks; None: all.
    """

    t: Literal["want_list"] = "want_list"
    session: Name
    number: Count
    has: ListState
    version: Count | None = None
    missing: list[_Chunk] | None = Field(default=None, max_length=MAX_CHUNKS)


class Refusal(Part):
    """An entry that a POD cannot put in force, and why."""

    id: Name
    reason: Text


class Receipt(Message):
    """A list is in force on the POD, but for the entries it names.

    Attributes:
        refused_count: how many cannot be put in force, the ones named included.
    """

    t: Literal["receipt"] = "receipt"
    listed: ListState
    refused: list[Refusal] = Field(default_factory=list, max_length=MAX_REFUSED)
    refused_count: Count = 0


Result = Literal["commanded", "refused", "failed", "unknown"]
"""What became of a command; `unknown`: the POD ended while it carried it out."""


class Answer(Message):
    """What became of a command."""

    t: Literal["answer"] = "answer"
    id: Name
    result: Result
    reason: Name


class ImageOffer(Message):
    """A picture that the POD would upload by HTTPS; it may drop it before it is asked for."""

    t: Literal["image_offer"] = "image_offer"
    name: Name
    approach: Name
    digest: Digest
    size_bytes: Count
    media_type: Literal["image/jpeg", "video/mp4"]


_KINDS: Mapping[UpChannel, Mapping[str, type[Message]]] = {
    "audit": {"hello": Hello, "points": Points},
    "health": {"health": Health},
    "presence": {"presence": Presence},
    "reply": {"want_list": WantList, "receipt": Receipt, "answer": Answer, "image_offer": ImageOffer},
}


def channel_of(message: Message | Batch) -> UpChannel:
    """The channel that a message of a POD goes by."""
    if isinstance(message, Batch):
        return "audit"
    return next(channel for channel, kinds in _KINDS.items() if type(message) in kinds.values())


def encode_up(message: Message | Batch, *, pod: str) -> bytes:
    """The frame of a message of this POD."""
    return pack(message.content(), pod=pod)


def decode_up(frame: bytes, *, pod: str, channel: UpChannel) -> Message | Batch | Versions:
    """The message in a frame.

    Args:
        pod, channel: of the topic it came by.

    Raises:
        ProtocolError: it cannot be used; an `UnknownVersionError` is to be answered.
    """
    body = unpack(frame, pod=pod)
    if isinstance(body, Versions):
        return body
    if channel == "audit" and b"\n" in body.content:
        return read_batch(body.content)
    return read(body.content, _KINDS[channel])
