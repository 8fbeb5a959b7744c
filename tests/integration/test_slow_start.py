"""A long database is looked through with signs of life, and systemd waits for that."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.diagnosis import find_damage
from pod.store.keeping import Keeping
from pod.store.store import Store

ROWS = 30_000
KEEPING = Keeping(reserve_bytes=64 * 1024, journal_bytes=64 * 1024)
STEPS_A_ROW = 10
"""Of SQLite's machine, at least."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "pod.db"
    Store.open(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA synchronous = OFF")
        conn.execute("BEGIN")
        audit.append(conn, (audit.seal("decision", {"n": n, "pad": "x" * 500}, n) for n in range(ROWS)))
        conn.execute("COMMIT")
    return path


class Beats:
    """Signs of life that were given."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return 0


def test_a_long_database_is_in_memory_when_its_structure_is_checked_in_one_step(database: Path) -> None:
    """SQLite calls nobody while it visits the pages, so that must not take as long as the disk does."""
    beats, at_check = Beats(), [0]

    def traced(sql: str) -> None:
        if "quick_check" in sql:
            at_check[0] = beats.count

    with closing(connect_reader(database)) as conn:
        conn.set_progress_handler(beats, 20_000)
        conn.set_trace_callback(traced)
        assert find_damage(conn, database.parent) is None
    assert at_check[0] >= ROWS * STEPS_A_ROW // 20_000


def test_opening_a_long_database_gives_signs_of_life(database: Path) -> None:
    beats = Beats()
    with Store.open(database, keeping=KEEPING, beat=beats):
        at_open = beats.count
    assert at_open >= ROWS * STEPS_A_ROW // 20_000


def test_looking_into_a_long_database_while_the_pod_runs_gives_signs_of_life(database: Path) -> None:
    beats = Beats()

    def complain(conn: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with Store.open(database, keeping=KEEPING, beat=beats) as store:
        began = beats.count
        store.submit(complain).exception(60)
        # In that time the writer itself beats a few times at most.
        assert beats.count - began >= ROWS * STEPS_A_ROW // 20_000
