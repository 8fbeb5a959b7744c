"""What a viewer who joins is shown first: the packets since the last keyframe, within bounds."""

from itertools import pairwise

from pod.media.live.gop_cache import GopCache, hurried
from pod.media.packets import VideoPacket

STEP = 3600


def packet(at: int, *, keyframe: bool = False, size: int = 10, marker: bool = True) -> VideoPacket:
    return VideoPacket(bytes(size), marker, at * STEP % (1 << 32), keyframe)


def test_nothing_is_kept_before_a_keyframe():
    gop = GopCache()
    gop.add([packet(0), packet(1)])
    assert not gop.packets


def test_the_packets_since_the_last_keyframe_are_kept():
    gop = GopCache()
    gop.add([packet(0, keyframe=True), packet(1)])
    gop.add([packet(2), packet(3, keyframe=True), packet(4)])
    assert [one.timestamp for one in gop.packets] == [3 * STEP, 4 * STEP]
    assert gop.size_bytes == 20
    assert gop.length_s == 0.04


def test_a_gop_that_is_too_large_is_forgotten_until_the_next_keyframe():
    gop = GopCache(most_bytes=2 * packet(0).held_bytes + 5)
    gop.add([packet(0, keyframe=True), packet(1), packet(2)])
    assert not gop.packets
    assert gop.forgotten == 1
    gop.add([packet(3)])
    assert not gop.packets
    gop.add([packet(4, keyframe=True)])
    assert len(gop.packets) == 1


def test_packets_of_a_byte_count_with_what_they_take_in_memory():
    gop = GopCache(most_bytes=100_000)
    tiny = [VideoPacket(b"\x41", False, 0, at == 0) for at in range(10_000)]
    gop.add(tiny[:500])
    assert len(gop.packets) == 500
    gop.add(tiny[500:])
    assert (len(gop.packets), gop.forgotten) == (0, 1)


def test_a_gop_of_too_many_pictures_is_forgotten_until_the_next_keyframe():
    gop = GopCache(most_pictures=26)
    gop.add([packet(at // 2, keyframe=at == 0) for at in range(52)])
    assert len(gop.packets) == 52
    gop.add([packet(26)])
    assert not gop.packets
    assert gop.size_bytes == 0


def test_the_long_gop_of_a_camera_that_sends_one_picture_a_second_is_kept():
    gop = GopCache()
    gop.add([packet(at * 25, keyframe=at == 0) for at in range(120)])
    assert len(gop.packets) == 120
    assert gop.length_s == 119.0


def test_hurried_pictures_end_at_the_present_and_follow_one_another_closely():
    clip = [packet(at // 2, keyframe=at == 0, marker=at % 2 == 1) for at in range(20)]
    quick = hurried(clip, last=clip[-1].timestamp, step=90)
    assert quick[-1].timestamp == clip[-1].timestamp
    steps = [later.timestamp - one.timestamp for one, later in pairwise(quick)]
    assert steps == [0, 90] * 9 + [0]
    assert [one.payload for one in quick] == [one.payload for one in clip]
    assert [one.marker for one in quick] == [one.marker for one in clip]


def test_hurried_pictures_go_round_with_the_clock():
    quick = hurried([packet(0), packet(1)], last=10, step=90)
    assert [one.timestamp for one in quick] == [(1 << 32) - 80, 10]
