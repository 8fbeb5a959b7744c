"""Topics, and which of them a POD belongs to. Pure."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal, get_args

from sync.protocol.errors import ProtocolError

SHARDS = 64
"""Bridge workers share the PODs out by shards; changing the number moves every POD."""

UpChannel = Literal["audit", "health", "reply", "presence"]
DownChannel = Literal["ack", "list", "cmd"]

_POD = re.compile(r"pod-[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_TOPIC = re.compile(r"v1/(s[0-9]{2})/([a-z0-9-]{1,64})/(up|down)/([a-z]{1,16})")
_CHANNELS = {"up": get_args(UpChannel), "down": get_args(DownChannel)}


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic says; its POD is the one that the broker's access rules let write there."""

    pod: str
    direction: str
    channel: str


def check_pod(pod: str) -> str:
    """The id, once it is one that can be issued.

    Raises:
        ProtocolError: it is none.
    """
    if not _POD.fullmatch(pod):
        raise ProtocolError("no id of a POD: 'pod-' and up to 40 of a-z, 0-9 and dashes")
    return pod


def shard_of(pod: str) -> str:
    """The shard of a POD, which follows from its id alone."""
    return f"s{int.from_bytes(hashlib.sha256(pod.encode()).digest()[:4]) % SHARDS:02}"


def up(pod: str, channel: UpChannel) -> str:
    """Where a POD publishes."""
    return f"v1/{shard_of(pod)}/{check_pod(pod)}/up/{channel}"


def down(pod: str, channel: DownChannel) -> str:
    """Where a POD listens."""
    return f"v1/{shard_of(pod)}/{check_pod(pod)}/down/{channel}"


def parse(topic: str) -> Topic:
    """What a topic says.

    Raises:
        ProtocolError: it is none of this protocol, or its shard is not that of its POD.
    """
    found = _TOPIC.fullmatch(topic)
    if found is None:
        raise ProtocolError("a topic of another protocol or version")
    shard, pod, direction, channel = found.groups()
    if channel not in _CHANNELS[direction]:
        raise ProtocolError(f"no channel of this protocol leads {direction} by that name")
    if shard != shard_of(check_pod(pod)):
        raise ProtocolError("a POD in a shard that is not its own")
    return Topic(pod, direction, channel)
