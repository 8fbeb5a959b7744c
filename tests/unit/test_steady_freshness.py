"""A camera at the limit of freshness: stale at once, playing again only once it is steadily fresh."""

from itertools import pairwise

import pytest

from pod.media.state import SteadyFreshness


def judged(ages_s: list[float], *, every_s: float = 0.1) -> list[bool]:
    steady = SteadyFreshness(2.0)
    return [steady.is_fresh(100 + i * every_s, age_s) for i, age_s in enumerate(ages_s)]


def test_a_camera_is_fresh_from_its_first_frame_and_stale_with_its_first_late_one():
    assert judged([0.1, 1.99, 2.01]) == [True, True, False]


def test_ages_about_the_limit_change_the_state_once():
    fresh = judged([1.99, 2.01] * 50)
    assert sum(a != b for a, b in pairwise(fresh)) == 1


def test_frames_just_under_the_limit_do_not_end_staleness():
    assert not any(judged([2.5] + [1.95] * 100)[1:])


@pytest.mark.parametrize("every_s", [0.04, 0.5, 1.0], ids=["25 fps", "2 fps", "1 fps"])
def test_a_second_of_clearly_fresh_frames_ends_staleness(every_s):
    fresh = judged([2.5] + [0.2] * 60, every_s=every_s)
    assert fresh.index(True) * every_s == pytest.approx(1 + every_s, abs=0.05)


def test_one_late_frame_starts_the_second_anew():
    assert not any(judged([2.5, *[0.2] * 9, 2.5, *[0.2] * 9]))


def test_silence_is_staleness_and_frames_between_silences_do_not_end_it():
    steady = SteadyFreshness(2.0)
    assert steady.is_fresh(100, 0.1)
    for at_s in (105, 110, 115):
        steady.interrupt()
        assert not steady.is_fresh(at_s, 0.1)
    assert steady.is_fresh(116, 0.1)
