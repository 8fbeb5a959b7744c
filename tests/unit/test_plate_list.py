"""The access list in the store: changes are checked, audited, undone, and followed step by step."""

import contextlib
import random
import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from running_pod import until

from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.errors import PlateListError, StoreError, UsesSpentError
from pod.domain.index import MOST_OF_A_PLATE
from pod.domain.schedule import parse_schedule
from pod.domain.situation import SiteState
from pod.services.health import Status
from pod.services.probes import store_probe
from pod.store import audit, list_changes, list_follower
from pod.store.connection import connect_reader, connect_writer
from pod.store.entries import make_entry
from pod.store.list_follower import ListFollower
from pod.store.list_plan import ImportRow
from pod.store.list_snapshot import load
from pod.store.list_staging import CHUNK
from pod.store.store import Grant, Store

BOUNDED = {
    "type": EntryType.VISITOR,
    "label": "[b]Flat 12[/b] <script>",
    "starts_at": datetime(2030, 1, 1, tzinfo=UTC),
    "expires_at": datetime(2030, 2, 1, 12, 30, 15, 123456, tzinfo=UTC),
    "gates": ["north"],
    "cameras": ["street"],
    "sites": ["lake"],
    "schedule": parse_schedule("mon-fri 08:00-18:00"),
    "uses_left": 3,
    "exact_only": True,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pod.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


def add(store: Store, plate: str, **bounds: Any) -> Entry:
    (entry,) = store.plates.add(make_entry(plate, **bounds), by="test").result(5).entries
    return entry


def listed(store: Store) -> list[str]:
    return [entry.plate for entry in store.plates.current.entries]


def on_file(path: Path) -> tuple[Entry, ...]:
    conn = connect_reader(path)
    try:
        return load(conn).entries
    finally:
        conn.close()


def changes(store: Store) -> list[dict[str, Any]]:
    def job(conn: sqlite3.Connection) -> list[dict[str, Any]]:
        rows = conn.execute("SELECT seq, ts_us, kind, payload, link FROM audit WHERE kind = 'list_change'")
        return [audit.row_from(row).payload or {} for row in rows]

    return store.submit(job).result(5)


def numbered(count: int, **bounds: Any) -> list[ImportRow]:
    """Rows whose plates no camera confuses with one another."""
    return [
        ImportRow(make_entry(f"AB{n:05}", exact_only=True, **bounds), line)
        for line, n in enumerate(range(count), start=2)
    ]


def kept_by_cloud(store: Store, entry: Entry) -> None:
    def job(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE list_state SET version = version + 1")
        conn.execute(
            "UPDATE entry SET owner = 'cloud', version = (SELECT version FROM list_state) WHERE id = ?",
            (entry.id,),
        )

    store.submit(job).result(5)


def test_every_bound_of_an_entry_outlives_the_process(path: Path) -> None:
    with Store.open(path) as store:
        written = add(store, "AB10", **BOUNDED)
    with Store.open(path) as store:
        assert store.plates.current.entries == (written,)
        assert store.plates.current.find(written.id) == written


def test_an_entry_is_replaced_and_the_audit_holds_what_was_before(store: Store) -> None:
    before = add(store, "AB10", label="old", uses_left=3)
    store.plates.replace(before.id, make_entry("XY99", **BOUNDED), by="test").result(5)
    (after,) = store.plates.current.entries
    assert (after.id, after.plate, after.schedule) == (before.id, "XY99", BOUNDED["schedule"])
    row = changes(store)[-1]
    assert (row["action"], row["plate"], row["schedule"]) == ("updated", "XY99", "mon-fri 08:00-18:00")
    assert (row["before"]["plate"], row["before"]["label"], row["before"]["uses_left"]) == ("AB10", "old", 3)


def test_an_entry_cannot_become_another_one_on_the_list(store: Store) -> None:
    add(store, "AB10")
    other = add(store, "XY99")
    with pytest.raises(PlateListError, match="ABIO is on the list already, as AB10"):
        store.plates.replace(other.id, make_entry("ABIO"), by="test").result(5)


def test_an_entry_that_is_gone_cannot_be_replaced_or_removed(store: Store) -> None:
    gone = add(store, "AB10")
    store.plates.remove([gone.id], by="test").result(5)
    for change in (
        store.plates.replace(gone.id, make_entry("AB10"), by="test"),
        store.plates.remove([gone.id], by="test"),
    ):
        with pytest.raises(PlateListError, match="not on the list any more: look at the list again"):
            change.result(5)


def test_no_entry_ever_gets_the_id_of_another(store: Store) -> None:
    gone = add(store, "AB10")
    store.plates.remove([gone.id], by="test").result(5)
    assert add(store, "XY99").id > gone.id


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"plate": "AB8"}, {"plate": "ABB"}, id="one known confusion apart"),
        pytest.param(
            {"plate": "AB8", "gates": ["north"]}, {"plate": "ABB", "gates": ["south"]}, id="two gates"
        ),
    ],
)
def test_two_plates_that_cameras_confuse_are_not_both_let_in(store: Store, first: Any, second: Any) -> None:
    add(store, **first)
    with pytest.raises(PlateListError, match="ABB and AB8 differ only by a character that cameras confuse"):
        add(store, **second)
    other = add(store, "XY99")
    with pytest.raises(PlateListError, match="mark one of them exact-only"):
        store.plates.replace(other.id, make_entry(**second), by="test").result(5)
    assert listed(store) == ["AB8", "XY99"]


