"""The clock that tells delay from clock offset."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.domain.freshness import CLOCK_DRIFT, SETTLE_S, FreshnessClock

FRAME_S = 0.04


def settled(offset_s: float = 100.0, until_s: float = 10.0) -> FreshnessClock:
    """A clock that saw a punctual stream from 0 to `until_s` of RTP time."""
    clock = FreshnessClock()
    for frame in range(round(until_s / FRAME_S) + 1):
        clock.observe(frame * FRAME_S, offset_s + frame * FRAME_S)
    return clock


@given(offset_s=st.floats(-1e6, 1e6), delay_s=st.floats(0, 60))
def test_a_delay_is_seen_whatever_the_two_clocks_say(offset_s: float, delay_s: float) -> None:
    clock = settled(offset_s)
    lag_s = clock.observe(10.04, offset_s + 10.04 + delay_s)
    assert lag_s == pytest.approx(delay_s, abs=(11 + delay_s) * CLOCK_DRIFT + 1e-6)


def test_a_stream_that_stays_behind_is_not_taken_for_normal() -> None:
    clock = settled()
    lags_s = [clock.observe(10 + n * FRAME_S, 100 + 10 + n * FRAME_S + 3) for n in range(25 * 600)]
    assert min(lags_s) > 2.8


def test_a_camera_clock_that_runs_slow_within_its_tolerance_stays_fresh_for_days() -> None:
    clock = FreshnessClock()
    slow = 1 - CLOCK_DRIFT / 2
    lags_s = [clock.observe(second * slow, second) for second in range(3 * 24 * 3600)]
    assert max(lags_s[1:]) < 0.001


def test_a_camera_clock_that_runs_fast_stays_fresh() -> None:
    clock = FreshnessClock()
    lags_s = [clock.observe(second * (1 + CLOCK_DRIFT), second) for second in range(24 * 3600)]
    assert max(lags_s[1:]) < 0.001


def test_the_age_is_unknown_until_the_stream_has_settled() -> None:
    clock = FreshnessClock()
    lags_s = [clock.observe(n * FRAME_S, 100 + n * FRAME_S) for n in range(25)]
    unknown = sum(math.isinf(lag_s) for lag_s in lags_s)
    assert unknown * FRAME_S == pytest.approx(SETTLE_S, abs=FRAME_S)
    assert math.isfinite(lags_s[-1])


@given(rate=st.floats(1.1, 200), stored_s=st.floats(1, 10))
def test_what_a_server_had_stored_is_never_fresh_while_it_catches_up(rate: float, stored_s: float) -> None:
    """It starts `stored_s` behind and sends at `rate` times real time until it has caught up."""
    clock = FreshnessClock()
    rtp_s, arrival_s = -stored_s, 0.0
    while arrival_s - rtp_s > 0.2:
        lag_s = clock.observe(rtp_s, arrival_s)
        assert lag_s >= arrival_s - rtp_s - 0.2
        rtp_s += FRAME_S
        arrival_s += FRAME_S / rate


def test_a_settled_stream_that_becomes_a_little_quicker_stays_dated() -> None:
    clock = settled()
    assert clock.observe(10.04, 100 + 10.04 - 0.1) == 0.0


def test_a_stream_this_machine_paces_is_dated_from_its_first_unit() -> None:
    assert FreshnessClock(settle_s=0.0).observe(5.0, 1000.0) == 0.0


def test_a_camera_clock_set_back_makes_the_stream_old_never_fresh() -> None:
    clock = settled()
    assert clock.observe(10.04 - 60, 100 + 10.04) > 59


def test_a_camera_clock_set_forward_makes_the_age_unknown_again() -> None:
    clock = settled()
    assert clock.observe(10.04 + 60, 100 + 10.04) == math.inf
