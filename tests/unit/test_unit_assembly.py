"""Packets to access units and to viewers' packets, with every field of RTP telling the truth or lies."""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtsp_stream import SSRC, parameter_sets, pictures, rtp, rtp_of, sdp, without_parameter_sets

from pod.media.decoder import StreamDecoder
from pod.media.frame import AccessUnit
from pod.media.nal import NalCodec, nal_units, rules_of
from pod.media.packetize import packetize
from pod.media.packets import VideoPacket
from pod.media.rtp import assembly
from pod.media.rtp.sdp import video_offer
from pod.media.rtp.video_stream import Received, VideoStream

both_codecs = pytest.mark.parametrize("codec", ["h264", "hevc"])


def stream(description: str = "") -> VideoStream:
    return VideoStream(video_offer((description or sdp()).encode()), own_ssrc=1)


def received(packets: Iterable[bytes], into: VideoStream | None = None) -> Received:
    """What comes of packets that arrive a millisecond apart."""
    into = into or stream()
    for at, packet in enumerate(packets):
        into.take_rtp(packet, at / 1000)
    return into.collect()


def nals(units: Sequence[AccessUnit]) -> list[list[bytes]]:
    return [list(nal_units(unit.data)) for unit in units]


def slices(units: Sequence[AccessUnit], codec: NalCodec) -> list[list[bytes]]:
    """Of each unit, what the picture is made of."""
    rules = rules_of(codec)
    return [[nal for nal in unit if rules.kind(nal) in rules.slices] for unit in nals(units)]


def relayed(found: Received) -> list[VideoPacket]:
    return [packet for _, packets in found.runs for packet in packets]


def decoded(units: Iterable[AccessUnit], codec: NalCodec = "h264") -> list[tuple[int, int]]:
    decoder = StreamDecoder(codec, None)
    return [(picture.width, picture.height) for unit in units for _, picture in decoder.decode(unit)]


@both_codecs
@pytest.mark.parametrize("most_bytes", [60, 1200], ids=["fragments", "whole-nal-units"])
def test_units_come_out_as_they_went_in(codec: NalCodec, most_bytes: int) -> None:
    units = pictures(codec=codec)
    found = received(rtp_of(units, most_bytes=most_bytes), stream(sdp(codec=codec)))
    assert nals(found.units) == nals(units)
    assert [unit.keyframe for unit in found.units] == [unit.keyframe for unit in units]
    steps_s = [b.rtp_time_s - a.rtp_time_s for a, b in pairwise(found.units)]
    assert steps_s == pytest.approx([0.04] * 9)
    assert len(decoded(found.units, codec)) >= 9


def test_a_unit_is_there_with_its_last_packet_and_waits_for_no_other() -> None:
    packets = rtp_of(pictures()[:1])
    into = stream()
    assert received(packets[:-1], into).units == []
    assert len(received(packets[-1:], into).units) == 1


@both_codecs
def test_viewers_get_the_same_packets_and_know_where_keyframes_start(codec: NalCodec) -> None:
    units = pictures(codec=codec)
    sent = [packet for unit in units for packet in packetize(unit, most_bytes=200)]
    found = received(rtp_of(units), stream(sdp(codec=codec)))
    assert relayed(found) == sent
    assert sum(packet.starts_keyframe for packet in sent) == 2


def test_several_nal_units_in_one_packet_are_taken_apart() -> None:
    unit = pictures()[0]
    payload = b"\x18" + b"".join(len(nal).to_bytes(2) + nal for nal in nal_units(unit.data))
    found = received([rtp(VideoPacket(payload, True, 0, False), 1)])
    assert nals(found.units) == nals([unit])
    assert [packet.starts_keyframe for packet in relayed(found)] == [True]


