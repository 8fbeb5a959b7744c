"""RTP packets (RFC 3550): what their fields say, what is missing, and how far their clock went. Pure."""

from dataclasses import dataclass
from typing import Literal

HEADER_BYTES = 12
MOST_MISSING = 3000
MOST_LATE = 100
"""RFC 3550 appendix A.1: sequence numbers further ahead or behind are another stream, or lies."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet; `payload` is what is left after header, extensions and padding, and never empty."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """The packet in `data`; None where its fields contradict each other or its length, or it is empty."""
    if len(data) < HEADER_BYTES or data[0] >> 6 != 2:
        return None
    start = HEADER_BYTES + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    end = len(data)
    if data[0] & 0x20:
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    if start >= end:
        return None
    return RtpPacket(
        payload_type=data[1] & 0x7F,
        marker=bool(data[1] & 0x80),
        sequence=int.from_bytes(data[2:4]),
        timestamp=int.from_bytes(data[4:8]),
        ssrc=int.from_bytes(data[8:12]),
        payload=data[start:end],
    )


@dataclass(slots=True)
class SequenceWatch:
    """Tells losses from duplicates and from a stream that starts over. Over TCP there is nothing to reorder.

    Attributes:
        received: packets taken.
        lost: packets that never came.
        refused: packets that came twice, too late or out of nowhere.
    """

    received: int = 0
    lost: int = 0
    refused: int = 0
    _next: int | None = None
    _resume: int | None = None
    _cycles: int = 0

    @property
    def highest(self) -> int:
        """The last number taken, with the times it wrapped around above 16 bits, as RTCP reports it."""
        return ((self._next or 0) - 1 & 0xFFFF) | self._cycles % 0x10000 << 16

    def take(self, sequence: int) -> int | Literal["refuse"]:
        """How many packets are missing right before this one, or `refuse` where it is not to be used.

        A jump out of all bounds counts as one missing packet once the next number confirms it.
        """
        missing = 0 if self._next is None else (sequence - self._next) & 0xFFFF
        if missing > MOST_MISSING:
            if sequence != self._resume:
                if missing < 0x10000 - MOST_LATE:
                    self._resume = (sequence + 1) & 0xFFFF
                self.refused += 1
                return "refuse"
            missing = 1
        self._resume = None
        self._cycles += self._next is not None and sequence < (self._next - 1 & 0xFFFF)
        self._next = (sequence + 1) & 0xFFFF
        self.received += 1
        self.lost += missing
        return missing


@dataclass(slots=True)
class MediaClock:
    """RTP's 32-bit timestamps of one stream as seconds that do not wrap around.

    Attributes:
        rate_hz: steps of the clock in a second.
    """

    rate_hz: int
    _last: int | None = None
    _steps: int = 0

    def advance(self, timestamp: int) -> float:
        """Seconds from an arbitrary start; a timestamp before the last one gives a smaller number."""
        self._steps += self._delta(timestamp)
        self._last = timestamp
        return self._steps / self.rate_hz

    def place(self, timestamp: int) -> float:
        """What `advance` would give, without going there."""
        return (self._steps + self._delta(timestamp)) / self.rate_hz

    def _delta(self, timestamp: int) -> int:
        if self._last is None:
            return timestamp
        return (timestamp - self._last + 0x80000000) % 0x100000000 - 0x80000000
