"""What each client of a broker may publish and subscribe to; both brokers are told from here. Pure."""

from dataclasses import dataclass
from typing import Literal, get_args

from sync.protocol import topics
from sync.protocol.limits import MAX_FRAME_BYTES

MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES + 1024
"""What a broker takes of one message."""
MAX_PACKET_BYTES = MAX_PAYLOAD_BYTES + 1024
"""The same with the head of its packet."""

Service = Literal["bridge", "dispatch", "api"]
SERVICES: tuple[Service, ...] = get_args(Service)


@dataclass(frozen=True, slots=True)
class Access:
    """MQTT topic filters."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


_OF_SERVICES: dict[Service, Access] = {
    "bridge": Access(("v1/+/+/down/ack",), ("v1/+/+/up/audit", "v1/+/+/up/health", "v1/+/+/up/presence")),
    "dispatch": Access(("v1/+/+/down/list", "v1/+/+/down/cmd"), ("v1/+/+/up/reply",)),
    "api": Access((), ()),  # it connects to see that a broker is there
}


def access_of_service(service: Service) -> Access:
    """What a service of the cloud may do."""
    return _OF_SERVICES[service]


def access_of_pod(pod: str, shard: str | None = None) -> Access:
    """What a POD may do: say and hear what is its own.

    The channels are named one by one: under a wildcard a POD could leave retained messages without end.

    Args:
        pod: its id, or a broker's word for it.
        shard: only where `pod` is no id.
    """
    below = f"v1/{shard or topics.shard_of(pod)}/{pod}"
    return Access(
        tuple(f"{below}/up/{channel}" for channel in get_args(topics.UpChannel)),
        tuple(f"{below}/down/{channel}" for channel in get_args(topics.DownChannel)),
    )
