"""Long imports: all or nothing, in force at one moment, in short transactions, whatever happens meanwhile."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from running_pod import until

from pod.domain.entry import Entry, Verdict
from pod.domain.errors import PlateListError, StoreError
from pod.domain.index import MOST_OF_A_PLATE
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.list_plan import ImportRow
from pod.store.list_snapshot import load
from pod.store.list_staging import ABANDONED_S, CHUNK, TRIES
from pod.store.plate_list import PlateList
from pod.store.store import Store
from pod.store.writer import Job

MANY = 3 * CHUNK + 7


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pod.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


def rows_of(count: int, **bounds: Any) -> list[ImportRow]:
    """Rows whose plates no camera confuses with one another."""
    return [ImportRow(make_entry(f"AB{n:05}", exact_only=True, **bounds), n + 2) for n in range(count)]


def told(store: Store) -> list[dict[str, Any]]:
    def job(conn: sqlite3.Connection) -> list[dict[str, Any]]:
        rows = conn.execute("SELECT seq, ts_us, kind, payload, link FROM audit WHERE kind = 'list_change'")
        return [audit.row_from(row).payload or {} for row in rows]

    return store.submit(job).result(5)


def entries(store: Store) -> tuple[Entry, ...]:
    """The list as the file has it, once it is so in memory, too; that takes a while after others' imports."""
    on_file = store.submit(load).result(5).entries
    until(lambda: store.plates.current.entries == on_file)
    return on_file


def left_behind(store: Store) -> int:
    """Rows that an import has written and not tidied up."""
    return store.submit(
        lambda conn: conn.execute(
            "SELECT (SELECT count(*) FROM list_import) + count(*) FROM entry "
            "WHERE brought_by IS NOT NULL OR ended_by IS NOT NULL"
        ).fetchone()[0]
    ).result(5)


