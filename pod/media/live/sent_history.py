"""The packets a viewer was sent last, for those that got lost on the way. Pure; it holds no copies."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

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

    def add(self, first: int, packets: Sequence[VideoPacket], *, sent_ntp: int) -> None:
        """`packets`, at least one, went out numbered from `first`; the newest `kept` stay known."""
        self._runs.append((first & 0xFFFF, packets, sent_ntp))
        self._count += len(packets)
        while self._count - len(self._runs[0][1]) >= self._kept:
            self._count -= len(self._runs.popleft()[1])

    def find(self, number: int) -> Sent | None:
        """What went out with this number; None where that is too long ago, or never was."""
        for first, packets, sent_ntp in reversed(self._runs):
            at = (number - first) & 0xFFFF
            if at < len(packets):
                return Sent(packets[at], sent_ntp)
        return None
