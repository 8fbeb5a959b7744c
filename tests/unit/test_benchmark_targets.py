"""Figures held against their targets."""

import pytest

from benchmarks.targets import Target, judge, load_targets

RATIO = Target("ratio", at_most=0.5, at_least=None, absolute=False)
TIME = Target("ms", at_most=100, at_least=None, absolute=True)
SHARE = Target("percent", at_most=None, at_least=99, absolute=False)


@pytest.mark.parametrize(
    ("target", "value", "comparable", "verdict", "missed_by"),
    [
        pytest.param(RATIO, 0.5, True, "met", 0, id="at the bound"),
        pytest.param(RATIO, 0.6, True, "missed", 0.1, id="above an upper bound"),
        pytest.param(SHARE, 98, True, "missed", 1, id="below a lower bound"),
        pytest.param(SHARE, 99.5, True, "met", 0, id="above a lower bound"),
        pytest.param(RATIO, 0.6, False, "missed", 0.1, id="a ratio counts on any machine"),
        pytest.param(TIME, 150, True, "missed", 50, id="a time counts on a like machine"),
        pytest.param(TIME, 150, False, "not_counted", 50, id="a time counts on no other"),
    ],
)
def test_a_figure_meets_its_target_or_says_by_how_much_it_misses(
    target, value, comparable, verdict, missed_by
):
    (finding,) = judge({target.metric: value}, [target], machine_is_comparable=comparable)
    assert finding.verdict == verdict
    assert finding.missed_by == pytest.approx(missed_by)


def test_a_target_without_its_figure_is_a_fault():
    with pytest.raises(KeyError):
        judge({}, [RATIO], machine_is_comparable=True)


def test_the_file_of_targets_bounds_every_figure_it_names():
    targets, reference_ms = load_targets()
    assert reference_ms > 0
    assert set(targets) >= {"read", "gate-latency", "camera-cpu", "footprint"}
    for rows in targets.values():
        assert all(row.at_most is not None or row.at_least is not None for row in rows)
