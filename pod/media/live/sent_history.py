"""The packets a viewer was sent last, for those that got lost on the way. Pure; it holds no copies."""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from pod.media.packets import VideoPacket

KEPT = 2048
"""Packets: more than a second of 16 Mbit/s. aiortc's own 128 are less than the way there and back takes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet as it went out.

    Attributes:
        sent_ntp: when, in NTP's 64 bit.
    """

    packet: VideoPacket
    sent_ntp: int


class SentHistory:
    """One viewer's; numbers are 16 bit and wrap."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._runs: deque[tuple[int, Sequence[VideoPacket], int]] = deque()
        self._count = 0
        self._sent = 0
        self._next = 0

    def add(self, first: int, packets: Sequence[VideoPacket], *, sent_ntp: int) -> None:
        """`packets`, at least one, went out; the newest `kept` stay known.

        Args:
            first: the number of the first, which follows the last one added before.
        """
        self._runs.append((self._sent, packets, sent_ntp))
        self._count += len(packets)
        self._sent += len(packets)
        self._next = first + len(packets)
        while self._count - len(self._runs[0][1]) >= self._kept:
            self._count -= len(self._runs.popleft()[1])

    def find(self, number: int) -> Sent | None:
        """What went out with this number; None where that is too long ago, or never was.

        Who asks for what never was, as often as it likes, costs next to nothing.
        """
        ago = (self._next - number) & 0xFFFF
        if not 1 <= ago <= self._count:
            return None
        at = self._sent - ago
        begun, packets, sent_ntp = self._runs[bisect_right(self._runs, at, key=itemgetter(0)) - 1]
        return Sent(packets[at - begun], sent_ntp)
