"""Bring what a damaged database still tells into a good one: whatever its hash chain proves, and no more."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pod.store import audit
from pod.store.connection import reader_uri

_PROVED = frozenset({"audit", "audit_head", "entry", "entry_gone", "list_import", "list_state"})
"""Audit and list have proofs of their own; what other tables hold is of use, and no harm where it is lost."""

_MOST_ROWS = 10_000_000
"""Of one table: a damaged tree may lead in a circle."""


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


def salvage(damaged: Path, good: sqlite3.Connection) -> Salvaged:
    """Read `damaged`, as far as it goes, into an open good database, inside the caller's transaction."""
    try:
        source = sqlite3.connect(reader_uri(damaged), uri=True, isolation_level=None)
    except sqlite3.Error:
        return Salvaged()
    with contextlib.closing(source):
        # As bytes: a spoiled text need not be valid UTF-8.
        source.text_factory = bytes
        rows, emptied = _append_rows(source, good)
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
            _repeat_erasures(source, good)
        for table in _other_tables(good):
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                _merge(source, good, table)
        return Salvaged(
            rows,
            emptied,
            claimed_seq=_number(source, "SELECT seq FROM audit_head", otherwise=0),
            list_version=_number(source, "SELECT version FROM list_state", otherwise=-1),
        )


def _append_rows(source: sqlite3.Connection, good: sqlite3.Connection) -> tuple[int, int]:
    last, rows, emptied = audit.read_head(good), 0, 0
    with contextlib.suppress(sqlite3.Error, TypeError, ValueError, OverflowError):
        for seq, ts_us, kind, salt, payload, digest, link in source.execute(
            "SELECT seq, ts_us, kind, salt, payload, payload_digest, link FROM audit "
            "WHERE seq > ? ORDER BY seq",
            (last.seq,),
        ):
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


def _repeat_erasures(source: sqlite3.Connection, good: sqlite3.Connection) -> None:
    """An older copy must not bring back what was erased since."""
    for seq, link in source.execute("SELECT seq, link FROM audit WHERE payload IS NULL AND salt IS NULL"):
        good.execute("UPDATE audit SET payload = NULL, salt = NULL WHERE seq = ? AND link = ?", (seq, link))


def note_emptied(good: sqlite3.Connection, *, now_us: int) -> None:
    """Note the rows whose payload is gone and whose erasure no note tells of, as any erasure is noted."""
    noted = [
        span
        for (payload,) in good.execute(
            "SELECT payload FROM audit WHERE kind = 'erasure' AND payload IS NOT NULL"
        )
        for span in audit.noted_rows(payload)
    ]
    empty = [seq for (seq,) in good.execute("SELECT seq FROM audit WHERE payload IS NULL ORDER BY seq")]
    seqs = [seq for seq in empty if not any(low <= seq <= high for low, high in noted)]
    if seqs:
        note = {"reason": "recovery", "rows": len(seqs), "seqs": audit.row_ranges(seqs)}
        audit.append(good, [audit.seal("erasure", note, now_us)])


def _other_tables(good: sqlite3.Connection) -> list[str]:
    names = good.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return [name for (name,) in names if name not in _PROVED]


def _merge(source: sqlite3.Connection, good: sqlite3.Connection, table: str) -> None:
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
    for row in cursor:
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
