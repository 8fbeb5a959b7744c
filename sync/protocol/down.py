"""What the cloud tells a POD, and which of it counts only with a signature. Pure."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from sync.protocol.errors import UntrustedError
from sync.protocol.framing import PinnedKey, Signer, Versions, pack, unpack
from sync.protocol.limits import MAX_CHUNKS, MAX_ENTRY_BYTES, MAX_POINTS, MAX_SPANS, MAX_STEPS
from sync.protocol.topics import DownChannel
from sync.protocol.up import ListState
from sync.protocol.wire import Count, Message, Name, Seconds, Seq, Stretch, Text, read

Document = Annotated[str, Field(max_length=MAX_ENTRY_BYTES)]
"""An entry as JSON, which only the two sides' lists read."""


class Welcome(Message):
    """Answers a hello: where the cloud stands, and what time it is there. Signed.

    Attributes:
        session, number: of the hello.
        time_s: when the hello was answered.
        spans: rows that the cloud has, in order; the first is the line itself.
        listed: the POD's list as the cloud has it.
    """

    t: Literal["welcome"] = "welcome"
    session: Name
    number: Count
    time_s: Seconds
    line: Count
    spans: list[Stretch] = Field(min_length=1, max_length=MAX_SPANS)
    listed: ListState


class Ack(Message):
    """Rows are on the cloud's disk.

    Attributes:
        session: whose hello the cloud heard last; another's POD has to say hello again.
    """

    t: Literal["ack"] = "ack"
    session: Annotated[str, Field(max_length=64)]
    line: Count
    spans: list[Stretch] = Field(min_length=1, max_length=MAX_SPANS)


class Refused(Message):
    """The cloud cannot take what the POD sent, for an operator to see."""

    t: Literal["refused"] = "refused"
    reason: Text


class Probe(Message):
    """Asks for the links of these rows; answered by `Points`."""

    t: Literal["probe"] = "probe"
    line: Count
    seqs: list[Seq] = Field(min_length=1, max_length=MAX_POINTS)


class ListDelta(Message):
    """Leads from one list to another. Signed.

    Attributes:
        put: entries as they are now, by id.
        gone: ids of entries that are no more.
    """

    t: Literal["list_delta"] = "list_delta"
    since: ListState
    to: ListState
    put: list[tuple[Name, Document]] = Field(max_length=MAX_STEPS)
    gone: list[Name] = Field(max_length=MAX_STEPS)


class ListChunk(Message):
    """A part of the whole list, in answer to `WantList`. Signed.

    Attributes:
        session, number: of the request.
        index: from 0.
    """

    t: Literal["list_chunk"] = "list_chunk"
    session: Name
    number: Count
    of: ListState
    index: Annotated[int, Field(ge=0, lt=MAX_CHUNKS)]
    count: Annotated[int, Field(ge=1, le=MAX_CHUNKS)]
    entries: list[tuple[Name, Document]] = Field(max_length=MAX_STEPS)


class Command(Message):
    """Somebody wants something done now. Signed.

    Attributes:
        id: unlike that of any other command.
        session: the POD's, so that it dies with what the POD remembers of spent ids.
        by: who asks, for the audit.
        confirmed: that the gate shall open although the site is locked down.
        issued_s, expires_s: cloud time.
    """

    t: Literal["command"] = "command"
    id: Name
    session: Name
    gate: Name
    action: Literal["open"]
    by: Text
    confirmed: bool = False
    issued_s: Seconds
    expires_s: Seconds


class Rehome(Message):
    """The cloud moves: from now on it is found elsewhere. Signed.

    Attributes:
        number: rises with each move.
        portal: its new address.
        brokers: where PODs connect.
    """

    t: Literal["rehome"] = "rehome"
    number: Count
    portal: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.:\[\]-]{1,253}/?$")]
    brokers: list[Annotated[str, Field(pattern=r"^(?:mqtts|wss)://[A-Za-z0-9./:\[\]-]{1,253}$")]] = Field(
        min_length=1, max_length=16
    )


class ImageAnswer(Message):
    """Whether the cloud wants a picture, and from which byte on.

    Attributes:
        from_byte: None: it has it, or does not want it.
    """

    t: Literal["image_answer"] = "image_answer"
    name: Name
    from_byte: Count | None


_KINDS: Mapping[DownChannel, Mapping[str, type[Message]]] = {
    "ack": {"welcome": Welcome, "ack": Ack, "refused": Refused, "probe": Probe, "image_answer": ImageAnswer},
    "list": {"list_delta": ListDelta, "list_chunk": ListChunk},
    "cmd": {"command": Command, "rehome": Rehome},
}
SIGNED_KINDS = frozenset({"welcome", "list_delta", "list_chunk", "command", "rehome"})
"""Kinds that count only with the signature of a key that may sign them."""


def channel_of(message: Message) -> DownChannel:
    """The channel that a message for a POD goes by."""
    return next(channel for channel, kinds in _KINDS.items() if type(message) in kinds.values())


def encode_down(message: Message, *, pod: str, signer: Signer) -> bytes:
    """The frame of a message for this POD, signed where its kind needs it."""
    return pack(message.content(), pod=pod, signer=signer if _kind(message) in SIGNED_KINDS else None)


def decode_down(
    frame: bytes, *, pod: str, channel: DownChannel, keys: Mapping[str, PinnedKey]
) -> Message | Versions:
    """The message in a frame for this POD.

    Args:
        channel: of the topic it came by.

    Raises:
        UntrustedError: its kind needs a signature, and none, or one of a key that may not sign it.
        ProtocolError: it cannot be used; an `UnknownVersionError` is to be answered.
    """
    body = unpack(frame, pod=pod, keys=keys)
    if isinstance(body, Versions):
        return body
    message = read(body.content, _KINDS[channel])
    kind = _kind(message)
    if kind in SIGNED_KINDS and (body.signed_by is None or kind not in body.signed_by.kinds):
        raise UntrustedError(f"a message '{kind}' without the signature of a key that may sign it")
    return message


def _kind(message: Message) -> str:
    return next(name for kinds in _KINDS.values() for name, model in kinds.items() if type(message) is model)
