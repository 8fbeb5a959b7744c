"""Sign what PODs are told, and publish it while there is a broker and room on the way to it."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from sync.mqtt import LinkBusyError, LinkError, MqttLink
from sync.protocol import topics
from sync.protocol.down import channel_of, encode_down
from sync.protocol.framing import Signer, versions_frame
from sync.protocol.wire import Message

ROOM_BYTES = 2 * 2**20
"""So much may wait for the broker before a list does; what is above is there for commands."""

_ROOM_S = 0.02
_SIGNED_AT_ONCE = 50


class Post:
    """The way to PODs. For one event loop.

    Attributes:
        link: to the broker; None while there is none.
        counts: messages by kind, and those that found no room or no broker.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.link: MqttLink | None = None
        self.counts: Counter[str] = Counter()

    def tell(self, pod: str, message: Message) -> bool:
        """Publish at once, or not: False where there is no broker, or no room."""
        return self._publish(pod, message, encode_down(message, pod=pod, signer=self._signer))

    async def tell_in_time(self, pods: Sequence[str], message: Message) -> Sequence[str]:
        """Publish to each once there is room, signed beside the event loop.

        Returns:
            the PODs that were told; the others were not, for the broker went away meanwhile.
        """
        link = self.link
        for start in range(0, len(pods), _SIGNED_AT_ONCE):
            some = pods[start : start + _SIGNED_AT_ONCE]
            frames = await asyncio.to_thread(self._frames, some, message)
            for n, (pod, frame) in enumerate(zip(some, frames, strict=True)):
                while (
                    link is None or link.outbox_bytes >= ROOM_BYTES or not self._publish(pod, message, frame)
                ):
                    if link is None or self.link is not link:
                        return pods[: start + n]
                    # The outbox empties as fast as the broker takes it, and tells nobody.
                    await asyncio.sleep(_ROOM_S)
        return pods

    def _frames(self, pods: Sequence[str], message: Message) -> list[bytes]:
        return [encode_down(message, pod=pod, signer=self._signer) for pod in pods]

    def tell_versions(self, pod: str) -> None:
        """Answer a message of an unknown version."""
        self._hand_over(topics.down(pod, "list"), versions_frame())

    def _publish(self, pod: str, message: Message, frame: bytes) -> bool:
        is_sent = self._hand_over(topics.down(pod, channel_of(message)), frame)
        self.counts[type(message).__name__] += is_sent
        return is_sent

    def _hand_over(self, topic: str, frame: bytes) -> bool:
        try:
            if self.link is not None:
                self.link.publish(topic, frame)
                return True
        except LinkBusyError:
            self.counts["no_room"] += 1
        except LinkError:
            self.counts["no_broker"] += 1  # whoever reads from the link hears of it, too
        return False