def beside(store: Store, before_job: Callable[[int], None]) -> PlateList:
    """A second view of the store's list that calls `before_job` with the number of each job it queues."""
    count = 0

    def submit(job: Job[Any], /) -> Future[Any]:
        nonlocal count
        count += 1
        before_job(count)
        return store.submit(job)

    return PlateList(submit, submit, lambda: time.time_ns() // 1000)


def test_a_long_import_is_in_force_whole_and_leaves_one_audit_row_an_entry(path: Path, store: Store) -> None:
    plan = store.plates.import_rows(rows_of(MANY, label="Flat"), by="test").result(20)
    assert (len(plan.added), len(plan.updated), plan.unchanged) == (MANY, 0, 0)
    assert [e.plate for e in entries(store)] == [f"AB{n:05}" for n in range(MANY)]
    assert left_behind(store) == 0
    *each, last = told(store)
    assert {(row["action"], row["label"]) for row in each} == {("added", "Flat")}
    assert sorted(row["id"] for row in each) == sorted(e.id for e in entries(store))
    assert (last["action"], last["added"], last["updated"]) == ("imported", MANY, 0)
    conn = connect_reader(path)
    assert audit.verify(conn).ok
    conn.close()


def test_an_import_changes_what_is_listed_and_the_audit_holds_what_was_before(store: Store) -> None:
    store.plates.import_rows(rows_of(MANY, label="old", uses_left=3), by="test").result(20)
    rows = [
        ImportRow(make_entry(row.entry.plate, label="new"), row.line, frozenset({"plate", "label"}))
        for row in rows_of(MANY + 5)
    ]
    plan = store.plates.import_rows(rows, by="test").result(20)
    assert (len(plan.added), len(plan.updated)) == (5, MANY)
    # What the file has no column for stays as it was; a file without a column lifts no limit.
    assert {(e.label, e.uses_left, e.exact_only) for e in entries(store)[:MANY]} == {("new", 3, True)}
    changed = [row for row in told(store) if row["action"] == "updated"]
    assert {(row["label"], row["before"]["label"]) for row in changed} == {("new", "old")}
    assert left_behind(store) == 0
    again = store.plates.import_rows(rows, by="test").result(20)
    assert again.unchanged == MANY + 5


def test_no_transaction_of_an_import_writes_more_than_a_chunk(store: Store) -> None:
    seen: list[str] = []
    store.submit(lambda conn: conn.set_trace_callback(seen.append)).result(5)
    store.plates.import_rows(rows_of(MANY), by="test").result(20)
    store.plates.import_rows(rows_of(MANY, label="new"), by="test").result(20)
    store.submit(lambda conn: conn.set_trace_callback(None)).result(5)
    written = [0]
    for sql in seen:
        if sql.startswith("BEGIN"):
            written.append(0)
        elif re.match(r"(INSERT( OR REPLACE)? INTO|UPDATE|DELETE FROM) (entry|entry_gone|audit)\b", sql):
            written[-1] += 1
    assert sum(written) > 6 * MANY
    assert max(written) <= 4 * CHUNK


def test_rows_that_matter_more_are_written_while_an_import_goes_on(store: Store) -> None:
    intents: list[Future[int]] = []
    plates = beside(store, lambda n: intents.append(store.record("intent", {"n": n})))
    plates.import_rows(rows_of(MANY), by="test").result(20)
    seqs = [intent.result(5) for intent in intents]
    assert len(seqs) > 5
    assert all(later - earlier <= CHUNK + 1 for earlier, later in pairwise(seqs))


def test_nothing_of_an_import_counts_before_all_of_it_does(path: Path, store: Store) -> None:
    seen: set[int] = set()

    def look(_: int) -> None:
        conn = connect_reader(path)
        seen.add(len(load(conn).entries))
        conn.close()

    beside(store, look).import_rows(rows_of(MANY), by="test").result(20)
    assert seen == {0, MANY}


@pytest.mark.parametrize("at", [4, 6, 8])
def test_an_import_that_breaks_off_leaves_the_list_as_it_was_and_the_next_one_cleans_up(
    store: Store, at: int
) -> None:
    store.plates.import_rows(rows_of(5, label="old"), by="test").result(20)
    before = entries(store)

    def break_off(n: int) -> None:
        if n >= at:
            raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        beside(store, break_off).import_rows(rows_of(MANY, label="new"), by="test").result(20)
    assert entries(store) == before
    assert left_behind(store) > 0
    let_a_while_pass(store)
    others = [ImportRow(make_entry(f"XY{n:05}", exact_only=True), n) for n in range(MANY)]
    store.plates.import_rows(others, by="test").result(20)
    assert entries(store)[:5] == before
    assert len(entries(store)) == 5 + MANY
    assert left_behind(store) == 0
    assert [row["action"] for row in told(store)].count("import_dropped") == 1


def let_a_while_pass(store: Store) -> None:
    store.submit(
        lambda conn: conn.execute(
            "UPDATE list_import SET touched_us = touched_us - ?", (ABANDONED_S * 1_000_001,)
        )
    ).result(5)


def test_an_import_that_breaks_off_while_it_tidies_up_is_in_force(store: Store) -> None:
    store.plates.import_rows(rows_of(MANY, label="old"), by="test").result(20)

    def break_off(n: int) -> None:
        if n > 3 + MANY / CHUNK + 3:
            raise StoreError("the disk is full")

    rows = rows_of(MANY, label="new")
    beside(store, break_off).import_rows(rows, by="test").result(20)
    assert left_behind(store) > 0
    gone = store.plates.remove("AB00001", by="test").result(5)
    assert [e.label for e in gone.entries] == ["new"]
    with_rest = rows_of(MANY, label="newer")[2:]
    store.plates.import_rows(with_rest, by="test").result(20)
    assert left_behind(store) == 0
    assert {e.label for e in entries(store)} == {"new", "newer"}
    assert len(entries(store)) == MANY - 1


def test_an_import_of_another_process_is_not_disturbed(store: Store) -> None:
    def begin(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO list_import (touched_us) VALUES (?)", (time.time_ns() // 1000,))

    store.submit(begin).result(5)
    with pytest.raises(PlateListError, match="another import is going on: wait for it to end"):
        store.plates.import_rows(rows_of(MANY), by="test").result(20)
    assert left_behind(store) == 1


def test_one_list_imports_one_file_at_a_time(store: Store) -> None:
    futures = [store.plates.import_rows(rows_of(MANY), by="test") for _ in range(2)]
    faults = [future.exception(20) for future in futures]
    assert faults[0] is None or faults[1] is None
    assert len(entries(store)) == MANY


@pytest.mark.parametrize("at", range(2, 8))
def test_a_change_during_an_import_is_neither_lost_nor_does_it_spoil_the_import(
    store: Store, at: int
) -> None:
    def change(n: int) -> None:
        if n == at:
            store.plates.add(make_entry("XY99"), by="somebody else").result(5)

    beside(store, change).import_rows(rows_of(MANY), by="test").result(20)
    assert len(entries(store)) == MANY + 1
    assert left_behind(store) == 0


@pytest.mark.parametrize("at", range(3, 8))
def test_an_entry_that_somebody_adds_during_an_import_of_the_same_is_not_listed_twice(
    store: Store, at: int
) -> None:
    def add(n: int) -> None:
        if n == at:
            store.plates.add(make_entry("AB00003", label="mine", exact_only=True), by="somebody else").result(
                5
            )

    plan = beside(store, add).import_rows(rows_of(MANY, label="theirs"), by="test").result(20)
    assert (len(plan.added), len(plan.updated)) == (MANY - 1, 1)
    assert [e.label for e in entries(store)] == ["theirs"] * MANY
    assert left_behind(store) == 0


@pytest.mark.parametrize("at", range(3, 7))
def test_a_denial_that_comes_during_an_import_refuses_it(store: Store, at: int) -> None:
    def deny(n: int) -> None:
        if n == at:
            store.plates.add(make_entry("AB00003", Verdict.DENY), by="somebody else").result(5)

    with pytest.raises(
        PlateListError, match=r"list.csv:5: plate: AB00003 stays out, the list denies AB00003"
    ):
        beside(store, deny).import_rows(rows_of(MANY), by="test", name="list.csv").result(20)
    assert [e.verdict for e in entries(store)] == [Verdict.DENY]
    assert left_behind(store) == 0


def test_an_import_into_a_list_that_never_rests_is_given_up(store: Store) -> None:
    changes = 0

    def change(_: int) -> None:
        nonlocal changes
        changes += 1
        store.plates.add(make_entry(f"XY{changes:04}", exact_only=True), by="somebody else").result(5)

    with pytest.raises(StoreError, match="the list kept changing during the import, nothing was imported"):
        beside(store, change).import_rows(rows_of(MANY), by="test").result(20)
    assert changes > TRIES
    assert len(entries(store)) == changes
    assert left_behind(store) == 0


@pytest.mark.parametrize("count", [pytest.param(0, id="short"), pytest.param(MANY, id="long")])
def test_rows_that_the_list_or_the_file_confuses_are_all_named_and_none_is_imported(
    store: Store, count: int
) -> None:
    store.plates.add(make_entry("XY8"), by="test").result(5)
    rows = [
        *rows_of(count),
        *(
            ImportRow(make_entry(plate), count + n)
            for n, plate in enumerate(["XYB", "ZZ5", "ZZS", "ZZE"], start=2)
        ),
    ]
    with pytest.raises(PlateListError) as caught:
        store.plates.import_rows(rows, by="test", name="list.csv").result(20)
    mend = "differ only by a character that cameras confuse: check the writing, and if both are right, mark"
    assert [line.split(mend)[0] for line in str(caught.value).splitlines()] == [
        f"list.csv:{count + 2}: plate: XYB and XY8 ",
        f"list.csv:{count + 4}: plate: ZZS and ZZ5 ",
    ]
    assert [e.plate for e in entries(store)] == ["XY8"]


def test_an_import_gives_no_plate_more_entries_than_a_decision_can_look_through(store: Store) -> None:
    days = [ImportRow(make_entry("AB10", starts_at=at), n) for n, at in enumerate(each_day(2000), 1)]
    some = MOST_OF_A_PLATE - 10
    store.plates.import_rows(days[:some], by="test").result(20)
    plan = store.plates.preview(days)
    assert (plan.unchanged, len(plan.added), len(plan.problems)) == (some, 10, 1950)
    assert plan.problems[0].line == MOST_OF_A_PLATE + 1
    assert "AB10 would have more than 50 entries: remove those" in plan.problems[0].text
    with pytest.raises(PlateListError, match=r"1947 more problems like that of line 51, in lines 54-2000"):
        store.plates.import_rows(days, by="test", name="list.csv").result(20)
    assert len(entries(store)) == some
    assert len(store.plates.import_rows(days[:MOST_OF_A_PLATE], by="test").result(20).added) == 10


def each_day(count: int) -> list[datetime]:
    return [datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(count)]


def test_a_preview_tells_what_an_import_would_do_and_writes_nothing(store: Store) -> None:
    store.plates.add(make_entry("AB00000", exact_only=True), by="test").result(5)
    store.plates.add(make_entry("AB00001", Verdict.DENY), by="test").result(5)
    version = store.plates.current.version
    plan = store.plates.preview(rows_of(3, label="new"))
    assert [e.plate for e in plan.added] == ["AB00001", "AB00002"]
    assert [(before.label, after.label) for before, after in plan.updated] == [("", "new")]
    assert [(problem.line, problem.column) for problem in plan.problems] == [(3, "plate")]
    assert store.plates.current.version == version


def test_an_allowed_plate_that_is_denied_is_imported_where_the_file_says_it_is_meant(store: Store) -> None:
    store.plates.add(make_entry("AB10", Verdict.DENY), by="test").result(5)
    store.plates.import_rows([ImportRow(make_entry("AB10"), 2, overruled=True)], by="test").result(5)
    assert [e.verdict for e in entries(store)] == [Verdict.ALLOW, Verdict.DENY]
