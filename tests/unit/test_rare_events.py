import math

import numpy as np
import pytest

from models.evaluation.rare_events import (
    chance_of_any,
    clopper_pearson,
    intraclass_correlation,
    jackknife_interval,
    upper_bound,
)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        pytest.param(0, 10, 0.0, 0.30850, id="none of ten"),
        pytest.param(3, 10, 0.06674, 0.65245, id="three of ten"),
        pytest.param(10, 10, 0.69150, 1.0, id="ten of ten"),
        pytest.param(1, 1000, 0.0000253, 0.0055589, id="one of a thousand"),
    ],
)
def test_the_exact_interval_has_the_published_bounds(k, n, low, high):
    assert clopper_pearson(k, n) == (pytest.approx(low, abs=2e-5), pytest.approx(high, abs=2e-5))


@pytest.mark.parametrize("n", [60, 642, 5000])
def test_with_none_of_many_the_bound_is_the_rule_of_three(n):
    assert upper_bound(0, n) == pytest.approx(3 / n, rel=0.03)
    assert (1 - upper_bound(0, n)) ** n == pytest.approx(0.05)


def test_without_examples_nothing_is_known_and_more_hits_than_examples_are_a_mistake():
    assert all(map(math.isnan, clopper_pearson(0, 0)))
    with pytest.raises(ValueError, match="no share"):
        clopper_pearson(3, 2)


def test_how_likely_a_list_holds_a_certain_plate_is_what_drawn_lists_do():
    rng = np.random.default_rng(1)
    held = [bool((rng.integers(500, size=40) < 3).any()) for _ in range(4000)]
    assert chance_of_any(3, 500, listed=40) == pytest.approx(np.mean(held), abs=0.02)
    assert chance_of_any(0, 500, listed=40) == 0
    assert chance_of_any(1, 500_000_000, listed=1000) == pytest.approx(2e-6, rel=1e-4)


def test_copies_correlate_wholly_strangers_not_and_a_shared_part_by_its_share():
    rng = np.random.default_rng(2)
    own, noise = rng.normal(size=(400, 1)), rng.normal(size=(400, 4))
    assert intraclass_correlation(list(np.repeat(own, 4, axis=1))) == pytest.approx(1)
    assert intraclass_correlation(list(noise)) == pytest.approx(0, abs=0.05)
    assert intraclass_correlation(list(own + noise)) == pytest.approx(0.5, abs=0.07)


def test_groups_that_cannot_tell_give_no_correlation():
    assert math.isnan(intraclass_correlation([np.array([1.0]), np.array([2.0, 3.0])]))
    assert math.isnan(intraclass_correlation([np.ones(3), np.ones(2)]))


def test_the_interval_of_a_rate_stays_positive_and_widens_with_what_one_group_does():
    narrow = jackknife_interval(1e-6, [1.0e-6, 1.02e-6, 0.98e-6, 1.01e-6])
    wide = jackknife_interval(1e-6, [1.0e-6, 1.4e-6, 0.5e-6, 1.1e-6])
    assert 0 < wide[0] < narrow[0] < 1e-6 < narrow[1] < wide[1]
    assert math.isnan(jackknife_interval(1e-6, [0.0, 2e-6])[0])


def test_the_jackknifes_interval_is_never_narrower_than_students() -> None:
    for count, student in ((2, 12.706), (5, 2.776), (11, 2.228), (19, 2.101)):
        left_out = [1e-6 * math.exp((-1) ** i * 0.1) for i in range(count)]
        logs = [math.log(rate) for rate in left_out]
        mean = sum(logs) / count
        error = math.sqrt((count - 1) / count * sum((log - mean) ** 2 for log in logs))
        low, high = jackknife_interval(1e-6, left_out)
        assert math.log(high / low) >= 2 * student * error - 1e-9
