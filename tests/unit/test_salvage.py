"""What a recovery brings over from a long audit, it brings over while it gives signs of life."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pod.store import audit
from pod.store.migrate import migrate
from pod.store.salvage import note_emptied, salvage

ROWS = 40_000
A_NOTE = 2000


class Beats:
    """Signs of life, and the longest silence between two of them."""

    def __init__(self) -> None:
        self.count = 0
        self.longest_s = 0.0
        self._last_s = time.monotonic()

    def __call__(self) -> int:
        now_s = time.monotonic()
        self.longest_s = max(self.longest_s, now_s - self._last_s)
        self._last_s = now_s
        self.count += 1
        return 0


def database(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA synchronous = OFF")
    migrate(conn)
    return conn


def fill(conn: sqlite3.Connection, *, noted: int, emptied: int) -> None:
    """Write rows, empty every second one up to `emptied`, and note those up to `noted`."""
    conn.execute("BEGIN")
    audit.append(conn, (audit.seal("decision", {"n": n}, n) for n in range(ROWS)))
    seqs = range(2, noted + 1, 2)
    for start in range(0, len(seqs), A_NOTE):
        note = {"seqs": audit.row_ranges(seqs[start : start + A_NOTE])}
        audit.append(conn, [audit.seal("erasure", note, 1)])
    conn.execute("UPDATE audit SET payload = NULL, salt = NULL WHERE seq % 2 = 0 AND seq <= ?", (emptied,))
    conn.execute("COMMIT")


@pytest.fixture
def good(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(database(tmp_path / "good.db")) as conn:
        yield conn


def test_rows_that_no_note_names_are_noted_in_one_pass_with_signs_of_life(good: sqlite3.Connection) -> None:
    fill(good, noted=ROWS - 100, emptied=ROWS)
    beats = Beats()
    note_emptied(good, now_us=1, breathe=beats)
    (payload,) = good.execute("SELECT payload FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    assert audit.noted_rows(payload)[0] == (ROWS - 98, ROWS - 98)
    assert len(audit.noted_rows(payload)) == 50
    result = audit.verify(good)
    assert result.ok, result.reason
    assert beats.count >= ROWS // 1000
    assert beats.longest_s < 5


def test_a_note_covers_no_row_that_came_after_it(good: sqlite3.Connection) -> None:
    good.execute("BEGIN")
    early = audit.seal("erasure", {"seqs": "2"}, 1)
    audit.append(good, [early, audit.seal("decision", {"n": 1}, 1), audit.seal("decision", {"n": 2}, 1)])
    good.execute("UPDATE audit SET payload = NULL, salt = NULL WHERE seq = 2")
    good.execute("COMMIT")
    assert not audit.verify(good).ok
    note_emptied(good, now_us=1, breathe=lambda: 0)
    assert audit.verify(good).ok


def test_a_long_audit_is_salvaged_with_signs_of_life(tmp_path: Path, good: sqlite3.Connection) -> None:
    damaged = tmp_path / "damaged.db"
    with closing(database(damaged)) as conn:
        fill(conn, noted=ROWS, emptied=ROWS)
    beats = Beats()
    good.execute("BEGIN")
    saved = salvage(damaged, good, breathe=beats)
    good.execute("COMMIT")
    assert saved.rows == ROWS + ROWS // 2 // A_NOTE
    # Reading alone takes several hundred thousand steps of SQLite.
    assert beats.count >= 2 * ROWS // 1000
    assert beats.longest_s < 5
    assert audit.verify(good).ok
