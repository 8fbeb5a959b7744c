"""Confidences held against what came true."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.reliability import reliability

_READS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=50)


@given(_READS)
def test_every_read_is_in_one_bin(reads: list[tuple[float, bool]]) -> None:
    found = reliability([c for c, _ in reads], [right for _, right in reads])
    assert sum(b.n for b in found.bins) == len(reads)
    assert sum(b.right for b in found.bins) == sum(right for _, right in reads)
    assert all(b.low - 1e-9 <= b.confidence <= b.high + 1e-9 for b in found.bins if b.n)
    if reads:
        assert 0 <= found.expected_calibration_error <= 1


def test_honest_confidences_have_next_to_no_error_and_boastful_ones_have_much() -> None:
    rng = np.random.default_rng(0)
    confidences = rng.random(50_000)
    honest = reliability(confidences, rng.random(50_000) < confidences)
    boastful = reliability(np.sqrt(confidences), rng.random(50_000) < confidences)
    assert honest.expected_calibration_error < 0.01
    assert boastful.expected_calibration_error == pytest.approx(2 / 3 - 1 / 2, abs=0.01)


def test_full_confidence_falls_into_the_last_bin() -> None:
    assert reliability([1.0], [True], bins=4).bins[-1].n == 1


def test_no_reads_have_no_error() -> None:
    assert math.isnan(reliability([], []).expected_calibration_error)


@pytest.mark.parametrize(
    ("confidences", "right"),
    [
        pytest.param([0.5], [], id="not-as-many"),
        pytest.param([1.5], [True], id="over-one"),
        pytest.param([math.nan], [True], id="no-number"),
    ],
)
def test_nonsense_is_refused(confidences: list[float], right: list[bool]) -> None:
    with pytest.raises(ValueError, match=r"confidence"):
        reliability(confidences, right)
