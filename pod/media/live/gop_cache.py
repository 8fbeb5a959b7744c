"""The packets since the last keyframe: who joins sees a picture at once, and not a GOP later. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from pod.media.packets import VideoPacket

CLOCK_HZ = 90_000
_MASK = 0xFFFFFFFF

MOST_PICTURES = 300
"""Who joins has to decode them all; at 25 a second they are 12 s, of a camera in the dark minutes."""
MOST_BYTES = 8 << 20
"""About 16 Mbit/s for four seconds."""


class GopCache:
    """Bounded: a GOP that grows past it is forgotten, and who joins waits for the next keyframe.

    Attributes:
        forgotten: GOPs that were too long or too large.
    """

    def __init__(self, *, most_pictures: int = MOST_PICTURES, most_bytes: int = MOST_BYTES) -> None:
        self.forgotten = 0
        self._most_pictures = most_pictures
        self._most_bytes = most_bytes
        self._packets: list[VideoPacket] = []
        self._pictures = 0
        self._bytes = self._held_bytes = 0

    @property
    def packets(self) -> Sequence[VideoPacket]:
        """From a keyframe on; empty where none is known."""
        return self._packets

    @property
    def size_bytes(self) -> int:
        return self._bytes

    @property
    def length_s(self) -> float:
        """From its first picture to its last."""
        if not self._packets:
            return 0.0
        return ((self._packets[-1].timestamp - self._packets[0].timestamp) & _MASK) / CLOCK_HZ

    def add(self, packets: Sequence[VideoPacket]) -> None:
        """Keep what came; a keyframe begins anew."""
        for packet in packets:
            if packet.starts_keyframe:
                self.clear()
            elif not self._packets:
                continue
            if not self._packets or self._packets[-1].timestamp != packet.timestamp:
                self._pictures += 1
            self._packets.append(packet)
            self._bytes += len(packet.payload)
            self._held_bytes += packet.held_bytes
        if self._held_bytes > self._most_bytes or self._pictures > self._most_pictures:
            self.clear()
            self.forgotten += 1

    def clear(self) -> None:
        """Forget everything, as for another stream."""
        self._packets = []
        self._pictures = self._bytes = self._held_bytes = 0


def hurried(packets: Sequence[VideoPacket], *, last: int, step: int) -> list[VideoPacket]:
    """`packets` with their pictures `step` ticks apart and the last one's timestamp `last`.

    A receiver shows them as fast as it can decode: it ends at the present, not a GOP behind it.
    """
    order = {timestamp: at for at, timestamp in enumerate(dict.fromkeys(one.timestamp for one in packets))}
    end = len(order) - 1
    return [replace(one, timestamp=(last - (end - order[one.timestamp]) * step) & _MASK) for one in packets]
