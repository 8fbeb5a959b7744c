"""Good copies of the database: taken beside the writer, verified from the first row to the last, two kept."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import audit
from pod.store.connection import check_readable, connect_reader, store_error
from pod.store.diagnosis import read_through
from pod.store.migrate import check_version
from pod.store.private_file import create_private, fsync_directory, fsync_file

FOLDER = "backups"
"""Where copies, list copies and the note of the chain's end lie, in the data directory."""

KEPT = 2

_NAME = "pod-%Y%m%dT%H%M%S.%fZ.db"
_OF_TARGET = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
    }
)
"""What SQLite says of the file that is written; the other is only read."""

_STEPS_A_BREATH = 20_000
"""Steps of SQLite's machine between two breaths."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was verified when it was made.

    Attributes:
        at: aware UTC.
    """

    path: Path
    at: datetime


def find_copies(folder: Path) -> tuple[Copy, ...]:
    """The copies in a folder, newest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in folder.glob("pod-*.db"):
            with contextlib.suppress(ValueError):
                found.append(Copy(path, datetime.strptime(path.name, _NAME).replace(tzinfo=UTC)))
    return tuple(sorted(found, key=lambda copy: copy.at, reverse=True))


def make_copy(
    database: Path, folder: Path, *, now: datetime, spare_bytes: int, breathe: Callable[[], int]
) -> Copy:
    """Copy the database as it is at one moment, verify the copy, and let the oldest go.

    Args:
        spare_bytes: free space that the copy must leave to the database itself.
        breathe: called often, to let others have the processor; non-zero gives the copy up.

    Raises:
        StoreError: the copy could not be made, or the database is damaged.
    """
    with contextlib.suppress(OSError):
        if shutil.disk_usage(folder).free < database.stat().st_size + spare_bytes:
            raise StoreError(f"{folder}: the disk has no room for a copy of the database: free space on it")
    copy = Copy(folder / now.strftime(_NAME), now)
    write_copy(database, copy.path, breathe=breathe)
    for old in find_copies(folder)[KEPT:]:
        with contextlib.suppress(OSError):
            old.path.unlink()
    return copy


def write_copy(
    database: Path,
    target: Path,
    *,
    breathe: Callable[[], int],
    finish: Callable[[sqlite3.Connection], None] = lambda conn: None,
) -> audit.VerifyResult:
    """Copy a database that may be in use to a new private file, which appears when it is whole and verified.

    Args:
        finish: adds to the copy.

    Raises:
        StoreError: it can't be written, or the database is damaged; there is no `target` then.
    """
    fresh = target.with_name(target.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        os.close(create_private(fresh))
        with closing(connect_reader(database)) as source, closing(sqlite3.connect(fresh)) as conn:
            source.set_progress_handler(breathe, _STEPS_A_BREATH)
            # In one step: a copy in many steps starts anew with every row that is written meanwhile.
            source.backup(conn)
            # One file, that needs no log beside it to be read.
            conn.execute("PRAGMA journal_mode = DELETE")
            finish(conn)
            conn.commit()
        result = verify_copy(fresh, breathe=breathe)
        fsync_file(fresh)
        fresh.replace(target)
        fsync_directory(target.parent)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) in _OF_TARGET:
            raise StoreError(f"{target} cannot be written ({error}): name a place with room") from error
        raise store_error(database, error) from error
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror}): name a place with room") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    return result


def verify_copy(path: Path, *, breathe: Callable[[], int]) -> audit.VerifyResult:
    """Read a copy whole: its structure, that its schema is of today, every link of its chain.

    Raises:
        StoreError: it is not whole, or of another program or version.
    """
    try:
        with open_copy(path) as conn:
            check_version(conn)
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    return verify_structure(path, breathe=breathe)


def verify_structure(path: Path, *, breathe: Callable[[], int]) -> audit.VerifyResult:
    """As `verify_copy`, whatever the version of the schema.

    Raises:
        StoreError: it is not whole, or has no audit.
    """
    try:
        check_readable(path)
        with open_copy(path) as conn:
            conn.set_progress_handler(breathe, _STEPS_A_BREATH)
            read_through(conn)
            (answer,) = conn.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise StoreError(f"{path} is damaged: {answer}")
            result = audit.verify(conn)
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    except UnicodeDecodeError as error:  # SQLite's words about a spoilt schema quote its bytes
        raise StoreError(f"{path} is damaged: a name in it is no text ({error.reason})") from error
    if not result.ok:
        raise StoreError(f"{path} is damaged: {result.reason}")
    return result


@contextlib.contextmanager
def open_copy(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy that nobody writes; leaves no files beside it.

    Raises:
        sqlite3.Error: it can't be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as conn:
        yield conn


def clear_unfinished(folder: Path) -> None:
    """Delete what a crash left of copies that were under way."""
    with contextlib.suppress(OSError):
        for path in folder.glob("pod-*.new"):
            path.unlink(missing_ok=True)