def test_plates_that_cameras_confuse_are_listed_where_readings_must_be_exact_or_one_is_denied(
    store: Store,
) -> None:
    first = add(store, "AB8")
    exact = add(store, "ABB", exact_only=True)
    add(store, "A88", verdict=Verdict.DENY)
    store.plates.replace(first.id, make_entry("AB8", label="still here"), by="test").result(5)
    with pytest.raises(PlateListError, match="cameras confuse"):
        store.plates.replace(exact.id, make_entry("ABB"), by="test").result(5)


def test_a_denial_of_some_hours_stands_beside_leave_for_the_others(store: Store) -> None:
    add(store, "AB10", verdict=Verdict.DENY, schedule=parse_schedule("sat,sun 00:00-24:00"))
    add(store, "AB10")
    add(store, "XY99", verdict=Verdict.DENY)
    with pytest.raises(PlateListError, match="XY99 stays out, the list denies XY99"):
        add(store, "XY99", schedule=parse_schedule("mon 08:00-18:00"))


def test_two_plates_that_differ_in_look_alikes_are_listed_where_one_must_be_read_exactly(
    store: Store,
) -> None:
    add(store, "AB10")
    with pytest.raises(
        PlateListError, match=r"as AB10 .*; if both plates exist, mark one of them exact-only"
    ):
        add(store, "ABIO")
    add(store, "ABIO", exact_only=True)
    add(store, "AB1O", verdict=Verdict.DENY, exact_only=True)
    assert listed(store) == ["AB10", "AB1O", "ABIO"]


def test_an_entry_of_the_cloud_cannot_be_changed_here(store: Store) -> None:
    entry = add(store, "AB10")
    kept_by_cloud(store, entry)
    rows = [ImportRow(make_entry("AB10", label="mine"), 2)]
    for change in (
        store.plates.replace(entry.id, make_entry("AB10", label="mine"), by="test"),
        store.plates.remove("AB10", by="test"),
        store.plates.remove([entry.id], by="test"),
        store.plates.import_rows(rows, by="test"),
    ):
        with pytest.raises(
            PlateListError, match=r"AB10 \(allow\) is kept by the cloud: change it in the portal"
        ):
            change.result(5)
    (same,) = store.plates.current.entries
    assert same == replace(entry, owner=Owner.CLOUD)
    assert store.plates.import_rows([ImportRow(make_entry("AB10"), 2)], by="test").result(5).unchanged == 1


