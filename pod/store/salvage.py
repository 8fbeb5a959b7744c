"""Bring what a damaged database still tells into a good one: whatever its hash chain proves, and no more."""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pod.store import audit
from pod.store.connection import reader_uri

_PROVED = frozenset({"audit", "audit_head", "entry", "entry_gone", "list_import", "list_state"})
"""Audit and list have proofs of their own; what other tables hold is of use, and no harm where it is lost."""

_MOST_ROWS = 10_000_000
"""Of one table: a damaged tree may lead in a circle."""

_STEPS_A_BREATH = 20_000
"""Steps of SQLite's machine between two breaths."""

_ROWS_A_BREATH = 1000


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of the damaged file's newer rows.

    Attributes:
        rows: those that followed from the good database's last one.
        emptied: how many of them came without their payload, because it was spoiled.
        claimed_seq: the last row that the damaged file says it had; 0 where it says nothing.
        list_version: the list's version in it; -1 where it says nothing.
    """

    rows: int = 0
    emptied: int = 0
    claimed_seq: int = 0
    list_version: int = -1


def salvage(damaged: Path, good: sqlite3.Connection, *, breathe: Callable[[], int]) -> Salvaged:
    """Read `damaged`, as far as it goes, into an open good database, inside the caller's transaction.

    Args:
        breathe: called often, so that nobody takes it for a hanging thread; returns 0.
    """
    with contextlib.suppress(OSError):
        if damaged.stat().st_size == 0:
            # SQLite would delete the log beside an empty file, and there is nothing to read.
            return Salvaged()
    try:
        source = sqlite3.connect(reader_uri(damaged), uri=True, isolation_level=None)
    except sqlite3.Error:
        return Salvaged()
    with contextlib.closing(source):
        source.set_progress_handler(breathe, _STEPS_A_BREATH)
        return salvage_held(source, good, breathe=breathe)


def salvage_held(
    source: sqlite3.Connection, good: sqlite3.Connection, *, breathe: Callable[[], int]
) -> Salvaged:
    """As `salvage`, through a connection that is open already."""
    text_factory = source.text_factory
    # As bytes: a spoiled text need not be valid UTF-8.
    source.text_factory = bytes
    try:
        rows, emptied = _append_rows(source, good, breathe)
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
            _repeat_erasures(source, good, breathe)
        for table in _other_tables(good):
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                _merge(source, good, table, breathe)
        return Salvaged(
            rows,
            emptied,
            claimed_seq=_number(source, "SELECT seq FROM audit_head", otherwise=0),
            list_version=_number(source, "SELECT version FROM list_state", otherwise=-1),
        )
    finally:
        source.text_factory = text_factory


def _append_rows(
    source: sqlite3.Connection, good: sqlite3.Connection, breathe: Callable[[], int]
) -> tuple[int, int]:
    last, rows, emptied = audit.read_head(good), 0, 0
    with contextlib.suppress(sqlite3.Error, TypeError, ValueError, OverflowError):
        for seq, ts_us, kind, salt, payload, digest, link in source.execute(
            "SELECT seq, ts_us, kind, salt, payload, payload_digest, link FROM audit "
            "WHERE seq > ? ORDER BY seq",
            (last.seq,),
        ):
            if rows % _ROWS_A_BREATH == 0:
                breathe()
            if not isinstance(seq, int) or not isinstance(ts_us, int) or not isinstance(kind, bytes):
                break
            name = kind.decode()
            if seq != last.seq + 1 or link != audit.chain_link(
                last.link, seq, ts_us=ts_us, kind=name, digest=digest
            ):
                break
            is_erased = payload is None and salt is None
            is_spoiled = not is_erased and (
                not isinstance(payload, bytes)
                or not isinstance(salt, bytes)
                or audit.payload_digest(salt, payload) != digest
            )
            if is_erased or is_spoiled:
                salt = payload = None
            good.execute(
                "INSERT INTO audit (seq, ts_us, kind, salt, payload, payload_digest, link) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (seq, ts_us, name, salt, None if payload is None else payload.decode(), digest, link),
            )
            last, rows, emptied = audit.Head(seq, link), rows + 1, emptied + is_spoiled
    good.execute("UPDATE audit_head SET seq = ?, link = ?", (last.seq, last.link))
    return rows, emptied


def _repeat_erasures(
    source: sqlite3.Connection, good: sqlite3.Connection, breathe: Callable[[], int]
) -> None:
    """An older copy must not bring back what was erased since."""
    erased = source.execute("SELECT seq, link FROM audit WHERE payload IS NULL AND salt IS NULL")
    for n, (seq, link) in enumerate(erased):
        if n % _ROWS_A_BREATH == 0:
            breathe()
        good.execute("UPDATE audit SET payload = NULL, salt = NULL WHERE seq = ? AND link = ?", (seq, link))


def note_emptied(good: sqlite3.Connection, *, now_us: int, breathe: Callable[[], int]) -> None:
    """Note the rows whose payload is gone and whose erasure no note tells of, as any erasure is noted.

    Args:
        good: its audit has every row from 1 on.
        breathe: as for `salvage`.
    """
    unnoted = bytearray(1)  # a byte a row: 1 where it is empty and no note behind it names it
    for is_empty, note in good.execute(
        "SELECT payload IS NULL, CASE WHEN kind = 'erasure' THEN payload END FROM audit ORDER BY seq"
    ):
        if len(unnoted) % _ROWS_A_BREATH == 0:
            breathe()
        for low, high in audit.noted_rows(note) if note is not None else ():
            unnoted[low : high + 1] = bytes(len(unnoted[low : high + 1]))
        unnoted.append(is_empty)
    seqs = [seq for seq, is_unnoted in enumerate(unnoted) if is_unnoted]
    breathe()
    if seqs:
        note = {"reason": "recovery", "rows": len(seqs), "seqs": audit.row_ranges(seqs)}
        audit.append(good, [audit.seal("erasure", note, now_us)])


def _other_tables(good: sqlite3.Connection) -> list[str]:
    names = good.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return [name for (name,) in names if name not in _PROVED]


def _merge(
    source: sqlite3.Connection, good: sqlite3.Connection, table: str, breathe: Callable[[], int]
) -> None:
    """Add the rows that are not there yet; one that does not fit is left out."""
    texts = {
        name
        for name, kind in good.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
        if kind.upper() == "TEXT"
    }
    cursor = source.execute(f'SELECT * FROM "{table}" LIMIT {_MOST_ROWS}')  # noqa: S608 - a name of the own schema
    columns = [field[0] for field in cursor.description]
    places = ", ".join("?" * len(columns))
    sql = f'INSERT OR IGNORE INTO "{table}" ({", ".join(columns)}) VALUES ({places})'  # noqa: S608 - as above
    for n, row in enumerate(cursor):
        if n % _ROWS_A_BREATH == 0:
            breathe()
        with contextlib.suppress(sqlite3.IntegrityError, UnicodeDecodeError):
            good.execute(
                sql,
                [
                    value.decode() if isinstance(value, bytes) and name in texts else value
                    for name, value in zip(columns, row, strict=True)
                ],
            )


def _number(source: sqlite3.Connection, sql: str, *, otherwise: int) -> int:
    with contextlib.suppress(sqlite3.Error, TypeError, ValueError):
        return int(source.execute(sql).fetchone()[0])
    return otherwise
