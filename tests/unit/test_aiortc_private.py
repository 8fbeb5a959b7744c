"""What is private in aiortc and aioice, and used: each part by name, so that no update changes it unseen."""

import hashlib
import inspect
from collections.abc import Callable
from types import SimpleNamespace

import aioice
import pytest
from aioice.ice import CandidatePair, Connection, StunProtocol, relayed_candidate
from aioice.turn import TurnClientMixin, TurnClientTcpProtocol, TurnClientUdpProtocol, TurnTransport
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport, RTCRtpSender, clock, rtp
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from pod.media.live import aioice_private, aiortc_private
from pod.media.live.aiortc_private import OwnSender
from pod.media.live.sent_history import Sent
from pod.media.packets import VideoPacket

PARTS = aiortc_private.PARTS | aioice_private.PARTS


@pytest.fixture
async def parts() -> dict[str, object]:
    """One object of each class in `PARTS`, by its name."""
    ice = RTCIceTransport(RTCIceGatherer())
    dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    return {
        "RTCRtpSender": RTCRtpSender("video", dtls),
        "RTCDtlsTransport": dtls,
        "RTCIceTransport": ice,
        "Connection": aioice.Connection(ice_controlling=False),
        "StunProtocol": StunProtocol(aioice.Connection(ice_controlling=False)),
        "TurnTransport": TurnTransport(SimpleNamespace(transport=None)),
        "TurnClientUdpProtocol": connected(TurnClientUdpProtocol),
        "TurnClientTcpProtocol": connected(TurnClientTcpProtocol),
    }


def connected(kind: type[TurnClientUdpProtocol] | type[TurnClientTcpProtocol]) -> object:
    protocol = kind(("192.0.2.1", 3478), "pod", "secret", 600, 500)
    protocol.connection_made(SimpleNamespace())
    return protocol


@pytest.mark.parametrize(
    ("owner", "name"), [pytest.param(owner, name, id=name) for owner in PARTS for name in PARTS[owner]]
)
async def test_a_private_part_that_is_used_is_still_there(parts, owner, name):
    assert hasattr(parts[owner], name)


@pytest.mark.parametrize(
    ("part", "known"),
    [
        pytest.param(part, known, id=part.__qualname__)
        for part, known in (
            (RTCRtpSender._run_rtp, "ff597a1d554c"),
            (RTCRtpSender._handle_rtcp_packet, "a4ee4c7355f8"),
            (RTCRtpSender._retransmit, "ae0b2491944b"),
            (RTCRtpSender._run_rtcp, "51e0a924eac4"),
            (RTCRtpSender.send, "3969482b77a2"),
            (RTCRtpSender.stop, "38c1e92baf8e"),
            (RTCDtlsTransport._handle_rtcp_data, "5469e786d77b"),
            (RTCDtlsTransport._send_rtp, "763b02bceb0b"),
            (RTCDtlsTransport._setup_srtp, "75cc6ec308f1"),
            (RtpRouter.route_rtcp, "199bd7e279f1"),
            (rtp.wrap_rtx, "0f099d4ba56f"),
            (rtp.HeaderExtensionsMap.set, "55c43cd8952b"),
            (clock.current_ntp_time, "b7dedc576383"),
            (Connection.sendto, "bf162ec03bdc"),
            (Connection.check_complete, "52f939709eab"),
            (CandidatePair.remote_addr.fget, "f1a7a32a84fc"),
            (Connection.check_incoming, "cb3e32bd47e5"),
            (Connection.data_received, "5631b17fab71"),
            (StunProtocol.datagram_received, "ff4c8b910d45"),
            (Connection.get_component_candidates, "118597a9fcb7"),
            (Connection.connect, "da51be461901"),
            (StunProtocol.request, "97991c38f65e"),
            (relayed_candidate, "271e25be8724"),
            (TurnTransport.sendto, "cee46ff3776d"),
            (TurnClientMixin.send_data, "c25f67f43c7d"),
            (TurnClientMixin.delete, "8ec62766df8e"),
            (TurnClientTcpProtocol._padded, "2e0b9aa51c4c"),
        )
    ],
)
def test_code_that_is_replaced_or_relied_on_is_still_what_was_read(part: Callable[..., object], known: str):
    source = inspect.getsource(part)
    assert hashlib.sha256(source.encode()).hexdigest()[:12] == known, (
        f"{part.__qualname__} was rewritten: read it, see that pod/media/live/aiortc_private.py still fits, "
        "and then write its new fingerprint here"
    )


