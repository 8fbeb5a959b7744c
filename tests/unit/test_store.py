"""The store writes audit and list durably, and says what is wrong when it can't."""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from pydantic import ValidationError
from running_pod import until

from pod.config import AccessConfig
from pod.domain.entry import Verdict
from pod.domain.errors import PlateListError, StoreError
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.grants import GRANT_MEMORY_S, Grant
from pod.store.migrate import Migration, migrate, migrations
from pod.store.store import Store
from pod.store.writer import QUEUE_JOBS, TICK_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pod.db"


def verified(path: Path) -> audit.VerifyResult:
    conn = connect_reader(path)
    try:
        return audit.verify(conn)
    finally:
        conn.close()


def test_recorded_rows_count_from_one_and_verify(path: Path) -> None:
    with Store.open(path) as store:
        assert [store.record("decision", {"n": n}).result(5) for n in range(3)] == [1, 2, 3]
    result = verified(path)
    assert (result.ok, result.rows) == (True, 3)


def test_an_added_plate_is_in_the_snapshot_when_the_future_resolves(path: Path) -> None:
    with Store.open(path) as store:
        store.plates.add(make_entry("ab 123-cd"), by="test").result(5)
        (entry,) = store.plates.current.index.by_key("AB123CD")
        assert (entry.plate, entry.verdict) == ("AB123CD", Verdict.ALLOW)


def test_the_list_is_there_as_soon_as_the_store_is_open(path: Path) -> None:
    with Store.open(path) as store:
        store.plates.add(make_entry("AB123CD", label="Flat 12", gates=["south", "north"]), by="test").result(
            5
        )
        before = store.plates.current
    with Store.open(path) as store:
        assert store.plates.current.version == before.version
        assert store.plates.current.entries == before.entries
        assert before.entries[0].gates == ("north", "south")


def test_a_grant_outlives_the_process(path: Path) -> None:
    with Store.open(path, now_us=lambda: 1_700_000_000_000_001) as store:
        store.record("decision", {}, grant=Grant("north", "AB123CD")).result(5)
    with Store.open(path) as store:
        grants = {key: at.isoformat() for key, at in store.last_grants("north").items()}
        assert grants == {"AB123CD": "2023-11-14T22:13:20.000001+00:00"}
        assert store.last_grants("south") == {}


def test_grants_that_no_setting_can_make_count_any_more_are_forgotten(path: Path) -> None:
    now_us = 1_700_000_000_000_000
    with Store.open(path, now_us=lambda: now_us) as store:
        store.record("intent", {}, grant=Grant("north", "LONGAGO")).result(5)
        now_us += 1_000_000
        store.record("intent", {}, grant=Grant("north", "STILLGOOD")).result(5)
        now_us += GRANT_MEMORY_S * 1_000_000
        store.record("intent", {}, grant=Grant("south", "NOW")).result(5)
        assert set(store.last_grants("north")) == {"STILLGOOD"}


def test_the_longest_reapproach_time_is_remembered_to_its_end() -> None:
    assert AccessConfig(reapproach_s=GRANT_MEMORY_S).reapproach_s == GRANT_MEMORY_S
    with pytest.raises(ValidationError):
        AccessConfig(reapproach_s=GRANT_MEMORY_S + 1)


def test_commits_reach_the_disk_before_they_are_acknowledged(path: Path) -> None:
    def pragmas(conn: sqlite3.Connection) -> tuple[str, int]:
        (mode,) = conn.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = conn.execute("PRAGMA synchronous").fetchone()
        return mode, synchronous

    with Store.open(path) as store:
        assert store.submit(pragmas).result(5) == ("wal", 2)


def test_a_change_of_the_list_and_its_audit_row_stand_or_fall_together(path: Path) -> None:
    with Store.open(path) as store:
        store.submit(lambda conn: conn.execute("DROP TABLE audit_head")).result(5)
        with pytest.raises(StoreError):
            store.plates.add(make_entry("AB123CD"), by="test").result(5)
        assert store.plates.current.entries == ()