def test_a_denial_of_the_cloud_is_lifted_in_the_cloud(store: Store) -> None:
    kept_by_cloud(store, add(store, "AB10", verdict=Verdict.DENY))
    with pytest.raises(PlateListError, match="first lift the denial in the cloud's portal"):
        add(store, "AB10")


def test_a_removal_is_undone_with_every_bound_and_the_same_id(store: Store) -> None:
    entry = add(store, "AB10", **BOUNDED)
    add(store, "XY99")
    change = store.plates.remove("AB10", by="test").result(5)
    store.plates.undo(change.id, by="test").result(5)
    assert store.plates.current.find(entry.id) == entry
    assert (changes(store)[-1]["action"], changes(store)[-1]["undoes"]) == ("added", change.id)


def test_a_change_is_undone_as_a_whole(store: Store) -> None:
    for gate in ("north", "south"):
        add(store, "AB10", gates=[gate])
    before = store.plates.current.entries
    change = store.plates.remove("AB10", by="test").result(5)
    for seq in (change.id + 1, None):  # any row of the change names it; then back to how it was
        store.plates.undo(seq, by="test").result(5)
        assert store.plates.current.entries == (before if seq else ())


def test_uses_counted_since_a_change_stay_counted_when_it_is_undone(store: Store) -> None:
    entry = add(store, "AB10", uses_left=3)
    change = store.plates.replace(entry.id, replace(entry, label="new"), by="test").result(5)
    store.record("intent", {}, grant=Grant("street", "AB10", entry.id)).result(5)
    store.plates.undo(change.id, by="test").result(5)
    (after,) = store.plates.current.entries
    assert (after.label, after.uses_left) == ("", 2)


def test_a_change_is_not_undone_over_a_later_one(store: Store) -> None:
    entry = add(store, "AB10")
    first = store.plates.replace(entry.id, make_entry("AB10", label="one"), by="test").result(5)
    store.plates.replace(entry.id, make_entry("AB10", label="two"), by="test").result(5)
    with pytest.raises(PlateListError, match="AB10 was changed again since: take that change back first"):
        store.plates.undo(first.id, by="test").result(5)


def test_a_removal_is_not_undone_where_the_list_now_denies_the_plate(store: Store) -> None:
    add(store, "AB10")
    change = store.plates.remove("AB10", by="test").result(5)
    add(store, "AB10", verdict=Verdict.DENY)
    with pytest.raises(PlateListError, match="AB10 stays out, the list denies AB10"):
        store.plates.undo(change.id, by="test").result(5)


def erase(conn: sqlite3.Connection) -> None:
    conn.execute("UPDATE audit SET salt = NULL, payload = NULL")


def written_by_an_older_version(conn: sqlite3.Connection) -> None:
    payload = {"action": "removed", "plate": "AB10", "verdict": "allow", "type": "resident", "by": "test"}
    audit.append(conn, [audit.seal("list_change", payload, 1)])


@pytest.mark.parametrize(
    ("happen", "said"),
    [
        pytest.param(erase, "was erased: change the entries by hand", id="erased"),
        pytest.param(written_by_an_older_version, "made by an older version, cannot be taken back", id="old"),
    ],
)
def test_what_is_not_known_any_more_cannot_be_undone(
    store: Store, happen: Callable[[sqlite3.Connection], None], said: str
) -> None:
    add(store, "AB10")
    store.submit(happen).result(5)
    with pytest.raises(PlateListError, match=said):
        store.plates.undo(by="test").result(5)


def test_a_use_is_taken_with_the_intent_and_given_back_where_nothing_came_of_it(store: Store) -> None:
    entry = add(store, "AB10", uses_left=1)
    grant = Grant("street", "AB10", entry.id)
    version = store.plates.current.version
    store.record("intent", {"pulse": "p1"}, grant=grant).result(5)
    assert store.plates.current.entries[0].uses_left == 0
    store.record("outcome", {"pulse": "p1"}, revoke=grant).result(5)
    assert store.plates.current.entries[0].uses_left == 1
    assert store.plates.current.version == version + 2