def test_aiortc_s_own_sending_is_replaced(parts):
    sender = parts["RTCRtpSender"]
    own = OwnSender(sender)
    assert sender._run_rtp == own._run
    assert sender._handle_rtcp_packet == own._on_rtcp


class Plain:
    """SRTP without secrets: what is sealed can be read."""

    def protect(self, packet: bytes) -> bytes:
        return packet


def ready(parts: dict[str, object], *, rtx: bool = True) -> OwnSender:
    sender = parts["RTCRtpSender"]
    extensions = [
        SimpleNamespace(uri="urn:ietf:params:rtp-hdrext:sdes:mid", id=1),
        SimpleNamespace(uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", id=3),
    ]
    sender._RTCRtpSender__rtp_header_extensions_map.configure(SimpleNamespace(headerExtensions=extensions))
    sender._RTCRtpSender__mid = "v0"
    sender._RTCRtpSender__rtx_payload_type = 100 if rtx else None
    sender.transport._tx_srtp = Plain()
    own = OwnSender(sender)
    own._prepare(RTCRtpCodecParameters("video/H264", 90_000, payloadType=99))
    own._active = True
    return own


def parsed(own: OwnSender, datagram: bytes) -> rtp.RtpPacket:
    return rtp.RtpPacket.parse(datagram, own._sender._RTCRtpSender__rtp_header_extensions_map)


NTP = 0xE5_00_00_10_80_00_00_00


def test_a_sealed_packet_is_what_aiortc_itself_reads(parts):
    own = ready(parts)
    packets = [
        VideoPacket(b"one", False, 0xFFFF_FFF0, False),
        VideoPacket(b"two", True, 0xFFFF_FFF0, False),
    ]
    one, two = (parsed(own, each) for each in own.seal(packets, 0xFFFF, offset=32, sent_ntp=NTP))
    assert (one.sequence_number, two.sequence_number) == (0xFFFF, 0)
    assert (one.timestamp, two.timestamp) == (16, 16)
    assert (one.marker, two.marker) == (0, 1)
    assert (one.payload, two.payload) == (b"one", b"two")
    assert one.payload_type == 99
    assert one.ssrc == own._sender._ssrc
    assert one.extensions.mid == "v0"
    assert one.extensions.abs_send_time == NTP >> 14 & 0xFFFFFF


def test_a_repeated_packet_carries_its_number_in_the_stream_for_repeats(parts):
    own = ready(parts)
    sent = Sent(VideoPacket(b"lost", True, 7, False), NTP)
    first, second = (parsed(own, each) for each in own.seal_again([(500, sent), (501, sent)], offset=1))
    assert second.sequence_number == (first.sequence_number + 1) & 0xFFFF
    assert (first.ssrc, first.payload_type) == (own._sender._rtx_ssrc, 100)
    assert first.extensions.mid == "v0"
    original = rtp.unwrap_rtx(second, payload_type=99, ssrc=own._sender._ssrc)
    assert (original.sequence_number, original.payload, original.timestamp, original.marker) == (
        501,
        b"lost",
        8,
        1,
    )


def test_without_that_stream_a_packet_is_repeated_to_the_bit(parts):
    """Two different packets with one number would give AES-GCM's key away."""
    own = ready(parts, rtx=False)
    packet = VideoPacket(b"lost", True, 7, False)
    first = own.seal([packet], 500, offset=1, sent_ntp=NTP)
    assert own.seal_again([(500, Sent(packet, NTP))], offset=1) == first


def test_without_keys_nothing_is_sealed(parts):
    own = ready(parts)
    own._sender.transport._tx_srtp = None
    with pytest.raises(ConnectionError, match="no keys"):
        own.seal([VideoPacket(b"one", True, 0, False)], 0, offset=0, sent_ntp=NTP)


def test_a_packet_that_srtp_refuses_is_a_broken_connection(parts):
    own = ready(parts)

    class Refusing:
        def protect(self, packet: bytes) -> bytes:
            raise ValueError("packet is too long")

    own._sender.transport._tx_srtp = Refusing()
    with pytest.raises(ConnectionError, match="too long"):
        own.seal([VideoPacket(b"one", True, 0, False)], 0, offset=0, sent_ntp=NTP)


def test_there_is_no_way_to_a_peer_that_does_not_consent(parts):
    own = ready(parts)
    connection = own._sender.transport.transport._connection
    assert own.route() is None
    connection._nominated[1] = SimpleNamespace(
        protocol=SimpleNamespace(transport="udp"), remote_addr=("x", 1)
    )
    assert own.route() == ("udp", ("x", 1))
    connection._nominated.clear()
    assert own.route() is None
