"""What a batch of audit rows is beside what the cloud holds."""

import pytest

from sync.cloud.audit_cursor import START_LINK, AuditBatch, AuditRow, Cursor, judge


def link(seq: int, word: str = "") -> bytes:
    return START_LINK if seq == 0 else f"{seq}{word}".encode().ljust(32, b".")


def rows(first: int, last: int, word: str = "") -> AuditBatch:
    made = tuple(
        AuditRow(n, n, "decision", b"", b"", bytes(32), link(n, word)) for n in range(first, last + 1)
    )
    return AuditBatch("pod-a", link(first - 1, word), made)


HELD = Cursor("pod-a", seq=5, head=link(5))


@pytest.mark.parametrize(
    ("batch", "held", "outcome"),
    [
        pytest.param(rows(6, 9), {}, "stored", id="the next rows"),
        pytest.param(rows(4, 9), {}, "stored", id="overlapping rows with new ones"),
        pytest.param(rows(1, 5), {}, "repeated", id="all that is held"),
        pytest.param(rows(2, 3), {3: link(3)}, "repeated", id="older rows"),
        pytest.param(rows(2, 3), {}, "repeated", id="older rows that were dropped"),
        pytest.param(rows(7, 9), {}, "gap", id="one row is missing"),
        pytest.param(rows(6, 9, "x"), {}, "fork", id="next rows that go on from another"),
        pytest.param(rows(5, 5, "x"), {}, "fork", id="the newest row with another link"),
        pytest.param(rows(2, 3, "x"), {3: link(3)}, "fork", id="an older row with another link"),
        pytest.param(rows(1, 9, "x"), {}, "fork", id="a whole other audit"),
    ],
)
def test_a_batch_is_judged_beside_what_is_held(
    batch: AuditBatch, held: dict[int, bytes], outcome: str
) -> None:
    assert judge(HELD, batch, held) == outcome


def test_rows_of_an_older_line_are_repeated_and_of_a_later_one_a_gap() -> None:
    second = Cursor("pod-a", line=2, seq=5, head=link(5))
    assert judge(second, rows(6, 9), {}) == "repeated"
    assert judge(HELD, AuditBatch("pod-a", link(5), rows(6, 9).rows, line=2), {}) == "gap"


def test_the_first_row_of_all_goes_on_from_nothing() -> None:
    assert judge(Cursor("pod-a"), rows(1, 3), {}) == "stored"
    assert judge(Cursor("pod-a"), AuditBatch("pod-a", link(9), rows(1, 3).rows), {}) == "fork"


def test_rows_that_do_not_follow_each_other_are_no_batch() -> None:
    first, _, third = rows(1, 3).rows
    for wrong in ((), (first, third), (third, first)):
        with pytest.raises(ValueError, match="count up"):
            AuditBatch("pod-a", START_LINK, wrong)