def bug(conn: sqlite3.Connection) -> None:
    conn.execute("INSERT INTO last_grant VALUES ('half', 'done', 1)")
    raise ZeroDivisionError


def refused_by_sqlite(conn: sqlite3.Connection) -> None:
    conn.execute("INSERT INTO last_grant VALUES ('half', 'done', 1)")
    conn.execute("INSERT INTO nowhere VALUES (1)")


@pytest.mark.parametrize(
    ("job", "fault"),
    [
        pytest.param(bug, ZeroDivisionError, id="a bug of the job"),
        pytest.param(refused_by_sqlite, StoreError, id="a fault of SQLite"),
    ],
)
def test_a_failed_job_is_rolled_back_and_the_writer_lives_on(
    path: Path, job: Callable[[sqlite3.Connection], None], fault: type[Exception]
) -> None:
    with Store.open(path) as store:
        with pytest.raises(fault):
            store.submit(job).result(5)
        assert store.last_grants("half") == {}
        assert store.record("pod_started", {}).result(5) == 1
        assert store.stats.failed == 1


def blocked(store: Store) -> tuple[Future[None], threading.Event]:
    """A job that holds the writer until the event is set, already running."""
    running, release = threading.Event(), threading.Event()

    def job(conn: sqlite3.Connection) -> None:
        running.set()
        release.wait(20)

    future = store.submit(job)
    assert running.wait(5)
    return future, release


def test_a_full_queue_makes_the_caller_wait_and_then_refuses(path: Path) -> None:
    with Store.open(path, full_wait_s=0.05) as store:
        _, release = blocked(store)
        try:
            queued = [store.record("decision", {"n": n}) for n in range(QUEUE_JOBS)]
            with pytest.raises(StoreError, match="wait for the disk"):
                store.record("decision", {"n": "one too many"})
            assert store.stats.refused == 1
        finally:
            release.set()
        assert [future.result(10) for future in queued] == list(range(1, QUEUE_JOBS + 1))


def test_a_row_that_nobody_waits_for_is_refused_at_once_by_a_full_queue(path: Path) -> None:
    with Store.open(path, full_wait_s=60) as store:
        _, release = blocked(store)
        try:
            for n in range(QUEUE_JOBS):
                store.record("decision", {"n": n}, wait=False)
            began_s = time.monotonic()
            with pytest.raises(StoreError, match="wait for the disk"):
                store.record("outcome", {}, wait=False)
            assert time.monotonic() - began_s < 10
            assert store.stats.refused == 1
        finally:
            release.set()


def test_the_writer_gives_signs_of_life_while_idle_and_none_while_it_is_held_up(path: Path) -> None:
    beats: list[float] = []
    with Store.open(path, beat=lambda: beats.append(time.monotonic())) as store:
        until(lambda: len(beats) > 3)
        _, release = blocked(store)
        before = len(beats)
        time.sleep(3 * TICK_S)  # The silence is the observation itself.
        assert len(beats) == before
        release.set()
        until(lambda: len(beats) > before)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("expires_us = 9223372036854775807", id="a moment beyond the year 9999"),
        pytest.param("gates = '5'", id="gates that are a number"),
        pytest.param("gates = '[5]'", id="gates that are a list of numbers"),
        pytest.param("""gates = '"main"'""", id="gates that are a text"),
    ],
)
def test_an_entry_that_makes_no_sense_leaves_the_last_list_in_force_and_the_writer_alive(
    path: Path, change: str
) -> None:
    def spoil(conn: sqlite3.Connection) -> None:
        conn.execute(f"UPDATE entry SET version = version + 1, {change}")
        conn.execute("UPDATE list_state SET version = version + 1")

    with Store.open(path) as store:
        store.plates.add(make_entry("AB123CD", gates=["main"]), by="test").result(5)
        before = store.plates.current
        store.submit(spoil).result(5)
        assert store.record("decision", {}).result(5) == 2
        assert store.plates.current is before
    with pytest.raises(StoreError, match="access list holds what this program does not know"):
        Store.open(path)