@pytest.mark.parametrize("how", ["spent", "removed"])
def test_an_intent_whose_entry_has_no_use_left_is_not_written(store: Store, how: str) -> None:
    entry = add(store, "AB10", uses_left=1)
    if how == "spent":
        store.record("intent", {"n": 1}, grant=Grant("street", "AB10", entry.id)).result(5)
    else:
        store.plates.remove("AB10", by="test").result(5)
    with pytest.raises(UsesSpentError, match=r"no uses left|removed from the list"):
        store.record("intent", {"n": 2}, grant=Grant("exit", "AB10", entry.id)).result(5)
    assert store.record("decision", {}).result(5) == 3
    assert store.last_grants("exit") == {}


def test_an_entry_whose_limit_was_lifted_meanwhile_has_no_use_to_lose(store: Store) -> None:
    entry = add(store, "AB10", uses_left=1)
    store.plates.replace(entry.id, make_entry("AB10"), by="test").result(5)
    grant = Grant("street", "AB10", entry.id)
    store.record("intent", {"pulse": "p1"}, grant=grant).result(5)
    store.record("outcome", {"pulse": "p1"}, revoke=grant).result(5)
    assert store.plates.current.entries[0].uses_left is None


def test_the_switches_of_the_site_are_in_the_snapshot_of_every_process(path: Path, store: Store) -> None:
    version = store.plates.current.version
    with Store.open(path) as other:
        assert other.plates.switch(lambda _: SiteState(lockdown=True), by="test").result(5) == SiteState()
    until(lambda: store.plates.current.state.lockdown)
    assert store.plates.current.version == version + 1
    seq = store.record("decision", {}).result(5)
    assert store.plates.switch(lambda _: SiteState(lockdown=True), by="test").result(5) == SiteState(
        lockdown=True
    )
    assert store.record("decision", {}).result(5) == seq + 1  # what stands so already leaves no row


def test_throwing_one_switch_leaves_the_other_as_somebody_else_just_threw_it(
    path: Path, store: Store
) -> None:
    goes_on = threading.Event()
    with Store.open(path) as other:
        store.submit(lambda _: goes_on.wait(10))  # so that neither sees what the other does
        both = [
            store.plates.switch(lambda state: replace(state, auto_grant=False), by="page"),
            other.plates.switch(lambda state: replace(state, lockdown=True), by="command"),
        ]
        goes_on.set()
        for change in both:
            change.result(5)
    until(lambda: store.plates.current.state == SiteState(lockdown=True, auto_grant=False))


def test_when_the_cloud_confirmed_its_entries_is_in_the_snapshot(path: Path, store: Store) -> None:
    assert store.plates.current.confirmed_at is None
    at = datetime(2030, 1, 1, tzinfo=UTC)
    store.plates.confirm(at).result(5)
    assert store.plates.current.confirmed_at == at
    with Store.open(path) as other:
        assert other.plates.current.confirmed_at == at


def statements(store: Store, act: Callable[[], object]) -> list[str]:
    """The SQL that the writer's connection runs while `act` does."""
    seen: list[str] = []
    store.submit(lambda conn: conn.set_trace_callback(seen.append)).result(5)
    act()
    store.submit(lambda conn: conn.set_trace_callback(None)).result(5)
    return seen


@pytest.mark.parametrize("whose", ["own", "another process's"])
def test_a_change_is_followed_without_reading_the_list_again(path: Path, store: Store, whose: str) -> None:
    store.plates.import_rows(numbered(3 * CHUNK), by="test").result(20)

    def change() -> None:
        if whose == "own":
            add(store, "XY99")
        else:
            with Store.open(path) as other:
                add(other, "XY99")
        until(lambda: "XY99" in listed(store))

    reads = [sql for sql in statements(store, change) if "FROM entry_in_force" in sql]
    assert reads
    assert all("WHERE id = " in sql for sql in reads)


