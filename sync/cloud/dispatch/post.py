"""Sign what PODs are told, and publish it while there is a broker and room on the way to it."""

import asyncio
from collections import Counter

from sync.mqtt import LinkBusyError, MqttLink
from sync.protocol import topics
from sync.protocol.down import channel_of, encode_down
from sync.protocol.framing import Signer, versions_frame
from sync.protocol.wire import Message

_ROOM_S = 0.05


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

    async def tell_in_time(self, pod: str, message: Message) -> bool:
        """Publish once there is room, signed beside the loop; False where the broker went away meanwhile."""
        frame = await asyncio.to_thread(encode_down, message, pod=pod, signer=self._signer)
        link = self.link
        while self.link is not None and self.link is link:
            if self._publish(pod, message, frame):
                return True
            # The outbox empties as fast as the broker takes it, and tells nobody.
            await asyncio.sleep(_ROOM_S)
        return False

    def tell_versions(self, pod: str) -> None:
        """Answer a message of an unknown version."""
        if self.link is not None:
            try:
                self.link.publish(topics.down(pod, "list"), versions_frame())
            except LinkBusyError:
                self.counts["no_room"] += 1

    def _publish(self, pod: str, message: Message, frame: bytes) -> bool:
        if self.link is None:
            self.counts["no_broker"] += 1
            return False
        try:
            self.link.publish(topics.down(pod, channel_of(message)), frame)
        except LinkBusyError:
            self.counts["no_room"] += 1
            return False
        self.counts[type(message).__name__] += 1
        return True