def test_a_write_cancelled_in_time_never_happens(path: Path) -> None:
    with Store.open(path) as store:
        _, release = blocked(store)
        late = store.record("intent", {})
        assert late.cancel()
        release.set()
        assert store.record("decision", {}).result(5) == 1
    assert verified(path).rows == 1


def test_a_write_that_is_not_done_in_time_is_a_fault_with_its_mend_and_never_happens(path: Path) -> None:
    with Store.open(path) as store:
        _, release = blocked(store)
        with pytest.raises(StoreError, match="check the disk's health"):
            store.wait_for(store.record("pod_started", {}), 0.01)
        release.set()
        assert store.record("decision", {}).result(5) == 1


def test_closing_finishes_the_writes_already_taken_and_refuses_more(path: Path) -> None:
    store = Store.open(path)
    futures = [store.record("decision", {"n": n}) for n in range(50)]
    store.close()
    assert [future.result(0) for future in futures] == list(range(1, 51))
    assert not store.alive
    with pytest.raises(StoreError, match="closed"):
        store.record("decision", {})


def test_closing_says_so_when_the_last_writes_do_not_end(path: Path) -> None:
    store = Store.open(path)
    _, release = blocked(store)
    with pytest.raises(StoreError, match="did not end within"):
        store.close(timeout_s=0.05)
    release.set()
    store.close()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"confidence": float("nan")}, id="not a number"),
        pytest.param({"plate": {1, 2}}, id="a set"),
    ],
)
def test_a_payload_that_is_not_json_is_refused_at_once(path: Path, payload: dict[str, object]) -> None:
    with Store.open(path) as store, pytest.raises(StoreError, match="not JSON"):
        store.record("decision", payload)


def test_an_unknown_kind_is_refused_and_the_known_ones_named(path: Path) -> None:
    with Store.open(path) as store, pytest.raises(StoreError, match="camera_state"):
        store.record("descision", {})


def test_a_job_that_waits_for_another_process_says_so(path: Path) -> None:
    with Store.open(path, busy_timeout_s=0.05) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process holds the database"):
            store.record("decision", {}).result(5)
        other.execute("ROLLBACK")
        other.close()
        assert store.record("decision", {}).result(5) == 1


def a_text_file(path: Path) -> None:
    path.write_text("certainly no database, but long enough to be looked at " * 30)


def a_foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE recipes (name TEXT)")


def a_newer_database(path: Path) -> None:
    Store.open(path).close()
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA user_version = 99")


