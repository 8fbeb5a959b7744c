"""One video stream: RTP and RTCP in, access units and packets for viewers out, its losses counted. Pure."""

from dataclasses import dataclass, field, replace

from pod.media.frame import AccessUnit
from pod.media.packetize import CLOCK_HZ
from pod.media.packets import VideoPacket
from pod.media.rtp.assembly import Assembled, UnitAssembler
from pod.media.rtp.rtcp import ReportedLag, SenderReport, receiver_report, sender_reports
from pod.media.rtp.rtp import MediaClock, SequenceWatch, parse_rtp
from pod.media.rtp.sdp import VideoOffer


@dataclass(slots=True)
class Received:
    """What came since it was last asked for.

    Attributes:
        runs: packets for viewers, in order, each run with the number of packets missing right before it.
        units: for the decoder.
    """

    runs: list[tuple[int, list[VideoPacket]]] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)


class VideoStream:
    """Reads one session's video, from the first packet on.

    Attributes:
        foreign: packets that are no RTP or of another kind than announced.
    """

    def __init__(self, offer: VideoOffer, *, own_ssrc: int) -> None:
        """
        Args:
            own_ssrc: 32 random bits, our name in reports.
        """
        self.foreign = 0
        self._offer = offer
        self._own_ssrc = own_ssrc
        self._sequence = SequenceWatch()
        self._clock = MediaClock(offer.clock_hz)
        self._assembler = UnitAssembler(offer.codec, offer.parameter_sets)
        self._reported = ReportedLag()
        self._received = Received()
        self._ssrc = 0
        self._missing = 0
        self._newest: tuple[float, float] | None = None
        self._last_report: tuple[int, float] = (0, 0.0)

    @property
    def lost(self) -> int:
        """Packets that never came."""
        return self._sequence.lost

    @property
    def damaged(self) -> int:
        """Access units left out because something of them is missing or wrong."""
        return self._assembler.damaged

    @property
    def refused(self) -> int:
        """Packets and reports that were not used because their fields cannot be true."""
        return self.foreign + self._sequence.refused + self._assembler.refused + self._reported.unbelieved

    @property
    def markers_lie(self) -> bool:
        """The camera does not say where its pictures end, so that each comes one picture later."""
        return self._assembler.markers_lie

    def take_rtp(self, data: bytes, arrival_s: float) -> None:
        """Read one packet; `arrival_s` is monotonic."""
        packet = parse_rtp(data)
        if packet is None or packet.payload_type != self._offer.payload_type:
            self.foreign += 1
            return
        missing = self._sequence.take(packet.sequence)
        if missing == "refuse":
            return
        self._ssrc = packet.ssrc
        if missing:
            self._assembler.lose()
        relayed, units = self._assembler.take(packet, arrival_s)
        self._missing += missing
        if relayed:
            if self._missing or not self._received.runs:
                self._received.runs.append((self._missing, []))
                self._missing = 0
            self._received.runs[-1][1].extend(map(self._in_common_clock, relayed))
        self._received.units.extend(map(self._dated, units))

    def take_rtcp(self, data: bytes, arrival_s: float) -> None:
        """Read reports; what is said about other streams is passed over."""
        for report in sender_reports(data):
            if report.ssrc == self._ssrc:
                self._report(report, arrival_s)

    def collect(self) -> Received:
        """What came since the last call; no run is empty."""
        received, self._received = self._received, Received()
        return received

    def report(self, now_s: float) -> bytes:
        """RTCP that tells the camera how its packets arrive, which keeps some of them sending."""
        ntp, reported_s = self._last_report
        return receiver_report(
            own_ssrc=self._own_ssrc,
            of_ssrc=self._ssrc,
            highest=self._sequence.highest,
            lost=self._sequence.lost,
            last_ntp=ntp,
            since_last_s=now_s - reported_s,
        )

    def _report(self, report: SenderReport, arrival_s: float) -> None:
        self._last_report = (report.ntp, arrival_s)
        if self._newest is None:
            return
        newest_s, newest_arrival_s = self._newest
        self._reported.report(
            self._clock.place(report.timestamp),
            arrival_s=arrival_s,
            newest_s=newest_s,
            newest_arrival_s=newest_arrival_s,
        )

    def _dated(self, unit: Assembled) -> AccessUnit:
        media_s = self._clock.advance(unit.timestamp)
        self._newest = (media_s, unit.arrival_s)
        return AccessUnit(
            data=unit.data,
            codec=self._offer.codec,
            keyframe=unit.keyframe,
            rtp_time_s=media_s,
            arrival_s=unit.arrival_s,
            reported_lag_s=self._reported.lag_s(media_s, unit.arrival_s),
        )

    def _in_common_clock(self, packet: VideoPacket) -> VideoPacket:
        """Viewers expect 90 kHz, whatever the camera announced."""
        if self._offer.clock_hz == CLOCK_HZ:
            return packet
        steps = round(packet.timestamp * CLOCK_HZ / self._offer.clock_hz)
        return replace(packet, timestamp=steps & 0xFFFFFFFF)