def test_a_large_change_of_another_process_is_read_beside_the_writer(path: Path, store: Store) -> None:
    def change() -> None:
        with Store.open(path) as other:
            other.plates.import_rows(numbered(3 * CHUNK), by="test").result(20)
        until(lambda: len(listed(store)) == 3 * CHUNK)

    assert not [sql for sql in statements(store, change) if "FROM entry_in_force ORDER BY" in sql]


@pytest.fixture
def follower(path: Path, store: Store) -> Iterator[tuple[ListFollower, sqlite3.Connection]]:
    """Another process's list, that looks at the file only when it is told to."""
    conn = connect_writer(path)
    following = ListFollower()
    following.refresh(conn)
    yield following, conn
    conn.close()


def test_a_large_change_that_makes_no_sense_leaves_the_last_list_in_force_and_is_told(
    store: Store, follower: tuple[ListFollower, sqlite3.Connection]
) -> None:
    following, conn = follower
    store.plates.import_rows(numbered(3 * CHUNK), by="test").result(20)
    until(lambda: following.refresh(conn) or len(following.current.entries) == 3 * CHUNK)
    before = following.current

    def spoil(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE list_state SET version = version + 1")
        conn.execute("UPDATE entry SET schedule = 'never', version = (SELECT version FROM list_state)")

    store.submit(spoil).result(5)
    with pytest.raises(ValueError, match="the schedule's part 'never' is not understood"):
        until(lambda: following.refresh(conn))
    assert following.current is before


def test_a_list_that_could_not_be_read_for_a_moment_is_followed_again(
    path: Path,
    store: Store,
    follower: tuple[ListFollower, sqlite3.Connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(list_follower, "RETRY_S", 0.05)
    following, conn = follower
    store.plates.import_rows(numbered(3 * CHUNK), by="test").result(20)
    hidden = path.rename(path.with_name("hidden.db"))
    with pytest.raises(StoreError, match="there is no database"):
        until(lambda: following.refresh(conn))
    assert "there is no database" in (following.fault or "")
    hidden.rename(path)

    def follows() -> bool:
        with contextlib.suppress(StoreError):
            following.refresh(conn)
        return len(following.current.entries) == 3 * CHUNK

    until(follows)
    following.refresh(conn)
    assert following.fault is None


def test_a_fault_that_lasts_costs_no_memory_however_often_it_is_told(
    path: Path, store: Store, follower: tuple[ListFollower, sqlite3.Connection]
) -> None:
    following, conn = follower
    store.plates.import_rows(numbered(3 * CHUNK), by="test").result(20)
    hidden = path.rename(path.with_name("hidden.db"))
    lengths = []

    def told() -> bool:
        try:
            following.refresh(conn)
        except StoreError as error:
            lengths.append(len(traceback.extract_tb(error.__traceback__)))
        return len(lengths) == 20

    until(told)
    hidden.rename(path)
    assert len(set(lengths)) == 1


def test_a_lockdown_holds_at_once_though_the_entries_cannot_be_read(store: Store) -> None:
    add(store, "AB123CD")

    def spoil(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE list_state SET version = version + 1")
        conn.execute("UPDATE entry SET schedule = 'never', version = (SELECT version FROM list_state)")

    store.submit(spoil).result(5)
    before = store.plates.current
    store.plates.switch(lambda _: SiteState(lockdown=True), by="test").result(5)
    assert store.plates.current.state.lockdown
    assert store.plates.current.index is before.index
    assert "never" in (store.plates.fault or "")
    assert store_probe(store)().status is Status.FAILING


def test_who_is_far_behind_reads_the_whole_list(
    store: Store, follower: tuple[ListFollower, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    following, conn = follower
    monkeypatch.setattr(list_changes, "GONE_VERSIONS", 2)
    for n in range(6):
        add(store, f"XY{n}1")
        following.refresh(conn) if n == 0 else None
        store.plates.remove(f"XY{n}1", by="test").result(5)
    add(store, "XY99")
    assert conn.execute("SELECT count(*) FROM entry_gone").fetchone() <= (2,)
    until(lambda: following.refresh(conn) or listed(store) == [e.plate for e in following.current.entries])


def test_a_list_put_back_from_an_older_copy_is_read_whole(
    store: Store, follower: tuple[ListFollower, sqlite3.Connection]
) -> None:
    following, conn = follower
    add(store, "AB10")
    following.refresh(conn)

    def put_back(conn: sqlite3.Connection) -> None:
        conn.execute("DELETE FROM entry")
        conn.execute("UPDATE list_state SET version = 0")

    store.submit(put_back).result(5)
    following.refresh(conn)
    assert (following.current.version, following.current.entries) == (0, ())
    add(store, "XY99")
    following.reload(conn)
    assert [entry.plate for entry in following.current.entries] == ["XY99"]


def test_what_was_prepared_for_an_import_that_failed_is_never_taken_for_the_list(
    store: Store, follower: tuple[ListFollower, sqlite3.Connection]
) -> None:
    following, conn = follower
    base = following.current
    never = base.index.replaced([], [replace(make_entry("NEVER"), id=7)])
    following.prepare(base, replace(base, version=base.version + 1, index=never), import_id=1)
    add(store, "XY99")  # the same version, reached in another way
    following.refresh(conn)
    assert [entry.plate for entry in following.current.entries] == ["XY99"]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_list_in_memory_is_the_list_on_file(
    path: Path, store: Store, monkeypatch, seed: int
) -> None:
    monkeypatch.setattr(list_changes, "GONE_VERSIONS", 5)
    chance = random.Random(seed)
    with Store.open(path) as other:
        for _ in range(40):
            _random_change(chance, chance.choice((store, other)))
        expected = on_file(path)
        for each in (store, other):
            until(lambda each=each: each.plates.current.entries == expected)
            version = each.plates.current.version
            assert version == each.submit(
                lambda c: c.execute("SELECT version FROM list_state").fetchone()[0]
            ).result(5)


def _random_change(chance: random.Random, store: Store) -> None:
    plate = f"XY{chance.randrange(8)}{chance.randrange(3)}"
    entry = make_entry(plate, chance.choice(list(Verdict)), exact_only=True, label=str(chance.random()))
    entries = store.plates.current.entries
    acts: list[Callable[[], Future[Any]]] = [
        lambda: store.plates.add(entry, by="test"),
        lambda: store.plates.remove(plate, by="test"),
        lambda: store.plates.undo(by="test"),
        lambda: store.plates.replace(chance.choice(entries).id if entries else 1, entry, by="test"),
        lambda: store.plates.import_rows([ImportRow(entry, 2)], by="test"),
        lambda: store.plates.import_rows(
            numbered(chance.choice((3, CHUNK + 1)), label=str(chance.random())), by="x"
        ),
    ]
    with contextlib.suppress(PlateListError):  # where the list does not permit it, another change follows
        chance.choice(acts)().result(20)


def test_a_plate_gets_no_more_entries_than_a_decision_can_look_through(store: Store) -> None:
    kept = [add(store, "AB10", starts_at=datetime(2030, 1, n, tzinfo=UTC)) for n in range(1, 26)]
    taken = [add(store, "AB1O", starts_at=datetime(2030, 2, n, tzinfo=UTC)) for n in range(1, 26)]
    assert len(kept + taken) == MOST_OF_A_PLATE
    with pytest.raises(PlateListError, match="AB10 would have more than 50 entries: remove those"):
        add(store, "AB10")
    changed = make_entry("AB10", label="Flat 12")
    store.plates.replace(kept[0].id, changed, by="test").result(5)
    removed = store.plates.remove([entry.id for entry in taken], by="test").result(5)
    add(store, "AB10", starts_at=datetime(2031, 1, 1, tzinfo=UTC))
    with pytest.raises(PlateListError, match="AB1O would have more than 50 entries"):
        store.plates.undo(removed.id, by="test").result(5)
    assert len(store.plates.current.index) == 26
