"""aiortc's sender with our sending in the place of its own: with `aioice_private`, the only module that
touches private parts of aiortc and aioice.

aiortc does DTLS, the keys and the sender reports; what we send goes past its queues and tasks. `PARTS`
names everything private that is used here: a test fails when one of them is gone or was rewritten.
"""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, Protocol

import pylibsrtp
from aiortc import RTCRtpSender, clock, rtp
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from pod.media.live.aioice_private import OwnIce
from pod.media.live.sent_history import Sent
from pod.media.packets import VideoPacket

PARTS: dict[str, tuple[str, ...]] = {
    "RTCRtpSender": (
        "_run_rtp",
        "_handle_rtcp_packet",
        "_ssrc",
        "_rtx_ssrc",
        "_RTCRtpSender__mid",
        "_RTCRtpSender__rtp_started",
        "_RTCRtpSender__rtp_exited",
        "_RTCRtpSender__rtp_header_extensions_map",
        "_RTCRtpSender__rtx_payload_type",
        "_RTCRtpSender__rtx_sequence_number",
        "_RTCRtpSender__ntp_timestamp",
        "_RTCRtpSender__rtp_timestamp",
        "_RTCRtpSender__packet_count",
        "_RTCRtpSender__octet_count",
        "_RTCRtpSender__rtt",
    ),
    "RTCDtlsTransport": ("_tx_srtp", "_handle_rtcp_data"),
}
"""By class: the private attributes and methods that this module reads, sets or replaces."""

_HEADER = struct.Struct("!BBHII")
_VERSION, _EXTENDED, _MARKER = 0x80, 0x10, 0x80

_SEND_TIME = 0x123456
"""Stands where the send time goes while the header extensions are laid out."""


class SenderListener(Protocol):
    """Told what the peer says and what becomes of it, on the loop's thread; must not raise."""

    def started(self) -> None:
        """The keys are there: packets may be sent."""

    def stopped(self) -> None:
        """Nothing may be sent any more; comes once after `started`."""

    def missing(self, sequence_numbers: Sequence[int]) -> None:
        """The peer lacks these packets (generic NACK, RFC 4585)."""

    def keyframe_wanted(self) -> None:
        """The peer cannot go on without a keyframe (PLI or FIR)."""

    def reported(self, lost: int) -> None:
        """The peer's count of packets that never came, since it joined."""


