"""Every promise has its proofs, and the page about them names only tests that exist."""

import re
from pathlib import Path

import pytest
from promises import PROMISES, Proof, merged, render

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "promises.md"
SOURCES = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("number", sorted(PROMISES), ids=str)
def test_each_promise_is_put_to_the_test(number: int) -> None:
    assert f"pytest.mark.proof({number})" in SOURCES


def test_the_page_names_only_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert len(named) > len(PROMISES)
    assert [name for name in sorted(named) if f"def {name}(" not in SOURCES] == []


def test_a_page_is_refused_where_a_promise_was_broken_or_nothing_was_tried() -> None:
    kept = [Proof(number, "test_x", 1, 0, 0, {}) for number in PROMISES]
    assert "test_x" in render(kept, when="today")
    with pytest.raises(ValueError, match="broke promise 1"):
        render([*kept, Proof(1, "test_y", 5, 0, 1, {})], when="today")
    with pytest.raises(ValueError, match="attempted nothing"):
        render([*kept, Proof(1, "test_y", 0, 0, 0, {})], when="today")
    with pytest.raises(ValueError, match="no test proves promise 1"):
        render(kept[1:], when="today")


def test_the_cases_of_a_test_are_told_together() -> None:
    (whole,) = merged([Proof(1, "t", 2, 1, 0, {"longest_ms": 5}), Proof(1, "t", 3, 1, 0, {"longest_ms": 9})])
    assert (whole.attempts, whole.faults, whole.figures) == (5, 2, {"longest_ms": 9})