@both_codecs
def test_announced_parameter_sets_come_before_each_keyframe_that_brings_none(codec: NalCodec) -> None:
    units = pictures(codec=codec)
    bare = [without_parameter_sets(unit, codec) for unit in units]
    into = VideoStream(
        replace(
            video_offer(sdp(codec=codec).encode()),
            parameter_sets=parameter_sets(units, codec),
        ),
        own_ssrc=1,
    )
    found = received(rtp_of(bare), into)
    rules = rules_of(codec)
    for unit in found.units:
        kinds = {rules.kind(nal) for nal in nal_units(unit.data)}
        assert (rules.parameter_sets <= kinds) == unit.keyframe
    starts = [packet for packet in relayed(found) if packet.starts_keyframe]
    assert [packet.payload for packet in starts] == [parameter_sets(units, codec)[0]] * 2
    assert len(decoded(found.units, codec)) >= 9


def test_giant_parameter_sets_are_not_put_before_each_of_many_tiny_keyframes() -> None:
    sets = [b"\x67" + bytes(60_000), *(b"\x68" + bytes([number]) * 60_000 for number in range(1, 17))]
    keyframes = [b"\x65\x88"] * 200
    payloads = [VideoPacket(nal, False, 0, False) for nal in sets]
    payloads += [VideoPacket(nal, True, at * 3600, False) for at, nal in enumerate(keyframes)]
    sent = [rtp(packet, number) for number, packet in enumerate(payloads)]
    found = received(sent)
    sent_bytes = sum(map(len, sent))
    assert sum(len(packet.payload) for packet in relayed(found)) < sent_bytes
    assert sum(len(unit.data) for unit in found.units) < 2 * sent_bytes


def test_after_giant_parameter_sets_those_of_a_camera_are_put_before_keyframes_again() -> None:
    units = pictures()
    bare = [without_parameter_sets(unit) for unit in units]
    giant = rtp(VideoPacket(b"\x67" + bytes(60_000), False, 0, False), 65529)
    into = stream()
    received([giant, *rtp_of([units[0]])], into)
    found = received(rtp_of(bare[5:], first=rtp_next(units[0])), into)
    assert [packet.payload for packet in relayed(found) if packet.starts_keyframe] == [
        parameter_sets(units)[0]
    ]


def rtp_next(unit: AccessUnit) -> int:
    """The number behind those that `rtp_of` gives the packets of one unit."""
    return 65530 + len(rtp_of([unit]))


def test_without_any_parameter_sets_no_packet_claims_to_start_a_keyframe() -> None:
    found = received(rtp_of([without_parameter_sets(unit) for unit in pictures()]))
    assert not any(packet.starts_keyframe for packet in relayed(found))


