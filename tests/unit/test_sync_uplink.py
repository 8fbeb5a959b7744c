from collections.abc import Sequence
from dataclasses import replace

import pytest
from sync_messages import LISTED, ZERO, rows_after

from sync.protocol.batch import Batch
from sync.protocol.chain import START, Position, Row, link_of
from sync.protocol.cloud_time import CloudClock
from sync.protocol.down import Ack, Probe, Welcome
from sync.protocol.limits import BATCH_BYTES, MAX_ROW_BYTES, MAX_ROWS, MAX_SPANS
from sync.protocol.pace import Pace
from sync.protocol.up import Hello, Points
from sync.protocol.uplink import HELLO_EVERY_S, LIVE_S, WINDOW, Uplink, is_live


class Audit:
    """An audit in memory."""

    def __init__(self, rows: list[Row]) -> None:
        self.all = rows

    def head(self) -> Position:
        return self.all[-1].position if self.all else START

    def oldest(self) -> Position:
        return START

    def position(self, seq: int) -> Position | None:
        if seq == 0:
            return START
        return next((row.position for row in self.all if row.seq == seq), None)

    def rows(self, after: int, *, most: int, most_bytes: int) -> Sequence[Row]:
        found, size = [], 0
        for row in [row for row in self.all if row.seq > after][:most]:
            size += len(row.payload)
            if found and size > most_bytes:
                break
            found.append(row)
        return found


