"""Rows on their way around the database: none is lost to a journal that refuses, none comes twice."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.grants import Grant
from pod.store.journal import Journal
from pod.store.keeping import Attendants, Keeping
from pod.store.late_rows import NotDurableError, import_late, late_row
from pod.store.store import Store

TOO_LONG = "x" * 9000
SMALL = Keeping(reserve_bytes=64 * 1024, journal_bytes=8 * 1024)


class Noted:
    """Alarms as they stand."""

    def __init__(self) -> None:
        self.standing: set[str] = set()

    def begin(self, code: str, subject: str, text: str) -> None:
        self.standing.add(code)

    def end(self, code: str, subject: str) -> None:
        self.standing.discard(code)


@pytest.fixture
def alarms() -> Noted:
    return Noted()


@pytest.fixture
def store(tmp_path: Path, alarms: Noted) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db", keeping=SMALL) as store:
        store.attend(alarms, lambda need_bytes: 0)
        yield store


class Locked:
    """Another connection that holds the database's lock."""

    def __init__(self, store: Store) -> None:
        self._conn = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)

    def __enter__(self) -> None:
        self._conn.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._conn.close()


def told(path: Path) -> list[tuple[str, object]]:
    """Kind and pulse of each audit row."""
    with closing(connect_reader(path)) as conn:
        result = audit.verify(conn)
        assert result.ok, result.reason
        rows = [audit.row_from(row) for row in conn.execute(audit.SINCE_SQL, (0, -1))]
    return [(row.kind, (row.payload or {}).get("pulse")) for row in rows]


def test_an_intent_that_the_journal_refused_draws_no_row_of_its_pulse_after_it(store: Store) -> None:
    with Locked(store), pytest.raises(NotDurableError):
        store.make_durable("intent", {"pulse": "a", "pad": TOO_LONG}, timeout_s=0.05)
    late = store.record("intent", {"pulse": "a", "pad": TOO_LONG, "late": True}, wait=False)
    outcome = store.record("outcome", {"pulse": "a"}, wait=False)
    assert (late.result(10), outcome.result(10)) == (1, 2)


def test_a_row_that_the_journal_refuses_behind_its_intent_waits_for_the_database(store: Store) -> None:
    with Locked(store):
        store.make_durable("intent", {"pulse": "a"}, timeout_s=0.05)
        outcome = store.record("outcome", {"pulse": "a", "pad": TOO_LONG}, wait=False)
    outcome.result(10)
    store.record("decision", {}).result(10)
    assert told(store.path) == [("intent", "a"), ("outcome", "a"), ("decision", None)]


def test_the_alarm_is_raised_by_rows_that_wait_and_by_no_others(store: Store, alarms: Noted) -> None:
    with Locked(store):
        with pytest.raises(NotDurableError):
            store.make_durable("intent", {"pulse": "a", "pad": TOO_LONG}, timeout_s=0.05)
        assert alarms.standing == set()
        store.make_durable("intent", {"pulse": "b"}, timeout_s=0.05)
        assert alarms.standing == {"store_journaling"}
    store.record("decision", {}).result(10)
    assert alarms.standing == set()


def test_an_intent_that_was_written_down_twice_is_in_the_audit_once(store: Store) -> None:
    """Disk and journal hang: the intent may appear, and the one that follows it is flagged late."""
    sealed = audit.seal("intent", {"pulse": "a"}, 1)
    first = late_row(sealed, {"pulse": "a"}, after_seq=0, grant=None, revoke=None)
    again = late_row(audit.seal("intent", {"pulse": "a", "late": True}, 2), {"pulse": "a"}, after_seq=0,
                     grant=None, revoke=None)  # fmt: skip
    assert store.submit(lambda conn: import_late(conn, [first, again], beat=int)).result(5) == 1
    assert store.submit(lambda conn: import_late(conn, [again], beat=int)).result(5) == 0
    assert told(store.path) == [("intent", "a")]


def test_an_intent_whose_commit_came_after_all_is_not_committed_again_nor_its_use_taken_twice(
    store: Store,
) -> None:
    store.plates.add(make_entry("AB123CD", uses_left=5), by="test").result(5)
    (entry,) = store.plates.current.index.entries
    grant = Grant("north", entry.key, entry.id)
    store.make_durable("intent", {"pulse": "a"}, grant=grant, timeout_s=5)
    late = store.record("intent", {"pulse": "a", "late": True}, grant=grant, wait=False)
    assert late.result(5) == 2
    assert told(store.path) == [("list_change", None), ("intent", "a")]
    assert store.plates.current.index.entries[0].uses_left == 4


def test_many_late_rows_behind_an_older_copy_are_looked_for_in_one_pass_with_signs_of_life(
    tmp_path: Path,
) -> None:
    sealed = [audit.seal("decision", {"n": n}, n) for n in range(20_000)]
    rows = [
        late_row(one, {"n": n}, after_seq=10**6, grant=None, revoke=None)
        for n, one in enumerate(sealed[:400])
    ]
    beats: list[float] = []
    scanned: list[str] = []
    with Store.open(tmp_path / "pod.db") as store:

        def job(conn: sqlite3.Connection) -> int:
            audit.append(conn, sealed)
            conn.set_trace_callback(scanned.append)
            imported = import_late(conn, rows, beat=lambda: beats.append(time.monotonic()))
            conn.set_trace_callback(None)
            return imported

        assert store.submit(job).result(60) == 0
    assert len([sql for sql in scanned if "FROM audit WHERE seq >" in sql]) == 1
    assert len(beats) >= 20


def test_an_alarm_that_ends_while_the_one_who_shall_hear_it_is_told_of_it_does_not_stay() -> None:
    attendants, noted = Attendants(), Noted()

    class Slow(Noted):
        def begin(self, code: str, subject: str, text: str) -> None:
            ender = threading.Thread(target=attendants.end, args=(code,))
            ender.start()
            ender.join(5)
            noted.begin(code, subject, text)

        def end(self, code: str, subject: str) -> None:
            noted.end(code, subject)

    attendants.begin("disk_full", "The disk is full.")
    attendants.attend(Slow(), lambda need_bytes: 0)
    assert noted.standing == set()


def test_a_row_of_a_pulse_follows_one_that_the_journal_has_not_written_yet(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    write = Journal._write

    def slow(journal: Journal, row: object, *, awaited: bool) -> None:
        held.wait(5)
        write(journal, row, awaited=awaited)  # type: ignore[arg-type]  # as it was given

    monkeypatch.setattr(Journal, "_write", slow)
    with Locked(store):
        with pytest.raises(NotDurableError):
            store.make_durable("intent", {"pulse": "a"}, timeout_s=0.05)
        outcome = store.record("outcome", {"pulse": "a"}, wait=False)
    held.set()
    assert outcome.result(10) in (0, 2)
    store.record("decision", {}).result(10)
    assert told(store.path)[:2] == [("intent", "a"), ("outcome", "a")]
