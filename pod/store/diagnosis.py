"""Is this database whole? Structure by SQLite, the list by its copy, the audit's newer part by its chain."""

import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pod.domain.errors import StoreError
from pod.runtime.mounts import is_mounted_read_only
from pod.store import audit, list_copy
from pod.store.head_note import HeadNote
from pod.store.migrate import SchemaError

TAIL_ROWS = 20_000
"""Rows from the end whose links are recomputed at every start; copies are verified from the first row on."""

_MOST_ROWS = 10_000_000
"""Of one table: a damaged tree may lead in a circle."""

FAULT_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""What SQLite says of a damaged file."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a database can't be trusted; `reason` is for people."""

    reason: str


class SpoiledError(sqlite3.DatabaseError):
    """The database was read whole, and found damaged."""


def is_damage(error: sqlite3.Error, *, sql_is_sound: bool = False) -> bool:
    """Whether SQLite's error tells of a damaged file, not of a disk or of another process.

    Args:
        sql_is_sound: the statement fits the schema, so that an error in it is one of the file.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Of Python's module itself: text that is no text any more.
        return isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in FAULT_CODES or (sql_is_sound and code & 0xFF == sqlite3.SQLITE_ERROR)


def damage_in(error: BaseException) -> SpoiledError | None:
    """What a failed reading of the database that a POD has open says of damage; None where it says nothing.

    A schema that is not the POD's own is damage, too: it was, when the POD opened the file.
    """
    cause = error.__cause__ if isinstance(error, StoreError) else error
    if isinstance(cause, SpoiledError):
        return cause
    is_spoiled = isinstance(cause, SchemaError | UnicodeDecodeError) or (
        isinstance(cause, sqlite3.Error) and is_damage(cause, sql_is_sound=True)
    )
    return SpoiledError(str(cause)) if is_spoiled else None


def is_spoiled_head(path: Path, error: BaseException | None) -> bool:
    """Whether the file's own head keeps it from being opened for writing, not its disk or its rights."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_READONLY:
        # A version in the head that SQLite doesn't know makes the file readable only.
        return os.access(path, os.W_OK) and not is_mounted_read_only(path)
    return is_damage(error, sql_is_sound=True)


def find_damage(conn: sqlite3.Connection, folder: Path) -> Damage | None:
    """What is wrong with an open database of the current schema; None where nothing is.

    Args:
        folder: where list copy and note lie.

    Raises:
        sqlite3.Error: it can't be read, by no damage of its own.
    """
    try:
        read_through(conn)
        return _structure(conn) or _list(conn, folder) or _chain(conn) or _end(conn, folder)
    except sqlite3.Error as error:
        if is_damage(error, sql_is_sound=True):
            return Damage(str(error))
        raise
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        return Damage(f"a row holds what no row can hold ({error})")


def read_through(conn: sqlite3.Connection) -> None:
    """Read every row once, so that the file lies in memory for `quick_check`.

    That visits all pages in one go, in which SQLite calls no progress handler: on a slow card it would look
    like a hanging thread. A file of one's own is no way: closing it would drop the locks of this process.

    Raises:
        sqlite3.Error: it can't be read.
    """
    text_factory = conn.text_factory
    conn.text_factory = bytes  # what is no text any more is not this function's to tell
    try:
        names = conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in names:
            quoted = name.decode(errors="replace").replace('"', '""')
            rows = conn.execute(f'SELECT * FROM "{quoted}" LIMIT {_MOST_ROWS}')  # noqa: S608 - a name of the schema
            for _ in rows:
                pass
    finally:
        conn.text_factory = text_factory


def _structure(conn: sqlite3.Connection) -> Damage | None:
    (answer,) = conn.execute("PRAGMA quick_check(1)").fetchone()
    return None if answer == "ok" else Damage(str(answer).splitlines()[-1])


def _list(conn: sqlite3.Connection, folder: Path) -> Damage | None:
    """The list's own rows have no chain: at the version of the copy they must be the copy's."""
    copy = list_copy.find(folder)
    conn.execute("BEGIN")
    try:
        held = list_copy.read_list(conn, now_us=0)
    finally:
        conn.execute("ROLLBACK")
    difference = "" if copy is None else copy.contradiction(held)
    return Damage(difference) if difference else None


def _chain(conn: sqlite3.Connection) -> Damage | None:
    head = audit.read_head(conn)
    found = conn.execute("SELECT seq, link FROM audit WHERE seq = ?", (head.seq - TAIL_ROWS,)).fetchone()
    result = audit.verify(conn, after=None if found is None else audit.Head(*found))
    return None if result.ok else Damage(f"the audit is damaged: {result.reason}")


def _end(conn: sqlite3.Connection, folder: Path) -> Damage | None:
    noted_seq = HeadNote(folder).read().seq
    missing = noted_seq - audit.read_head(conn).seq
    if missing <= 0 or noted_seq <= _told_lost(conn):
        return None
    return Damage(f"the last {missing} rows of the audit are gone")


def _told_lost(conn: sqlite3.Connection) -> int:
    """Up to which row a recovery has told already of what is lost; a crash can leave an older note behind."""
    found = conn.execute(
        "SELECT payload FROM audit WHERE kind = 'recovery' AND payload IS NOT NULL ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    seq = json.loads(found[0]).get("known_seq") if found is not None else None
    return seq if isinstance(seq, int) else 0
