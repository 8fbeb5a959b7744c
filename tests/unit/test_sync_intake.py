from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_messages import HELLO, ZERO, a_batch, rows_after

from sync.protocol.chain import START, Position, Row
from sync.protocol.intake import Ask, Fork, Line, NotTaken, Span, Taken, compare, greet, take
from sync.protocol.limits import MAX_LINES, MAX_POINTS, MAX_SPANS
from sync.protocol.up import Hello, Points

ROWS = rows_after(START, 200)
EMPTY = Line(session="s1", hellos=0)


def at(seq: int, rows: list[Row] = ROWS) -> Position:
    return rows[seq - 1].position if seq else START


def batch_of(first: int, last: int, rows: list[Row] = ROWS, *, line: int = 1):
    return a_batch(rows[first - 1 : last], at(first - 1, rows), line=line)


def held(line: Line) -> list[tuple[int, int]]:
    return [(span.base.seq + 1, span.head.seq) for span in line.spans if span.head.seq > span.base.seq]


def line_of(*stretches: tuple[int, int]) -> Line:
    line = EMPTY
    for first, last in stretches:
        taken = take(line, batch_of(first, last))
        assert isinstance(taken, Taken)
        line = taken.line
    return line


def hello(*, session: str = "s1", number: int = 1, oldest: Position = START) -> Hello:
    return HELLO.model_copy(update={"session": session, "number": number, "oldest": oldest})


def test_rows_that_follow_are_taken_once():
    line = line_of((1, 10), (11, 20))
    assert (held(line), line.through) == ([(1, 20)], at(20))
    assert take(line, batch_of(5, 15)) == Taken(line, ())


def test_of_a_batch_that_overlaps_only_the_new_rows_are_taken():
    taken = take(line_of((1, 10), (30, 40)), batch_of(5, 35))
    assert isinstance(taken, Taken)
    assert [row.seq for row in taken.rows] == list(range(11, 30))
    assert held(taken.line) == [(1, 40)]


def test_fresh_rows_are_taken_before_the_backlog_and_acknowledge_nothing_of_it():
    line = line_of((1, 10), (100, 120))
    assert (held(line), line.through) == ([(1, 10), (100, 120)], at(10))
    assert held(line_of((1, 10), (100, 120), (50, 60))) == [(1, 10), (50, 60), (100, 120)]


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 60)), max_size=25))
@settings(max_examples=150)
def test_in_whatever_order_batches_come_each_row_is_taken_exactly_once(pieces):
    line, seen = EMPTY, []
    for first, count in [*pieces, *((n * 20 + 1, 20) for n in range(10))]:
        taken = take(line, batch_of(first, min(200, first + count - 1)))
        if isinstance(taken, Taken):
            seen += [row.seq for row in taken.rows]
            line = taken.line
            assert all(a.head.seq < b.base.seq for a, b in zip(line.spans, line.spans[1:], strict=False))
        assert sorted(seen) == [seq for first, last in held(line) for seq in range(first, last + 1)]
    for first in range(1, 201, 20):
        taken = take(line, batch_of(first, first + 19))
        assert isinstance(taken, Taken)
        seen += [row.seq for row in taken.rows]
        line = taken.line
    assert sorted(seen) == list(range(1, 201))
    assert line.through == at(200)


def test_the_same_seq_with_another_link_is_a_fork_wherever_they_meet():
    other = rows_after(START, 200, of="b")
    line = line_of((1, 10), (50, 60))
    for first, last in ((11, 20), (5, 15), (20, 49), (20, 55), (40, 70), (61, 70), (1, 10)):
        assert take(line, batch_of(first, last, other)) == NotTaken("fork")
    assert isinstance(take(line, batch_of(20, 30, other)), Taken), "nothing tells yet that it does not fit"


def test_more_stretches_than_a_line_may_have_wait_until_others_meet():
    pieces = [(n * 10 + 5, n * 10 + 6) for n in range(MAX_SPANS - 1)]
    line = line_of(*pieces)
    assert take(line, batch_of(150, 160)) == NotTaken("too_many_spans")
    joined = take(line, batch_of(1, 20))
    assert isinstance(joined, Taken)
    assert isinstance(take(joined.line, batch_of(150, 160)), Taken)


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        pytest.param(batch_of(1, 5, line=2), "other_line", id="of another line"),
        pytest.param(replace(batch_of(1, 5), session="s0"), "other_session", id="of a session before"),
    ],
)
def test_what_was_sent_before_the_audit_parted_or_the_pod_started_is_not_taken(batch, why):
    assert take(EMPTY, batch) == NotTaken(why)


