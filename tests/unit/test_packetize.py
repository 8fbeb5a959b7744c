"""Access units to RTP payloads of bounded size, and payloads to smaller ones."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtsp_stream import pictures, rtp, sdp, without_parameter_sets

from pod.media.frame import AccessUnit
from pod.media.nal import NalCodec, nal_units
from pod.media.packetize import LEAST_BYTES, packetize, refragment
from pod.media.packets import PacketBatch, PacketFanout, VideoPacket
from pod.media.rtp.sdp import video_offer
from pod.media.rtp.video_stream import VideoStream

CODECS: tuple[NalCodec, ...] = ("h264", "hevc")


def read_back(packets: Iterable[VideoPacket], codec: NalCodec) -> list[list[bytes]]:
    """The NAL units of each access unit in `packets`."""
    stream = VideoStream(video_offer(sdp(codec=codec).encode()), own_ssrc=1)
    for at, packet in enumerate(packets):
        stream.take_rtp(rtp(packet, at), 0.0)
    return [list(nal_units(unit.data)) for unit in stream.collect().units]


@pytest.mark.parametrize("codec", CODECS)
@given(most_bytes=st.integers(LEAST_BYTES, 1500), narrower=st.integers(LEAST_BYTES, 1500))
@settings(max_examples=30, deadline=None)
def test_payloads_of_any_size_hold_the_same_picture_also_cut_again(
    codec: NalCodec, most_bytes: int, narrower: int
) -> None:
    unit = pictures(codec=codec)[0]
    packets = packetize(unit, most_bytes=most_bytes)
    cut = [part for one in packets for part in refragment(one, most_bytes=narrower, codec=codec)]
    for found, most in ((packets, most_bytes), (cut, narrower)):
        assert max(len(packet.payload) for packet in found) <= max(most, 30)
        assert [packet.marker for packet in found] == [False] * (len(found) - 1) + [True]
        assert [packet.starts_keyframe for packet in found] == [True] + [False] * (len(found) - 1)
        assert read_back(found, codec) == [list(nal_units(unit.data))]
    assert max(len(packet.payload) for packet in cut) <= narrower


def test_an_aggregate_that_is_too_long_is_taken_apart() -> None:
    nals = list(nal_units(pictures()[0].data))
    payload = b"\x18" + b"".join(len(nal).to_bytes(2) + nal for nal in nals)
    cut = refragment(VideoPacket(payload, True, 7, True), most_bytes=100)
    assert max(len(packet.payload) for packet in cut) <= 100
    assert read_back(cut, "h264") == [nals]


def test_a_packet_that_is_short_enough_is_left_alone() -> None:
    packet = packetize(pictures()[0], most_bytes=1200)[0]
    assert refragment(packet, most_bytes=1200) == (packet,)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\x18\xff\xff" + b"x" * 100, id="aggregate-that-lies"),
        pytest.param(b"\x1c\x85" + b"x" * 100, id="fragment"),
        pytest.param(b"\x65" + b"x" * 100, id="whole"),
        pytest.param(bytes(100), id="zeros"),
    ],
)
def test_no_payload_whatever_comes_out_longer_than_allowed(payload: bytes) -> None:
    cut = refragment(VideoPacket(payload, True, 7, False), most_bytes=40)
    assert all(0 < len(packet.payload) <= 40 for packet in cut)


def test_only_a_keyframe_with_its_parameter_sets_starts_one() -> None:
    first, second = pictures()[:2]
    for unit in (without_parameter_sets(first), second):
        assert not any(packet.starts_keyframe for packet in packetize(unit, most_bytes=1200))


def test_delimiters_are_left_out_and_timestamps_wrap_around() -> None:
    unit = AccessUnit(b"\x00\x00\x01\x09\xf0\x00\x00\x01\x65x", "h264", True, 2**32 / 90_000 + 1, 0.0)
    (packet,) = packetize(unit, most_bytes=99)
    assert (packet.payload, packet.timestamp) == (b"\x65x", 90_000)


def test_pictures_without_nal_units_are_refused() -> None:
    with pytest.raises(ValueError, match="mjpeg has no NAL units"):
        packetize(AccessUnit(b"\xff\xd8", "mjpeg", True, 0.0, 0.0), most_bytes=99)


def batch(number: int) -> PacketBatch:
    return PacketBatch((VideoPacket(b"x", True, number, False),), "h264", 1, 0.0)


def test_every_listener_gets_every_batch_until_it_ends() -> None:
    fanout, first, second = PacketFanout(), list[PacketBatch](), list[PacketBatch]()
    assert not fanout.has_listeners
    end_first, end_second = fanout.subscribe(first.append), fanout.subscribe(second.append)
    fanout.publish(batch(1))
    end_first()
    end_first()
    fanout.publish(batch(2))
    assert [one.packets[0].timestamp for one in first] == [1]
    assert [one.packets[0].timestamp for one in second] == [1, 2]
    end_second()
    assert not fanout.has_listeners


def test_one_function_may_listen_twice_and_end_once() -> None:
    fanout, heard = PacketFanout(), list[PacketBatch]()
    end = fanout.subscribe(heard.append)
    fanout.subscribe(heard.append)
    end()
    fanout.publish(batch(1))
    assert len(heard) == 1
