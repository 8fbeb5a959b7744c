"""Leases end by themselves, and sessions are opened no faster than the POD can bear."""

import pytest

from pod.media.live.lease import LONGEST_LEASE_S, Lease, SetupPace


def test_a_lease_runs_out_and_nothing_is_left_of_it() -> None:
    lease = Lease.granted(100.0, 30.0)
    assert [lease.left_s(now_s) for now_s in (100.0, 120.0, 130.0, 500.0)] == [30.0, 10.0, 0.0, 0.0]


@pytest.mark.parametrize("lease_s", [0.0, -1.0, LONGEST_LEASE_S + 1, float("nan"), float("inf")])
def test_a_lease_without_an_end_in_sight_is_refused(lease_s: float) -> None:
    with pytest.raises(ValueError, match="lease"):
        Lease.granted(100.0, lease_s)


def test_a_few_sessions_open_at_once_and_then_so_many_a_second() -> None:
    pace = SetupPace(0.0, at_once=3, per_s=2.0)
    assert [pace.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert pace.take(0.25) == pytest.approx(0.25)
    assert pace.take(0.5) == 0.0
    assert pace.take(0.5) == pytest.approx(0.5)


def test_after_a_quiet_time_no_more_open_at_once_than_ever() -> None:
    pace = SetupPace(0.0, at_once=3, per_s=2.0)
    assert [pace.take(10_000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
