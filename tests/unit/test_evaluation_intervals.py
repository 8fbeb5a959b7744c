"""Intervals of shares, and which of two readers is better."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.intervals import bootstrap, bootstrap_difference, wilson
from models.evaluation.pairing import mcnemar, paired


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        pytest.param(81, 263, 0.2553, 0.3662, id="newcombe-81-of-263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="newcombe-15-of-148"),
        pytest.param(0, 20, 0.0, 0.1611, id="newcombe-none-of-20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="newcombe-1-of-29"),
    ],
)
def test_wilson_is_what_the_literature_has(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_share_and_mirrors(share: tuple[int, int]) -> None:
    k, n = share
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    other_low, other_high = wilson(n - k, n)
    assert (1 - other_high, 1 - other_low) == pytest.approx((low, high), abs=1e-12)


def test_no_examples_give_no_interval() -> None:
    assert all(math.isnan(bound) for bound in (*wilson(0, 0), *bootstrap([], [])))


def test_a_share_beyond_its_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


def test_wilson_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    intervals = [wilson(int(k), 60) for k in rng.binomial(60, 0.9, 2000)]
    assert 0.93 <= np.mean([low <= 0.9 <= high for low, high in intervals]) <= 0.98


def test_independent_examples_give_nearly_wilsons_interval() -> None:
    hits = [1.0] * 160 + [0.0] * 40
    assert bootstrap(hits, range(200)) == pytest.approx(wilson(160, 200), abs=0.02)


def test_copies_in_one_cluster_are_no_news() -> None:
    hits = [1.0] * 16 + [0.0] * 4
    alone = bootstrap(hits, range(20))
    copied = bootstrap(hits * 50, [i % 20 for i in range(1000)])
    assert copied == pytest.approx(alone, abs=1e-9)
    taken_for_news = bootstrap(hits * 50, range(1000))
    assert taken_for_news[1] - taken_for_news[0] < (alone[1] - alone[0]) / 4


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=40),
    st.integers(0, 100),
)
def test_a_bootstrapped_share_stays_one_and_comes_again(examples: list[tuple[bool, int]], seed: int) -> None:
    counts = [float(right) for right, _ in examples]
    clusters = [cluster for _, cluster in examples]
    low, high = bootstrap(counts, clusters, seed=seed, rounds=200)
    assert 0 <= low <= high <= 1
    assert bootstrap(counts, clusters, seed=seed, rounds=200) == (low, high)


def test_weights_make_a_ratio_of_sums() -> None:
    assert bootstrap([3.0, 1.0], ["a", "a"], of=[10.0, 10.0]) == pytest.approx((0.2, 0.2))


def test_the_difference_of_two_ratios_is_drawn_on_the_same_examples() -> None:
    rng = np.random.default_rng(5)
    boxes = [float(n) for n in rng.integers(1, 5, 200)]
    right = [float(rng.integers(0, int(n) + 1)) for n in boxes]
    assert bootstrap_difference((right, boxes), (right, boxes), range(200)) == (0, 0)
    fewer = [max(0.0, n - 1) for n in right]
    low, high = bootstrap_difference((right, boxes), (fewer, boxes), range(200))
    exact = (sum(right) - sum(fewer)) / sum(boxes)
    assert 0 < low < exact < high
    assert high - low == pytest.approx(
        np.subtract(
            *bootstrap([a - b for a, b in zip(right, fewer, strict=True)], range(200), of=boxes)[::-1]
        )
    )


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="not one length"):
        bootstrap([1.0], [1, 2])


def test_a_clear_difference_is_better_and_its_mirror_is_worse() -> None:
    ours, theirs = [True] * 90 + [False] * 10, [True] * 70 + [False] * 30
    assert paired(ours, theirs, range(100)).verdict == "better"
    assert paired(theirs, ours, range(100)).verdict == "worse"


@pytest.mark.parametrize(
    ("ours", "theirs", "clusters"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([True, True], [False, False], [1, 2], id="two-examples"),
        pytest.param([True] * 40, [False] * 40, [7] * 40, id="one-plate-forty-times"),
        pytest.param([True, False] * 20, [False, True] * 20, range(40), id="even"),
        pytest.param(
            [True] * 20 + [False] * 20,
            [False] * 20 + [True] * 20,
            [*range(20), *[99] * 20],
            id="twenty-plates-against-twenty-crops-of-one",
        ),
    ],
)
def test_better_is_not_said_for_want_of_evidence(
    ours: list[bool], theirs: list[bool], clusters: list[int]
) -> None:
    assert paired(ours, theirs, clusters).verdict == "not_told_apart"


def test_equal_readers_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(3)
    verdicts = [
        paired(list(rng.random(80) < 0.8), list(rng.random(80) < 0.8), range(80), seed=i).verdict
        for i in range(200)
    ]
    assert verdicts.count("not_told_apart") >= 185


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_fair_coins_chance(only_ours: int, only_theirs: int) -> None:
    p = mcnemar(only_ours, only_theirs)
    assert 0 < p <= 1
    assert p == mcnemar(only_theirs, only_ours)
    assert mcnemar(only_ours, only_ours) == 1
    assert mcnemar(0, only_theirs) == min(1.0, 2 * 0.5**only_theirs)