def test_a_hello_that_comes_after_a_later_one_of_its_session_does_not_count():
    greeted = greet(EMPTY, hello(number=5))
    assert greeted is not None
    assert greet(greeted.line, hello(number=4)) is None
    assert greet(greeted.line, hello(number=5)) is not None
    other = greet(greeted.line, hello(session="s2", number=0))
    assert other is not None
    assert (other.line.session, other.line.hellos) == ("s2", 0)


@pytest.mark.parametrize(
    ("stretches", "oldest", "lost", "after"),
    [
        pytest.param([(1, 10)], 0, (), [(1, 10)], id="all are there"),
        pytest.param([(1, 10)], 10, (), [(1, 10)], id="those that are held"),
        pytest.param([(1, 10)], 30, ((11, 30),), [(1, 30)], id="behind what is held"),
        pytest.param([(1, 10), (50, 60)], 30, ((11, 30),), [(1, 30), (50, 60)], id="before a later stretch"),
        pytest.param([(1, 10), (50, 60)], 55, ((11, 49),), [(1, 60)], id="up into a later stretch"),
        pytest.param([(1, 10), (50, 60)], 70, ((11, 49), (61, 70)), [(1, 70)], id="around a later stretch"),
    ],
)
def test_rows_that_the_pod_lost_before_the_cloud_had_them_are_told_and_passed(stretches, oldest, lost, after):
    greeted = greet(line_of(*stretches), hello(oldest=at(oldest)))
    assert greeted is not None
    assert (greeted.lost, held(greeted.line)) == (lost, after)


def test_nothing_is_passed_over_on_the_word_of_an_audit_that_contradicts():
    other = rows_after(START, 200, of="b")
    line = line_of((1, 10), (50, 60))
    for seq in (49, 60):
        greeted = greet(line, hello(oldest=at(seq, other)))
        assert greeted is not None
        assert (greeted.lost, held(greeted.line)) == ((), held(line))


def search(line: Line, pod: list[Row], rows: list[Row] = ROWS) -> tuple[Fork | None, int]:
    """Let a POD answer until the cloud knows; the result and how many rounds it took."""
    points: list[tuple[int, bytes | None]] = []
    for rounds in range(1, 30):
        links = {seq: rows[seq - 1].link for seq, _ in points if line.holds(seq)}
        found = compare(line, Points(session="s1", line=line.number, points=points), links)
        if not isinstance(found, Ask):
            return found, rounds
        assert len(found.seqs) <= MAX_POINTS
        points = [(seq, pod[seq - 1].link if seq <= len(pod) else None) for seq in found.seqs]
    raise AssertionError("the search does not end")


@pytest.mark.parametrize("shared", [0, 1, 63, 64, 65, 130, 199])
@pytest.mark.parametrize("longer", [0, 1, 90], ids=lambda n: f"{n} rows on")
def test_the_last_shared_row_is_found_and_a_new_line_goes_on_from_it(shared, longer):
    pod = [*ROWS[:shared], *rows_after(at(shared), longer, of="b")]
    found, rounds = search(line_of((1, 200)), pod)
    assert isinstance(found, Fork)
    assert found.line is not None
    assert (found.at, found.line.number, held(found.line)) == (shared, 2, [(1, shared)] if shared else [])
    assert rounds <= 6


@given(st.integers(0, 200), st.lists(st.integers(1, 199), min_size=1, max_size=6, unique=True))
@settings(max_examples=100)
def test_with_holes_in_what_is_held_exactly_the_shared_rows_stay(shared, cuts):
    edges = sorted({1, *cuts})
    stretches = [(low, high - 1) for low, high in zip(edges[::2], edges[1::2], strict=False) if low < high]
    line = line_of(*stretches) if stretches else EMPTY
    pod = [*ROWS[:shared], *rows_after(at(shared), 30, of="b")]
    found, _ = search(line, pod)
    expected = [(low, min(high, shared)) for low, high in held(line) if low <= shared]
    if found is None:
        assert expected == held(line)
    else:
        assert found.line is not None
        assert held(found.line) == expected


def test_audits_that_agree_do_not_part():
    assert search(line_of((1, 50), (80, 100)), ROWS) == (None, 2)
    assert search(EMPTY, ROWS) == (None, 1)


def test_answers_of_another_line_or_session_find_nothing():
    line = line_of((1, 200))
    for session, number in (("s0", 1), ("s1", 2)):
        assert compare(line, Points(session=session, line=number, points=[(200, ZERO)]), {}) is None


def test_a_pod_that_parts_again_and_again_gets_no_line_more_than_it_may_have():
    line = Line(MAX_LINES, (Span(START, at(3)),), "s1", 0)
    found, _ = search(line, rows_after(START, 3, of="b"))
    assert found == Fork(None, 0)