class Cloud:
    """Answers as a cloud that holds these rows."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit

    def stretch(self, first: int, last: int) -> tuple[int, bytes, int, bytes]:
        return (*self.audit.position(first - 1), *self.audit.position(last))

    def welcome(self, number: int, *held: tuple[int, int], line: int = 1, time_s: float = 5000.0) -> Welcome:
        spans = [self.stretch(*one) for one in held] or [(0, ZERO, 0, ZERO)]
        return Welcome(session="s1", number=number, time_s=time_s, line=line, spans=spans, listed=LISTED)

    def ack(self, *held: tuple[int, int], line: int = 1, session: str = "s1") -> Ack:
        return Ack(session=session, line=line, spans=[self.stretch(*one) for one in held])


def started(rows: list[Row], *held: tuple[int, int]) -> tuple[Uplink, Cloud]:
    """An uplink that said hello at 100 and was welcomed at 100.2."""
    audit = Audit(rows)
    uplink, cloud = Uplink(audit, session="s1", clock=CloudClock()), Cloud(audit)
    uplink.connected(100.0)
    assert [type(one) for one in uplink.poll(100.0, LISTED)] == [Hello]
    assert uplink.on_welcome(cloud.welcome(0, *held), 100.2)
    return uplink, cloud


def batches(uplink: Uplink, now_s: float) -> list[tuple[int, int]]:
    return [(one.prev.seq + 1, one.end.seq) for one in uplink.poll(now_s, LISTED) if isinstance(one, Batch)]


def test_nothing_is_sent_before_the_cloud_said_what_it_has():
    uplink = Uplink(Audit(rows_after(START, 5)), session="s1", clock=CloudClock())
    assert uplink.poll(0.0, LISTED) == []
    uplink.connected(0.0)
    assert [type(one) for one in uplink.poll(0.0, LISTED)] == [Hello]
    assert batches(uplink, 1.0) == []


def test_a_hello_without_an_answer_is_repeated_ever_more_seldom():
    uplink = Uplink(Audit([]), session="s1", clock=CloudClock())
    uplink.connected(0.0)
    said = []
    while len(said) < 6:
        now_s = uplink.due_s()
        said += [(one.number, round(now_s)) for one in uplink.poll(now_s, LISTED) if isinstance(one, Hello)]
    assert said == [(0, 0), (1, 4), (2, 12), (3, 28), (4, 53), (5, 78)]
    assert HELLO_EVERY_S == 25


def test_only_rows_that_the_cloud_lacks_are_sent():
    uplink, _ = started(rows_after(START, 60), (1, 20), (31, 40))
    assert batches(uplink, 100.3) == [(21, 30), (41, 60)]
    assert uplink.backlog == 30


def test_at_most_a_window_is_on_its_way_and_it_goes_on_with_each_ack():
    uplink, cloud = started(rows_after(START, 900))
    first = batches(uplink, 100.3)
    assert first == [(1, 64), (65, 128), (129, 192)]
    assert batches(uplink, 100.4) == []
    uplink.on_ack(cloud.ack((1, 64)), 100.5)
    assert batches(uplink, 100.5) == [(193, 288)], "the batches grow while they arrive"


def test_fresh_rows_go_before_the_backlog_and_both_go_on():
    rows = rows_after(START, 900)
    uplink, cloud = started(rows[:800])
    assert len(batches(uplink, 100.3)) == WINDOW - 1
    uplink._source.all = rows[:802]
    uplink.appended(100.4)
    assert batches(uplink, 100.4) == [(801, 802)]
    uplink._source.all = rows
    uplink.appended(100.5)
    uplink.on_ack(cloud.ack((1, 64), (801, 802)), 100.6)
    sent = batches(uplink, 100.6)
    assert sent[0][0] == 803
    assert sent[1][0] == 193


def test_fresh_rows_are_live_for_a_moment_and_history_is_never():
    rows = rows_after(START, 30)
    uplink, _ = started(rows[:10], (1, 5))
    uplink._source.all = rows[:12]
    uplink.appended(101.0)
    fresh, backlog = (one for one in uplink.poll(101.1, LISTED) if isinstance(one, Batch))
    assert (fresh.prev.seq, backlog.prev.seq) == (10, 5)
    assert backlog.live_s is None
    assert fresh.live_s == pytest.approx(5000.9)
    assert is_live(fresh, 5001.0)
    assert not is_live(fresh, 5001.0 + LIVE_S)
    assert not is_live(backlog, 5001.0)
    again = [one for one in uplink.poll(101.0 + LIVE_S + 1, LISTED) if isinstance(one, Batch)]
    assert [one.live_s for one in again] == [None, None], "sent again too late to be news"


def test_rows_made_while_there_was_no_connection_are_history():
    rows = rows_after(START, 30)
    uplink, cloud = started(rows[:10], (1, 10))
    uplink.disconnected()
    uplink._source.all = rows[:20]
    uplink.appended(101.0)
    uplink.connected(102.0)
    number = next(one.number for one in uplink.poll(102.0, LISTED) if isinstance(one, Hello))
    uplink.on_welcome(cloud.welcome(number, (1, 10)), 102.1)
    assert [one.live_s for one in uplink.poll(102.2, LISTED) if isinstance(one, Batch)] == [None]


def test_a_batch_that_is_not_acknowledged_is_sent_again_and_smaller():
    uplink, _ = started(rows_after(START, 300))
    assert batches(uplink, 100.3)[0] == (1, 64)
    assert batches(uplink, 103.2) == []
    assert uplink.due_s() == pytest.approx(103.3)
    assert batches(uplink, 103.4)[0] == (1, 32)


def test_a_cloud_that_forgot_rows_gets_them_again():
    uplink, cloud = started(rows_after(START, 50), (1, 50))
    assert uplink.confirmed == uplink._source.head()
    uplink.on_ack(cloud.ack((1, 20)), 101.0)
    (hello,) = uplink.poll(101.0, LISTED)
    assert isinstance(hello, Hello), "an ack may be late: it alone proves nothing"
    uplink.on_welcome(cloud.welcome(hello.number, (1, 20)), 101.2)
    assert batches(uplink, 101.3) == [(21, 50)]
    assert uplink.confirmed.seq == 20


def test_an_ack_moves_nothing_that_a_pod_may_forget_behind():
    uplink, cloud = started(rows_after(START, 50), (1, 10))
    batches(uplink, 100.3)
    uplink.on_ack(cloud.ack((1, 50)), 100.5)
    assert (uplink.backlog, uplink.confirmed.seq) == (0, 10)


@pytest.mark.parametrize("change", [{"session": "s0"}, {"line": 2}], ids=["session", "line"])
def test_an_ack_of_another_session_or_line_makes_the_pod_ask(change):
    uplink, cloud = started(rows_after(START, 50), (1, 50))
    uplink.on_ack(cloud.ack((1, 50), **change), 100.4)
    assert any(isinstance(one, Hello) for one in uplink.poll(uplink.due_s(), LISTED))
    assert uplink.due_s() > 101


@pytest.mark.parametrize(
    "welcome",
    [{"session": "s0"}, {"number": 7}, {"number": 0}],
    ids=["of another session", "of no hello", "a second time"],
)
def test_an_answer_to_another_hello_does_not_count(welcome):
    uplink, cloud = started(rows_after(START, 50), (1, 50))
    assert not uplink.on_welcome(cloud.welcome(0).model_copy(update=welcome), 100.3)
    assert uplink.confirmed.seq == 50


def test_a_pod_whose_audit_the_cloud_contradicts_stops_compares_and_goes_on_behind_the_fork():
    rows = rows_after(START, 20)
    other = Cloud(Audit([*rows[:10], *rows_after(rows[9].position, 10, of="b")]))
    uplink, cloud = started(rows, (1, 10))
    uplink.on_ack(other.ack((1, 15)), 100.3)
    assert uplink.is_parted
    (begin,) = uplink.poll(100.3, LISTED)
    assert begin == Points(session="s1", line=1, points=[])
    told = uplink.on_probe(Probe(line=1, seqs=[10, 15, 30]), 100.4)
    assert told is not None
    assert told.points == [(10, rows[9].link), (15, rows[14].link), (30, None)]
    assert uplink.on_probe(Probe(line=2, seqs=[1]), 100.4) is None
    uplink.on_ack(cloud.ack((1, 10), line=2), 100.5)
    number = next(one.number for one in uplink.poll(uplink.due_s(), LISTED) if isinstance(one, Hello))
    uplink.on_welcome(cloud.welcome(number, (1, 10), line=2), 101.6)
    (sent,) = (one for one in uplink.poll(101.7, LISTED) if isinstance(one, Batch))
    assert (sent.line, sent.prev.seq, sent.end.seq, uplink.is_parted) == (2, 10, 20, False)


def test_a_comparison_without_an_answer_begins_again():
    rows = rows_after(START, 20)
    uplink, _ = started(rows, (1, 10))
    uplink.on_ack(Cloud(Audit(rows_after(START, 20, of="b"))).ack((1, 15)), 100.3)
    assert len(uplink.poll(100.3, LISTED)) == 1
    assert uplink.poll(101.0, LISTED) == []
    assert [type(one) for one in uplink.poll(104.4, LISTED)] == [Points]


def test_a_spoiled_payload_and_one_too_large_stay_behind_and_their_rows_go():
    rows = rows_after(START, 3)
    large = rows_after(rows[-1].position, 1, of="x" * (MAX_ROW_BYTES + 1))
    rows[1] = replace(rows[1], payload=b"spoiled")
    uplink, _ = started([*rows, *large])
    (sent,) = (one for one in uplink.poll(100.3, LISTED) if isinstance(one, Batch))
    assert [row.absent for row in sent.rows] == ["", "damaged", "", "too_large"]
    assert sent.rows[1].link == rows[1].link
    assert uplink.withheld == 2


def test_a_row_that_follows_from_nothing_holds_up_none_behind_it():
    rows = rows_after(START, 30)
    rows[9] = replace(rows[9], kind="alarm")
    uplink, _ = started(rows)
    assert batches(uplink, 100.3) == [(1, 9)]
    assert uplink.skipped == rows[9].position
    hello, sent = uplink.poll(uplink.due_s(), LISTED)
    assert isinstance(hello, Hello)
    assert hello.oldest == rows[9].position
    assert isinstance(sent, Batch)
    assert (sent.prev, sent.end) == (rows[9].position, rows[29].position)


def test_with_many_stretches_fresh_rows_go_on_from_the_last_instead_of_making_one_more():
    rows = rows_after(START, 400)
    held = [(n * 20 + 1, n * 20 + 10) for n in range(MAX_SPANS - 2)]
    uplink, _ = started(rows[:300], *held)
    uplink._source.all = rows
    uplink.appended(100.2)
    assert batches(uplink, 100.3)[0][0] == held[-1][1] + 1


def test_a_batch_fits_a_message_whatever_its_rows():
    big = rows_after(START, 1)
    while len(big) < 8:
        big += rows_after(big[-1].position, 1, of="é" * 5000 * len(big))
    uplink, _ = started(big)
    for one in uplink.poll(100.3, LISTED):
        assert isinstance(one, Batch)
        assert sum(len(row.payload) for row in one.rows) <= max(BATCH_BYTES, len(one.rows[0].payload))


def test_batches_grow_to_the_most_and_shrink_to_the_least_and_timeouts_follow_the_round_trip():
    pace = Pace()
    for _ in range(20):
        pace.arrived(0.2)
    assert (pace.rows, pace.timeout_s) == (MAX_ROWS, 1.0)
    for _ in range(20):
        pace.lost()
    assert (pace.rows, pace.timeout_s) == (8, 60.0)
    pace.arrived(55.0)
    assert pace.timeout_s == 1.0, "after a loss nobody knows which sending was answered"
    for _ in range(30):
        pace.arrived(4.0)
    assert 4.0 < pace.timeout_s < 8.0


def test_the_link_of_a_made_up_row_is_that_of_the_chain():
    row = rows_after(START, 1)[0]
    assert row.link == link_of(ZERO, 1, ts_us=0, kind="decision", digest=row.digest)