class OwnSender:
    """One peer's video sender. Belongs to the loop's thread."""

    def __init__(self, sender: RTCRtpSender) -> None:
        """Take the sending over from aiortc.

        Args:
            sender: of a video transceiver that has not started; a track it has is never read, and stopped at
                the end.
        """
        self._sender: Any = sender
        self.ice = OwnIce(sender)
        self._aiortc_on_rtcp = sender._handle_rtcp_packet
        self._aiortc_on_rtcp_data = sender.transport._handle_rtcp_data
        self._listener: SenderListener | None = None
        self._active = False
        self._payload_type = 0
        self._extension = _Extension(b"", None)
        vars(sender).update(_run_rtp=self._run, _handle_rtcp_packet=self._on_rtcp)
        vars(sender.transport).update(_handle_rtcp_data=self._on_rtcp_data)

    def listen(self, listener: SenderListener) -> None:
        """Tell `listener` from now on; at once that it started, where it has."""
        self._listener = listener
        if self._active:
            listener.started()

    @property
    def rtt_s(self) -> float | None:
        """The way there and back as the peer's reports tell it; None before the first."""
        rtt_s = self._sender._RTCRtpSender__rtt
        return None if rtt_s is None else float(rtt_s)

    def route(self) -> tuple[asyncio.DatagramTransport, tuple[str, int]] | None:
        """As `OwnIce.route`."""
        return self.ice.route()

    def seal(self, packets: Sequence[VideoPacket], first: int, *, offset: int, sent_ntp: int) -> list[bytes]:
        """SRTP datagrams of `packets`, numbered from `first`, their timestamps shifted by `offset`.

        Args:
            sent_ntp: the present, `ntp_time`. Whoever seals a number again must give the same: two different
                packets of one number would give the keys away.

        Raises:
            ConnectionError: the keys are used up or gone.
        """
        sender, extension = self._sender, self._extension.at(sent_ntp)
        ssrc, flags = sender._ssrc, _VERSION | (_EXTENDED if extension else 0)
        datagrams = []
        for number, packet in enumerate(packets, first):
            header = _HEADER.pack(
                flags,
                self._payload_type | (_MARKER if packet.marker else 0),
                number & 0xFFFF,
                (packet.timestamp + offset) & 0xFFFFFFFF,
                ssrc,
            )
            datagrams.append(header + extension + packet.payload)
        return self._protect(datagrams)

    def seal_again(self, packets: Sequence[tuple[int, Sent]], *, offset: int) -> list[bytes]:
        """Datagrams that repeat packets, each with its number: RTX (RFC 4588) where the peer takes it.

        Raises:
            ConnectionError: as `seal`.
        """
        sender = self._sender
        rtx_payload_type = sender._RTCRtpSender__rtx_payload_type
        if rtx_payload_type is None:
            return [
                datagram
                for number, sent in packets
                for datagram in self.seal((sent.packet,), number, offset=offset, sent_ntp=sent.sent_ntp)
            ]
        extension = self._extension.at(clock.current_ntp_time())
        flags = _VERSION | (_EXTENDED if extension else 0)
        datagrams = []
        for number, sent in packets:
            packet = sent.packet
            header = _HEADER.pack(
                flags,
                rtx_payload_type | (_MARKER if packet.marker else 0),
                sender._RTCRtpSender__rtx_sequence_number,
                (packet.timestamp + offset) & 0xFFFFFFFF,
                sender._rtx_ssrc,
            )
            sender._RTCRtpSender__rtx_sequence_number = (
                sender._RTCRtpSender__rtx_sequence_number + 1
            ) & 0xFFFF
            datagrams.append(header + extension + number.to_bytes(2) + packet.payload)
        return self._protect(datagrams)

    def account(self, timestamp: int, sent_ntp: int, *, packets: int, payload_bytes: int) -> None:
        """What the next sender report says.

        Args:
            timestamp: RTP, of what was sent at `sent_ntp`.
            packets: sent since the start, retransmissions left out; so with `payload_bytes`.
        """
        sender = self._sender
        sender._RTCRtpSender__ntp_timestamp = sent_ntp
        sender._RTCRtpSender__rtp_timestamp = timestamp
        sender._RTCRtpSender__packet_count = packets
        sender._RTCRtpSender__octet_count = payload_bytes

    def _protect(self, datagrams: list[bytes]) -> list[bytes]:
        session = self._sender.transport._tx_srtp
        if session is None or not self._active:
            raise ConnectionError("the connection has no keys")
        protect = session.protect
        try:
            return [protect(datagram) for datagram in datagrams]
        except (pylibsrtp.Error, ValueError) as error:
            raise ConnectionError(f"SRTP refuses a packet: {error}") from error

    async def _run(self, codec: RTCRtpCodecParameters) -> None:
        """In the place of aiortc's sending loop, from when the keys are there: waits for the end."""
        sender = self._sender
        sender._RTCRtpSender__rtp_started.set()
        try:
            self._prepare(codec)
            self._active = True
            if self._active and self._listener is not None:
                self._listener.started()
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            pass  # the way aiortc ends it; it waits for `rtp_exited` then
        finally:
            if self._active:
                self._active = False
                if self._listener is not None:
                    self._listener.stopped()
            if sender.track is not None:
                sender.track.stop()
            sender._RTCRtpSender__rtp_exited.set()

    def _prepare(self, codec: RTCRtpCodecParameters) -> None:
        """Take over what was negotiated."""
        self._payload_type = codec.payloadType or 0
        self._extension = _Extension.of(self._sender)

    async def _on_rtcp_data(self, data: bytes) -> None:
        """Around aiortc's, in which an estimate (REMB) that names more streams than it holds is a fault."""
        try:
            await self._aiortc_on_rtcp_data(data)
        except (struct.error, ValueError, IndexError):
            self.ice.strange += 1

    async def _on_rtcp(self, packet: rtp.AnyRtcpPacket) -> None:
        """In the place of aiortc's, which still keeps the statistics."""
        listener = self._listener
        if listener is None or not self._active:
            return
        if isinstance(packet, rtp.RtcpRtpfbPacket) and packet.fmt == rtp.RTCP_RTPFB_NACK:
            listener.missing(packet.lost)
        elif isinstance(packet, rtp.RtcpPsfbPacket) and packet.fmt in (
            rtp.RTCP_PSFB_PLI,
            rtp.RTCP_PSFB_FIR,
        ):
            listener.keyframe_wanted()
        elif isinstance(packet, rtp.RtcpRrPacket | rtp.RtcpSrPacket):
            await self._aiortc_on_rtcp(packet)
            for report in packet.reports:
                if report.ssrc == self._sender._ssrc:
                    listener.reported(report.packets_lost)


class _Extension:
    """The header extensions that each packet of a sender carries, with a place for the send time."""

    def __init__(self, template: bytes, time_at: int | None) -> None:
        self._template = template
        self._time_at = time_at

    @classmethod
    def of(cls, sender: Any) -> "_Extension":
        """As the sender negotiated them."""
        values = rtp.HeaderExtensions(mid=sender._RTCRtpSender__mid, abs_send_time=_SEND_TIME)
        profile, value = sender._RTCRtpSender__rtp_header_extensions_map.set(values)
        if not value:
            return cls(b"", None)
        at = value.find(_SEND_TIME.to_bytes(3))
        return cls(struct.pack("!HH", profile, len(value) // 4) + value, None if at < 0 else at + 4)

    def at(self, ntp_time: int) -> bytes:
        """The bytes behind the fixed header, for packets sent at `ntp_time` (64 bit)."""
        if self._time_at is None:
            return self._template
        send_time = (ntp_time >> 14 & 0xFFFFFF).to_bytes(3)
        return self._template[: self._time_at] + send_time + self._template[self._time_at + 3 :]


def ntp_time() -> int:
    """The wall clock as sender reports tell it: 64 bit, the upper half are seconds since 1900."""
    return clock.current_ntp_time()