def a_damaged_database(path: Path) -> None:
    with Store.open(path) as store:
        for n in range(50):
            store.record("decision", {"n": n}).result(5)
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xa5" * (4096 - 100)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("prepare", "mend"),
    [
        pytest.param(lambda path: path.mkdir(), "is a directory: move it away", id="a directory"),
        pytest.param(a_text_file, "not a database: move it away", id="a text file"),
        pytest.param(a_foreign_database, "database of another program: move it away", id="another program's"),
        pytest.param(a_newer_database, "install the newer PlateBridge again", id="a newer schema"),
        pytest.param(
            a_damaged_database, "damaged: move it away and put back the last good copy", id="damaged"
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_mend(
    path: Path, prepare: Callable[[Path], None], mend: str
) -> None:
    prepare(path)
    with pytest.raises(StoreError, match=mend) as caught:
        Store.open(path)
    assert str(path) in str(caught.value)


def test_a_missing_data_directory_is_named_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing does not exist: create it, or set another data_dir"):
        Store.open(tmp_path / "missing" / "pod.db")


def test_a_data_directory_that_is_a_file_is_named_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file is not a directory: create it, or set another data_dir"):
        Store.open(tmp_path / "file" / "pod.db")


def fault_as_another_user(path: Path) -> str:
    """What `Store.open` says to a user without rights; in a forked process where this one is root."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        try:
            Store.open(path)
            os.write(writer, b"opened")
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.mark.parametrize(
    ("closed", "mode", "mend"),
    [
        pytest.param(
            "outer/data", 0o555, "may not be written by this user: run as its owner", id="read-only"
        ),
        pytest.param("outer", 0o600, "cannot be looked into", id="inside a closed directory"),
    ],
)
def test_a_data_directory_without_rights_is_named_with_its_mend(closed: str, mode: int, mend: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        (top / "outer/data").mkdir(parents=True)
        top.chmod(0o755)
        (top / closed).chmod(mode)
        said = fault_as_another_user(top / "outer/data/pod.db")
        (top / closed).chmod(0o755)
    assert said.startswith("StoreError:")
    assert mend in said


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a directory away")
def test_an_owner_without_a_name_is_told_by_number() -> None:
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        data.mkdir(mode=0o755)
        Path(name).chmod(0o755)
        os.chown(data, 54321, 54321)
        said = fault_as_another_user(data / "pod.db")
    assert "run as its owner (user number 54321)" in said


def test_the_database_is_its_owners_alone(path: Path) -> None:
    with Store.open(path) as store:
        store.record("pod_started", {}).result(5)
        modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
    assert modes == {"pod.db": 0o600, "pod.db-wal": 0o600, "pod.db-shm": 0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a directory away")
def test_a_database_that_root_creates_belongs_to_the_directorys_owner(path: Path) -> None:
    os.chown(path.parent, 65534, 65534)
    Store.open(path).close()
    assert path.stat().st_uid == 65534


def test_a_database_of_the_first_schema_is_brought_up_to_date_with_its_rows(path: Path) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    migrate(conn, migrations()[:1])
    conn.execute("BEGIN IMMEDIATE")
    audit.append(conn, [audit.seal("decision", {}, 1)])
    conn.execute("COMMIT")
    conn.close()
    with Store.open(path) as store:
        assert store.record("decision", {}).result(5) == 2
    assert verified(path).rows == 2


def test_a_migration_that_fails_leaves_the_old_schema_whole(path: Path) -> None:
    Store.open(path).close()
    broken = Migration(
        len(migrations()) + 1, ("CREATE TABLE extra (n INTEGER)", "INSERT INTO nowhere VALUES (1)")
    )
    conn = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(conn, (*migrations(), broken))
    assert conn.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'extra'").fetchone() == (0,)
    conn.close()
    Store.open(path).close()


def test_an_added_denial_names_the_entries_it_overrules(path: Path) -> None:
    with Store.open(path) as store:
        store.plates.add(make_entry("AB10"), by="test").result(5)
        (overruled,) = store.plates.add(make_entry("ABIO", Verdict.DENY), by="test").result(5).overruled
        assert overruled.plate == "AB10"


def test_a_plate_that_the_list_denies_in_another_writing_cannot_be_allowed(path: Path) -> None:
    with Store.open(path) as store:
        store.plates.add(make_entry("ABIO", Verdict.DENY), by="test").result(5)
        with pytest.raises(
            PlateListError, match="the list denies ABIO: first `platebridge plates remove ABIO"
        ):
            store.plates.add(make_entry("AB10"), by="test").result(5)


def test_the_same_entry_cannot_be_added_twice(path: Path) -> None:
    with Store.open(path) as store:
        store.plates.add(make_entry("AB10"), by="test").result(5)
        with pytest.raises(PlateListError, match="on the list already"):
            store.plates.add(make_entry("ab-1o", label="again"), by="test").result(5)


def test_removing_takes_every_writing_of_a_plate_or_only_one_verdict(path: Path) -> None:
    with Store.open(path) as store:
        store.plates.add(make_entry("AB10"), by="test").result(5)
        store.plates.add(make_entry("ABIO", Verdict.DENY), by="test").result(5)
        (gone,) = store.plates.remove("ab 10", verdict=Verdict.DENY, by="test").result(5).entries
        assert gone.plate == "ABIO"
        (gone,) = store.plates.remove("ab io", by="test").result(5).entries
        assert gone.plate == "AB10"
        with pytest.raises(PlateListError, match="not on the list"):
            store.plates.remove("AB10", by="test").result(5)
