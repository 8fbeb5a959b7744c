"""The viewers' clock: whatever a camera says, pictures follow one another at the pace they came."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod.media.live.timeline import CLOCK_HZ, FURTHEST_TICKS, Timeline

PERIOD = 1 << 32
STEP = CLOCK_HZ // 25


def signed(ticks: int) -> int:
    return (ticks + PERIOD // 2) % PERIOD - PERIOD // 2


def test_a_camera_s_own_steps_are_kept_to_the_tick():
    timeline = Timeline()
    stamps = [1000, 4600, 8205, 11800]
    placed = [timeline.place(stamp, 1, arrival_s=at / 25) for at, stamp in enumerate(stamps)]
    assert [later - one for one, later in pairwise(placed)] == [3600, 3605, 3595]


def test_all_packets_of_a_picture_get_one_timestamp():
    timeline = Timeline()
    assert timeline.place(7, 1, arrival_s=0.0) == timeline.place(7, 1, arrival_s=0.03)


def test_a_clock_that_wraps_goes_on():
    timeline = Timeline()
    first = timeline.place(PERIOD - 1800, 1, arrival_s=0.0)
    assert signed(timeline.place(1800, 1, arrival_s=0.04) - first) == STEP


@pytest.mark.parametrize("first", [0, PERIOD // 2, PERIOD - 1], ids=["zero", "half way round", "the last"])
def test_wherever_a_camera_s_clock_begins_its_second_picture_follows_the_first(first):
    timeline = Timeline()
    placed = [timeline.place((first + n * STEP) % PERIOD, 1, arrival_s=n / 25) for n in range(3)]
    assert [signed(later - one) for one, later in pairwise(placed)] == [STEP, STEP]


def test_the_next_session_follows_by_the_time_that_passed():
    timeline = Timeline()
    last = timeline.place(5_000_000, 1, arrival_s=10.0)
    assert signed(timeline.place(17, 2, arrival_s=13.0) - last) == 3 * CLOCK_HZ
    assert signed(timeline.place(17 + STEP, 2, arrival_s=13.04) - last) == 3 * CLOCK_HZ + STEP


def test_pictures_sent_in_another_order_than_shown_keep_their_own_times():
    timeline = Timeline()
    order = [0, 3, 1, 2, 6, 4, 5]
    placed = [timeline.place(at * STEP, 1, arrival_s=n / 25) for n, at in enumerate(order)]
    assert [signed(one - placed[0]) for one in placed] == [at * STEP for at in order]


@pytest.mark.parametrize(
    "leap", [-20 * CLOCK_HZ, 20 * CLOCK_HZ, PERIOD // 2], ids=["back", "ahead", "half way round"]
)
def test_a_leap_of_the_camera_s_clock_is_no_leap_for_viewers(leap):
    timeline = Timeline()
    last = timeline.place(9_000_000, 1, arrival_s=0.0)
    placed = timeline.place((9_000_000 + leap) % PERIOD, 1, arrival_s=0.04)
    assert signed(placed - last) == STEP


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, PERIOD - 1), st.integers(1, 3), st.floats(0, 2)), min_size=2, max_size=60
    )
)
def test_whatever_a_camera_says_viewers_stay_near_the_present(lies):
    timeline = Timeline()
    arrival_s, times, arrivals = 0.0, [], []
    for stamp, session, passed_s in lies:
        arrival_s += passed_s
        times.append(timeline.place(stamp, session, arrival_s=arrival_s))
        arrivals.append(arrival_s)
    unwrapped = [0]
    for one, later in pairwise(times):
        unwrapped.append(unwrapped[-1] + signed(later - one))
    for at, ticks in enumerate(unwrapped):
        # Each re-anchored picture may be pushed on by the least step, beyond the furthest it may be off.
        slack = FURTHEST_TICKS + len(lies) * CLOCK_HZ // 60 + 2 * CLOCK_HZ
        assert abs(ticks - (arrivals[at] - arrivals[0]) * CLOCK_HZ) <= slack
        assert ticks >= max(unwrapped[: at + 1]) - CLOCK_HZ // 2


def test_a_quartz_that_drifts_is_followed_without_a_leap():
    timeline = Timeline()
    placed = [
        timeline.place(round(n * STEP * 1.001) % PERIOD, 1, arrival_s=n / 25) for n in range(25 * 3600 // 4)
    ]
    assert all(3600 <= signed(later - one) <= 3608 for one, later in pairwise(placed))
