"""A camera's packets cut to what viewers' paths take: nothing lost, nothing twice, as few as can be."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod.media.frame import AccessUnit
from pod.media.live.refit import refit
from pod.media.nal import FRAGMENT_END, FRAGMENT_START
from pod.media.packetize import packetize
from pod.media.packets import VideoPacket

MOST = 1152


def camera_packets(*slice_bytes: int, most_bytes: int = 1400) -> tuple[VideoPacket, ...]:
    """One keyframe of a camera: parameter sets, then slices of these sizes."""
    slices = [bytes((0x65,)) + bytes(i % 255 + 1 for i in range(size)) for size in slice_bytes]
    nals = [b"\x67" + b"s" * 20, b"\x68" + b"p" * 5, *slices]
    data = b"".join(b"\x00\x00\x01" + nal for nal in nals)
    return packetize(AccessUnit(data, "h264", True, 1.0, 0.0), most_bytes=most_bytes)


def nals_of(packets: list[VideoPacket]) -> list[bytes]:
    """The NAL units again, as a receiver puts them together."""
    nals: list[bytes] = []
    for packet in packets:
        if packet.payload[0] & 0x1F != 28:
            nals.append(packet.payload)
            continue
        marks = packet.payload[1]
        if marks & FRAGMENT_START:
            nals.append(bytes((packet.payload[0] & 0xE0 | marks & 0x1F,)))
        nals[-1] += packet.payload[2:]
    return nals


def test_long_fragments_are_put_together_and_cut_anew_into_fewer_of_one_size():
    packets = camera_packets(14_000)
    fitted = refit(packets, most_bytes=MOST)
    assert nals_of(fitted) == nals_of(list(packets))
    parts = fitted[2:]
    assert len(parts) == 13
    assert {len(one.payload) for one in parts[:-1]} == {len(parts[0].payload)}
    assert [one.marker for one in fitted] == [False] * (len(fitted) - 1) + [True]
    assert [one.starts_keyframe for one in fitted] == [True] + [False] * (len(fitted) - 1)
    assert [bool(one.payload[1] & FRAGMENT_START) for one in parts] == [True] + [False] * 12
    assert [bool(one.payload[1] & FRAGMENT_END) for one in parts] == [False] * 12 + [True]


def test_packets_that_fit_stay_as_they_are():
    packets = camera_packets(9000, most_bytes=1000)
    assert refit(packets, most_bytes=MOST) == list(packets)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 6000), min_size=1, max_size=4), st.integers(0, 20), st.integers(0, 20))
def test_whatever_part_of_a_picture_came_together_arrives_whole_and_fits(sizes, start, count):
    packets = camera_packets(*sizes)
    part = list(packets[start : start + count])
    before, after = list(packets[:start]), list(packets[start + count :])
    fitted = refit(part, most_bytes=MOST)
    assert all(len(one.payload) <= MOST for one in fitted)
    assert nals_of(before + fitted + after) == nals_of(list(packets))


def other_picture(packets: list[VideoPacket]) -> list[VideoPacket]:
    return [*packets[:4], *(replace(one, timestamp=7) for one in packets[4:])]


def other_slice(packets: list[VideoPacket]) -> list[VideoPacket]:
    return [*packets[:4], *(replace(one, payload=b"\x3c\x01" + one.payload[2:]) for one in packets[4:])]


def marker_between(packets: list[VideoPacket]) -> list[VideoPacket]:
    return [*packets[:3], replace(packets[3], marker=True), *packets[4:]]


@pytest.mark.parametrize("spoil", [other_picture, other_slice, marker_between], ids=lambda one: one.__name__)
def test_parts_that_do_not_belong_together_are_never_joined(spoil):
    packets = spoil(list(camera_packets(8000)))
    fitted = refit(packets, most_bytes=MOST)
    kept = [one for packet in packets for one in refit([packet], most_bytes=MOST)]
    assert b"".join(one.payload[2:] for one in fitted[2:]) == b"".join(one.payload[2:] for one in kept[2:])
    assert {one.timestamp for one in fitted} == {one.timestamp for one in packets}
    assert sum(one.marker for one in fitted) == sum(one.marker for one in packets)


@pytest.mark.parametrize(
    "payload", [b"\x7c", b"\x7c\x85", b"\x18"], ids=["FU-A alone", "empty FU-A", "STAP-A"]
)
def test_stumps_of_packets_do_no_harm(payload):
    stump = VideoPacket(payload, False, 1, False)
    assert refit([stump, stump], most_bytes=MOST) == [stump, stump]
