"""What putting a backup back would change: whom it lets in again, what it drops, whose it is."""

import contextlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.copies import open_copy

_UNTOLD = frozenset({"id", "version", "brought_by", "ended_by", "cloud_id", "cloud_hash", "cloud_uses"})
"""Columns of an entry that say nothing about who gets in when."""

_Entries = dict[tuple[str, str], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Preview:
    """The database as it is against the backup.

    Attributes:
        comes: plates of entries that come onto the list, those that deny marked so.
        goes: plates of entries that go from it.
        changes: plates of entries that hold again as they did, such as with uses that were taken since.
        rows_dropped: audit rows of the database that the backup does not have.
        is_of_another: the backup's audit began with another row: it is another POD's, or of before this one's
            audit had to begin anew.
        unread: why the database can't be compared; empty where it was, or where there is none.
    """

    comes: tuple[str, ...] = ()
    goes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    rows_dropped: int = 0
    is_of_another: bool = False
    unread: str = ""


def preview(database: Path, backup: Path) -> Preview:
    """Compare; writes nothing.

    Args:
        backup: one that `backup.examine` found whole.
    """
    if not database.exists():
        return Preview()
    try:
        with closing(connect_reader(database)) as now, open_copy(backup) as then:
            return _compare(now, then)
    except (StoreError, sqlite3.Error, UnicodeDecodeError) as error:
        return Preview(unread=str(error))


def _compare(now: sqlite3.Connection, then: sqlite3.Connection) -> Preview:
    held, kept = _entries(now), _entries(then)
    common = held.keys() & kept.keys()
    is_of_another = _first_link(now) != _first_link(then)
    end = audit.read_head(now).seq
    return Preview(
        comes=_named(kept.keys() - held.keys()),
        goes=_named(held.keys() - kept.keys()),
        changes=_named({name for name in common if _differ(held[name], kept[name])}),
        rows_dropped=end if is_of_another else max(0, end - audit.read_head(then).seq),
        is_of_another=is_of_another,
    )


def _entries(conn: sqlite3.Connection) -> _Entries:
    """The entries in force; a backup of an older schema has no staged ones."""
    for source in ("entry_in_force", "entry"):
        with contextlib.suppress(sqlite3.OperationalError):
            cursor = conn.execute(f"SELECT * FROM {source}")  # noqa: S608 - names from the line above
            names = [field[0] for field in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            return {(str(row["plate"]), str(row["verdict"])): row for row in rows}
    return {}


def _differ(one: dict[str, object], other: dict[str, object]) -> bool:
    return any(one[name] != other[name] for name in one.keys() & other.keys() - _UNTOLD)


def _named(entries: set[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(plate if verdict == "allow" else f"{plate} (denied)" for plate, verdict in sorted(entries))


def _first_link(conn: sqlite3.Connection) -> bytes | None:
    found = conn.execute("SELECT link FROM audit WHERE seq = 1").fetchone()
    return None if found is None else bytes(found[0])