def test_a_camera_that_changes_resolution_gets_its_new_parameter_sets_before_later_keyframes() -> None:
    small, large = pictures(), pictures(size=(320, 240))
    told_once = [large[0], *map(without_parameter_sets, large[1:])]
    found = received(rtp_of([*small, *told_once]), stream(sdp(small)))
    assert set(decoded(found.units[:10])) == {(160, 120)}
    assert decoded(found.units[10:]) == [(320, 240)] * 10
    assert parameter_sets([found.units[15]]) == parameter_sets(large)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(missing=st.sets(st.integers(0, 60), max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_is_lost_only_whole_units_are_decoded_and_losses_are_counted(
    codec: NalCodec, missing: set[int]
) -> None:
    units = pictures(codec=codec)
    packets = rtp_of(units)
    into = stream(sdp(codec=codec))
    found = received([packet for at, packet in enumerate(packets) if at not in missing], into)
    whole = slices(units, codec)
    assert all(unit in whole for unit in slices(found.units, codec))
    inner = {at for at in missing if at < len(packets)}
    first = next(at for at in range(len(packets) + 1) if at not in inner)
    last = max((at for at in range(len(packets)) if at not in inner), default=0)
    assert into.lost == len([at for at in inner if first < at < last])
    assert sum(lost for lost, _ in found.runs) == into.lost


def test_lost_packets_are_told_right_before_the_packets_they_preceded() -> None:
    packets = rtp_of(pictures())
    found = received([*packets[:-6], *packets[-3:]])
    assert [lost for lost, _ in found.runs] == [0, 3]
    assert len(found.runs[0][1]) + len(found.runs[1][1]) == len(packets) - 3


def test_packets_that_come_twice_change_nothing() -> None:
    packets = rtp_of(pictures())
    into = stream()
    found = received([packet for packet in packets for _ in range(2)], into)
    assert nals(found.units) == nals(pictures())
    assert into.refused == len(packets)


def field(at: int, form: str, value: Callable[[int], int]) -> Callable[[int, bytes], bytes]:
    """Packets in which one field is what `value` makes of the packet's place."""
    return lambda number, packet: (
        packet[:at] + struct.pack(form, value(number)) + packet[at + struct.calcsize(form) :]
    )


LIES = {
    "version": field(0, "!B", lambda _: 0x40),
    "padding": field(0, "!B", lambda _: 0xA0),
    "extension": field(0, "!B", lambda _: 0x90),
    "sources": field(0, "!B", lambda _: 0x8F),
    "payload-type": field(1, "!B", lambda number: number % 128),
    "marker-always": lambda _, packet: packet[:1] + bytes((packet[1] | 0x80,)) + packet[2:],
    "marker-never": lambda _, packet: packet[:1] + bytes((packet[1] & 0x7F,)) + packet[2:],
    "sequence-stands": field(2, "!H", lambda _: 7),
    "sequence-at-random": field(2, "!H", lambda number: number * 40503 % 65536),
    "sequence-backwards": field(2, "!H", lambda number: -number % 65536),
    "timestamp-stands": field(4, "!I", lambda _: 7),
    "timestamp-at-random": field(4, "!I", lambda number: number * 2654435761 % 2**32),
    "timestamp-backwards": field(4, "!I", lambda number: -number * 3600 % 2**32),
    "ssrc-at-random": field(8, "!I", lambda number: number * 2654435761 % 2**32),
    "nal-type": field(12, "!B", lambda number: 0x60 | number % 32),
    "nal-forbidden-bit": field(12, "!B", lambda _: 0xFC),
    "fragment-never-starts": field(13, "!B", lambda _: 0x05),
    "fragment-always-starts": field(13, "!B", lambda _: 0x85),
}


@pytest.mark.parametrize("lie", LIES)
def test_rtp_with_lies_in_every_field_gives_units_or_none_and_the_truth_after_it_is_read(
    lie: str,
) -> None:
    into = stream(sdp(pictures()))
    units = pictures()
    found = received([LIES[lie](at, packet) for at, packet in enumerate(rtp_of(units * 30))], into)
    assert all(unit.data.startswith(b"\x00\x00\x01") for unit in found.units)
    if lie in ("sequence-stands", "version", "nal-forbidden-bit"):
        assert len(found.units) <= 1
    honest_after = received(rtp_of(units * 2, first=1000), into)
    # Of a camera whose markers lied once the very last picture is still waited for.
    assert nals(units)[-5:-1] in (nals(honest_after.units)[-5:-1], nals(honest_after.units)[-4:])


def test_a_camera_that_sends_under_a_new_name_each_time_is_read_all_the_same() -> None:
    packets = [LIES["ssrc-at-random"](at, packet) for at, packet in enumerate(rtp_of(pictures()))]
    assert nals(received(packets).units) == nals(pictures())


@pytest.mark.parametrize("lie", ["marker-always", "marker-never"])
def test_where_markers_lie_pictures_end_where_the_next_one_begins_for_decoder_and_viewers(lie: str) -> None:
    units = pictures() * 2
    dated = [replace(unit, rtp_time_s=at / 25) for at, unit in enumerate(units)]
    into = stream(sdp(units))
    found = received([LIES[lie](at, packet) for at, packet in enumerate(rtp_of(dated, most_bytes=60))], into)
    assert into.markers_lie
    assert nals(found.units)[-8:] == nals(units)[-9:-1]
    late = [packet for packet in relayed(found) if packet.timestamp > 8 * 3600]
    ends = [a.timestamp != b.timestamp for a, b in pairwise(late)]
    assert [packet.marker for packet in late[:-1]] == ends


def test_where_markers_are_missing_a_picture_arrived_when_its_own_last_packet_came() -> None:
    """One frame a second: the next picture's packet, which tells that it was the end, comes much later."""
    units = [replace(unit, rtp_time_s=float(at)) for at, unit in enumerate(pictures())]
    into = stream(sdp(units))
    found: list[AccessUnit] = []
    for at, unit in enumerate(units):
        for packet in rtp_of([unit], first=at * 100):
            into.take_rtp(LIES["marker-never"](0, packet), float(at))
        found += into.collect().units
    assert into.lost > 0
    assert [round(unit.arrival_s - unit.rtp_time_s) for unit in found] == [0] * len(found)


def test_a_picture_without_end_is_left_out_and_holds_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MOST_UNIT_BYTES", 5000)
    fragment = VideoPacket(b"\x7c\x05" + b"x" * 1000, False, 7, False)
    into = stream()
    received([rtp(fragment, number) for number in range(3000)], into)
    opened = into._assembler._open
    assert opened is not None
    assert sum(map(len, opened.parts)) <= 5000
    assert nals(received(rtp_of(pictures(), first=3000), into).units) == nals(pictures())
    assert into.damaged == 1


def test_delimiters_and_prefixes_without_a_picture_hold_no_memory() -> None:
    into = stream()
    prefix = VideoPacket(b"\x06" + b"x" * 1000, False, 7, False)
    found = received([rtp(prefix, number) for number in range(1000)], into)
    assert relayed(found) == []
    assert len(into._assembler._held) <= assembly.MOST_HELD_PACKETS


def test_a_new_sequence_parameter_set_takes_the_place_of_all_that_built_on_the_old_one() -> None:
    into = stream()
    sets = [b"\x67old", b"\x68one", b"\x68two", b"\x67new", b"\x68three"]
    received([rtp(VideoPacket(nal, False, 7, False), number) for number, nal in enumerate(sets)], into)
    assert into._assembler.parameter_sets == (b"\x67new", b"\x68three")


def test_parameter_sets_without_end_hold_no_memory() -> None:
    into = stream()
    many = [VideoPacket(b"\x68" + number.to_bytes(2), False, 7, False) for number in range(1000)]
    received([rtp(packet, number) for number, packet in enumerate(many)], into)
    assert len(into._assembler.parameter_sets) <= assembly.MOST_PARAMETER_SETS


@given(st.lists(st.binary(max_size=40), max_size=30))
@settings(deadline=None)
def test_whatever_payloads_come_nothing_but_units_and_packets_comes_of_it(payloads: list[bytes]) -> None:
    for codec in ("h264", "hevc"):
        into = stream(sdp(codec=codec))
        packets = [rtp(VideoPacket(p, bool(p), at // 3, False), at) for at, p in enumerate(payloads)]
        found = received([*packets, *payloads], into)
        for payload in payloads:
            into.take_rtcp(payload, 0.0)
        assert len(found.units) <= len(payloads)


def test_reports_about_another_stream_are_passed_over_and_ours_make_pictures_older() -> None:
    def report(timestamp: int, ssrc: int = SSRC) -> bytes:
        return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, 1, timestamp, 0, 0)

    units = pictures()
    into = stream(sdp(units))
    received(rtp_of(units[:1]), into)
    for _ in range(2):
        into.take_rtcp(report(90_000), 0.0)
        into.take_rtcp(report(0, ssrc=9), 0.0)
    after = received(rtp_of(units[1:2], first=65530 + len(rtp_of(units[:1]))), into).units[0]
    assert after.reported_lag_s == pytest.approx(1 - 0.04 + after.arrival_s, abs=0.01)
