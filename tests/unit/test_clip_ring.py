"""The newest coded pictures of a camera: whole GOPs, bounded in time and bytes."""

from pod.media.clips.ring import UnitRing
from pod.media.frame import UNIT_OVERHEAD_BYTES, AccessUnit


def unit(at_s: float, *, keyframe: bool = False, size: int = 260) -> AccessUnit:
    """One that takes `size` bytes of memory."""
    return AccessUnit(b"\1" * (size - UNIT_OVERHEAD_BYTES), "h264", keyframe, at_s, at_s)


def filled(
    seconds: int, *, gop_s: int = 1, size: int = 260, most_s: float = 3.0, most_bytes: int = 260_000
) -> UnitRing:
    """Ten units a second."""
    ring = UnitRing(most_s=most_s, most_bytes=most_bytes)
    for index in range(seconds * 10):
        ring.add(unit(index / 10, keyframe=index % (gop_s * 10) == 0, size=size))
    return ring


def test_a_clip_begins_with_the_last_keyframe_before_the_moment_asked_for() -> None:
    ring = filled(10)
    units = ring.since(7.65)
    assert units[0].keyframe
    assert (units[0].arrival_s, units[-1].arrival_s) == (7.0, 9.9)
    assert [u.arrival_s for u in units] == sorted(u.arrival_s for u in units)


def test_where_nothing_is_held_so_far_back_a_clip_begins_with_the_oldest_keyframe() -> None:
    assert filled(10).since(-5.0)[0].arrival_s == filled(10).since(1.0)[0].arrival_s == 6.0


def test_no_more_than_the_seconds_asked_for_and_one_gop_is_held() -> None:
    ring = filled(100, most_s=3.0)
    held = ring.since(0.0)
    assert 3.0 <= held[-1].arrival_s - held[0].arrival_s < 4.0
    assert ring.held_bytes == 260 * len(held)
    assert ring.dropped == 0


def test_a_gop_longer_than_the_seconds_is_held_whole() -> None:
    held = filled(12, gop_s=10, most_s=3.0).since(0.0)
    assert (held[0].arrival_s, held[-1].arrival_s) == (0.0, 11.9)


def test_beyond_the_bytes_the_oldest_gop_goes_and_is_counted() -> None:
    ring = filled(3, size=1000, most_bytes=25_000)
    assert ring.since(0.0)[0].arrival_s == 1.0
    assert (ring.held_bytes, ring.dropped) == (20_000, 10)


def test_a_single_gop_beyond_the_bytes_goes_whole_and_the_next_keyframe_begins_anew() -> None:
    ring = filled(10, gop_s=60, size=1000, most_bytes=50_000)
    assert (ring.since(0.0), ring.held_bytes, ring.dropped) == ((), 0, 51)
    ring.add(unit(11.0, keyframe=True))
    ring.add(unit(11.1))
    assert [u.arrival_s for u in ring.since(0.0)] == [11.0, 11.1]


def test_units_before_the_first_keyframe_are_passed_over() -> None:
    ring = UnitRing(most_s=3.0, most_bytes=1000)
    ring.add(unit(0.0))
    assert (ring.since(0.0), ring.held_bytes) == ((), 0)
