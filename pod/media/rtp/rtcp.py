"""RTCP (RFC 3550): the camera's reports about its clock, and ours about what arrived. Pure."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pod.domain.freshness import CLOCK_DRIFT

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION = 200, 201, 202
LONGEST_LAG_S = 10.0
"""A report that makes the stream older than this is no report about this stream's clock."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """At `ntp` on the camera's own clock its media clock stood at `timestamp`.

    Attributes:
        ntp: 64 bits, seconds since 1900 in the upper 32.
    """

    ssrc: int
    ntp: int
    timestamp: int


def sender_reports(data: bytes) -> Iterator[SenderReport]:
    """The sender reports in a compound packet, as far as its lengths are true."""
    at = 0
    while at + 4 <= len(data) and data[at] >> 6 == 2:
        end = at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4])
        if end > len(data):
            return
        if data[at + 1] == SENDER_REPORT and end - at >= 28:
            ssrc, ntp, timestamp = struct.unpack_from("!IQI", data, at + 4)
            yield SenderReport(ssrc, ntp, timestamp)
        at = end


def receiver_report(
    *, own_ssrc: int, of_ssrc: int, highest: int, lost: int, last_ntp: int, since_last_s: float
) -> bytes:
    """A report that all is being received, with the source description that must follow it.

    Args:
        lost: packets that never came, all in all.
        last_ntp: of the last sender report; 0 where none came.
        since_last_s: how long ago that was.
    """
    block = struct.pack(
        "!IIIIII",
        of_ssrc,
        min(lost, 0x7FFFFF),
        highest,
        0,
        last_ntp >> 16 & 0xFFFFFFFF,
        min(round(since_last_s * 65536), 0xFFFFFFFF) if last_ntp else 0,
    )
    report = struct.pack("!BBHI", 0x81, RECEIVER_REPORT, 7, own_ssrc) + block
    name = b"\x01\x03pod\x00\x00\x00"
    return report + struct.pack("!BBHI", 0x81, DESCRIPTION, 1 + len(name) // 4, own_ssrc) + name


@dataclass(slots=True)
class ReportedLag:
    """How old the camera itself says its pictures are, by the reports about its media clock.

    A report can only make pictures older: what arrives later than it should is caught without reports, and
    nothing a camera says may make up for that. Two reports in a row must say so, and a lag that no camera has
    is not believed. Where no more reports come, what two clocks drift apart in the meantime is no lag.

    Attributes:
        unbelieved: reports of a lag out of bounds.
    """

    unbelieved: int = 0
    _offsets_s: tuple[float, ...] = ()
    _reported_s: float = 0.0

    def report(self, media_s: float, *, arrival_s: float, newest_s: float, newest_arrival_s: float) -> None:
        """Take in a report.

        Args:
            media_s: where it says the media clock stood when it was sent.
            arrival_s: monotonic clock when it came.
            newest_s: the media time of the newest picture, and `newest_arrival_s` when that came.
        """
        offset_s = arrival_s - media_s
        if not 0 <= newest_arrival_s - newest_s - offset_s + LONGEST_LAG_S <= 2 * LONGEST_LAG_S:
            self.unbelieved += 1
            return
        self._offsets_s = (*self._offsets_s[-1:], offset_s)
        self._reported_s = arrival_s

    def lag_s(self, media_s: float, arrival_s: float) -> float:
        """How old a picture of `media_s` was when it came, at least 0."""
        if len(self._offsets_s) < 2:
            return 0.0
        drifted_s = CLOCK_DRIFT * max(0.0, arrival_s - self._reported_s)
        return max(0.0, arrival_s - media_s - max(self._offsets_s) - drifted_s)
