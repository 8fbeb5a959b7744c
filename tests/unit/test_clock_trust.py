"""The wall clock: when it is believed, when it is not, and how doubt ends."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.domain.clock_trust import AHEAD, BEHIND, SETTLED_S, STEPPED, UNSYNCHRONISED, ClockTrust

START = datetime(2030, 6, 1, 12, tzinfo=UTC)


@dataclass
class Clocks:
    """A wall clock that can be set, beside a monotonic one that runs on."""

    trust: ClockTrust
    synchronised: bool | None = True
    offset_s: float = 0.0
    mono_s: float = 100.0
    heard: list[str] = field(default_factory=list)

    def after(self, seconds: float) -> str:
        self.mono_s += seconds
        now = START + timedelta(seconds=self.mono_s - 100 + self.offset_s)
        self.heard.append(self.trust.judge(now, self.mono_s, synchronised=self.synchronised))
        return self.heard[-1]


def clocks(*, newest: datetime | None = None, needs_sync: bool = True, **more: object) -> Clocks:
    found = Clocks(ClockTrust(newest=newest, needs_sync=needs_sync), **more)
    found.after(0)
    return found


def test_a_synchronised_clock_that_runs_on_evenly_is_believed_for_days() -> None:
    ours = clocks()
    assert {ours.after(3600) for _ in range(24 * 7)} == {""}


@pytest.mark.parametrize(
    "told", [pytest.param(False, id="unsynchronised"), pytest.param(None, id="the kernel does not tell")]
)
def test_a_clock_no_time_service_vouches_for_is_doubted_where_one_is_needed(told: bool | None) -> None:
    assert clocks(synchronised=told).heard == [UNSYNCHRONISED]
    assert clocks(synchronised=told, needs_sync=False).heard == [""]


@pytest.mark.parametrize("needs_sync", [True, False], ids=["ntp", "rtc"])
@pytest.mark.parametrize(
    "step_s",
    [
        pytest.param(-2.5, id="just back"),
        pytest.param(2.5, id="just forward"),
        pytest.param(-60 * 365 * 86400, id="to 1970"),
        pytest.param(20 * 365 * 86400, id="twenty years on"),
    ],
)
def test_a_clock_that_was_set_is_doubted(step_s: float, needs_sync: bool) -> None:
    ours = clocks(needs_sync=needs_sync)
    ours.after(10)
    ours.offset_s = step_s
    assert ours.after(1) == STEPPED


def test_a_clock_set_forward_is_believed_again_once_a_time_service_kept_it_for_a_minute() -> None:
    ours = clocks()
    ours.offset_s = 3600
    assert ours.after(1) == STEPPED
    assert ours.after(SETTLED_S - 1) == STEPPED
    assert ours.after(1) == ""


def test_a_time_service_that_comes_and_goes_vouches_for_nothing() -> None:
    ours = clocks()
    ours.offset_s = 3600
    ours.after(1)
    for _ in range(5):
        ours.synchronised = False
        assert ours.after(20) == UNSYNCHRONISED
        ours.synchronised = True
        assert ours.after(30) == STEPPED
    assert ours.after(SETTLED_S) == ""


def test_without_a_time_service_a_step_is_doubted_until_the_restart() -> None:
    ours = clocks(needs_sync=False)
    ours.offset_s = 3600
    assert [ours.after(86400) for _ in range(3)] == [STEPPED] * 3


def test_a_clock_set_back_stays_in_doubt_until_it_has_caught_up_though_a_time_service_vouches() -> None:
    ours = clocks()
    ours.after(1)
    ours.offset_s = -1000
    assert ours.after(1) == STEPPED
    assert ours.after(SETTLED_S) == BEHIND
    assert ours.after(1000 - SETTLED_S - 4) == BEHIND
    assert ours.after(3) == ""


def test_a_clock_before_the_newest_row_is_doubted_from_the_first_look() -> None:
    assert clocks(newest=START + timedelta(hours=1)).heard == [BEHIND]
    assert clocks(newest=START + timedelta(seconds=1)).heard == [""]
    assert clocks(newest=START - timedelta(days=1)).heard == [""]


def test_a_clock_far_past_the_newest_row_at_the_start_is_doubted_unless_a_time_service_vouches() -> None:
    long_ago = START - timedelta(days=36)
    assert clocks(newest=long_ago, needs_sync=False, synchronised=False).heard == [AHEAD]
    assert clocks(newest=long_ago, needs_sync=False, synchronised=True).heard == [""]
    assert clocks(newest=START - timedelta(days=34), needs_sync=False, synchronised=False).heard == [""]


def test_doubt_about_a_leap_stays_until_a_time_service_vouches_or_the_pod_starts_anew() -> None:
    ours = clocks(newest=START - timedelta(days=400), needs_sync=False, synchronised=False)
    assert [ours.after(86_400) for _ in range(3)] == [AHEAD] * 3
    ours.synchronised = True
    assert ours.after(1) == ""


def test_a_pod_that_runs_for_months_leaps_nowhere() -> None:
    ours = clocks(newest=START, needs_sync=False, synchronised=False)
    assert {ours.after(86_400) for _ in range(100)} == {""}


def test_many_small_steps_are_a_step_too() -> None:
    ours = clocks()
    heard = set()
    for _ in range(10):
        ours.offset_s -= 0.9
        heard.add(ours.after(1))
    assert STEPPED in heard


def test_the_slow_correction_of_a_kernel_is_no_step() -> None:
    ours = clocks()
    for _ in range(10_000):
        ours.offset_s += 0.0005
        assert ours.after(1) == ""


@given(
    moves=st.lists(
        st.tuples(
            st.floats(min_value=0.0, max_value=7200.0),  # seconds that pass
            st.floats(min_value=-4e8, max_value=4e8),  # by which the clock is set
            st.booleans(),
        ),
        max_size=30,
    ),
    needs_sync=st.booleans(),
)
def test_a_believed_clock_never_lies_before_one_that_was_believed(
    moves: list[tuple[float, float, bool]], needs_sync: bool
) -> None:
    ours = clocks(needs_sync=needs_sync)
    latest = START
    for passed_s, set_by_s, synchronised in moves:
        ours.offset_s += set_by_s
        ours.synchronised = synchronised
        if ours.after(passed_s) == "":
            now = START + timedelta(seconds=ours.mono_s - 100 + ours.offset_s)
            assert now >= latest - timedelta(seconds=2)
            latest = max(latest, now)
