"""Exact plates, folded plates, character errors."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.text import edits, fold, text_metrics

_TEXTS = st.text("ABO0I1", max_size=10)


def test_zero_and_o_count_as_one_only_in_the_folded_figures() -> None:
    metrics = text_metrics(["AB0", "ABO", "AB1", ""], ["ABO", "ABO", "ABC", "ABC"])
    assert (metrics.n, metrics.exact, metrics.folded) == (4, 1, 2)
    assert (metrics.edits, metrics.characters) == (4, 12)
    assert metrics.folded_percent == 50
    assert metrics.character_error_percent == pytest.approx(100 / 3)


def test_nothing_measured_is_no_figure() -> None:
    assert math.isnan(text_metrics([], []).exact_percent)


def test_reads_without_their_truths_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        text_metrics(["A"], [])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param("KITTEN", "SITTING", 3, id="changed-and-added"),
        pytest.param("", "AB", 2, id="added"),
        pytest.param("AB12", "A12", 1, id="left-out"),
        pytest.param("AB", "BA", 2, id="exchanged-counts-twice"),
    ],
)
def test_edits_are_counted(a: str, b: str, expected: int) -> None:
    assert edits(a, b) == expected


@given(_TEXTS, _TEXTS, _TEXTS)
def test_edits_are_a_distance(a: str, b: str, c: str) -> None:
    assert edits(a, b) == edits(b, a)
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
    assert abs(len(a) - len(b)) <= edits(a, b) <= max(len(a), len(b))


@given(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=20))
def test_folding_only_ever_adds_exact_plates(pairs: list[tuple[str, str]]) -> None:
    metrics = text_metrics([read for read, _ in pairs], [truth for _, truth in pairs])
    assert metrics.exact <= metrics.folded <= metrics.n
    assert (metrics.folded == metrics.n) == (metrics.edits == 0)
    assert all(fold(fold(read)) == fold(read) for read, _ in pairs)
