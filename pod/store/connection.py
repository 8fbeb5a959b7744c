"""Open the database file, and turn SQLite's faults into StoreErrors that name the mend."""

import errno
import os
import sqlite3
import time
from pathlib import Path

from pod.domain.errors import StoreError
from pod.runtime.mounts import READ_ONLY_MEND, is_mounted_read_only
from pod.store.migrate import check_version
from pod.store.wal_index import allocate_wal_index

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another process to finish its transaction."""

_WAL_LIMIT_BYTES = 16 * 1024 * 1024


def connect_writer(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A connection that commits durably (WAL, synchronous FULL); creates the file where there is none.

    Transactions are the caller's: the connection is in autocommit mode. It may be handed to another thread.

    Raises:
        StoreError: the directory or file can't be used.
    """
    _check_place(path)
    _create_private(path)
    try:
        conn = sqlite3.connect(
            path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            _use_wal(conn, deadline_s=time.monotonic() + busy_timeout_s)
            conn.execute("PRAGMA synchronous = FULL")
            conn.execute("PRAGMA foreign_keys = ON")
            # What is deleted is overwritten: an erased plate must not stay legible in the file's free space.
            conn.execute("PRAGMA secure_delete = ON")
            conn.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
            _hold_index(conn, path)
        except BaseException:
            conn.close()
            raise
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    return conn


def connect_reader(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection that can only read; sees each commit of the writers, never half of one.

    Args:
        any_thread: whether others than this one may use it, one at a time.

    Raises:
        StoreError: there is no such database, or it can't be read.
    """
    check_readable(path)
    try:
        conn = sqlite3.connect(
            reader_uri(path),
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
        try:
            check_version(conn)
            _hold_index(conn, path)
        except BaseException:
            conn.close()
            raise
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from error
    return conn


def check_readable(path: Path) -> None:
    """Raises: StoreError: there is no database file that this user may read."""
    try:
        found = path.is_file()
    except OSError as error:
        raise StoreError(
            f"{path} cannot be reached ({error.strerror}): run as its owner, or as root"
        ) from error
    if not found:
        raise StoreError(
            f"there is no database at {path}: start the pod or add a plate once, or name another place"
        )
    if not os.access(path, os.R_OK):
        raise StoreError(f"{path} may not be read by this user: run as its owner ({_owner(path)}) or as root")


def reader_uri(path: Path) -> str:
    """The SQLite URI that opens `path` for reading only."""
    return f"{path.absolute().as_uri()}?mode=ro"


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """The fault in words an operator can act on."""
    # The low byte is the primary code; extended codes (SQLITE_IOERR_WRITE, ...) add to it.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    mend = _MENDS.get(code)
    if code in _MAYBE_READ_ONLY and is_mounted_read_only(path):
        mend = READ_ONLY_MEND
    if mend is None:
        return StoreError(f"{path}: the database refused: {error}")
    return StoreError(f"{path}: {mend} ({error})")


_BUSY = "another process holds the database: wait for it to end, or stop it, then try again"
_NO_WRITE = "the database may not be written: give this user write access to it and its directory"
_MENDS = {
    sqlite3.SQLITE_FULL: "the disk is full: free space on it; nothing of this change was written",
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: _NO_WRITE,
    sqlite3.SQLITE_PERM: _NO_WRITE,
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened: give this user access to it and its directory",
    sqlite3.SQLITE_NOTADB: "this is not a database: move it away, or put back the file that belongs here",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: move it away and put back the last good copy",
    sqlite3.SQLITE_IOERR: "the disk does not read or write: check disk, cable or card, and the system log",
}
_MAYBE_READ_ONLY = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
}


def _check_place(path: Path) -> None:
    directory = path.parent
    try:
        _check_directory(directory)
        if path.is_dir():
            raise StoreError(f"{path} is a directory: move it away, the database belongs there")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            if is_mounted_read_only(path):
                raise StoreError(f"{path} cannot be written: {READ_ONLY_MEND}")
            raise StoreError(f"{path} may not be written by this user: run as its owner ({_owner(path)})")
    except OSError as error:
        raise StoreError(
            f"the data directory {directory} cannot be looked into ({error.strerror}): "
            "run as its owner, or set another data_dir"
        ) from error


def _check_directory(directory: Path) -> None:
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise StoreError(f"the data directory {directory} {what}: create it, or set another data_dir")
    if not os.access(directory, os.W_OK | os.X_OK):
        if is_mounted_read_only(directory):
            raise StoreError(f"the data directory {directory} cannot be written: {READ_ONLY_MEND}")
        raise StoreError(
            f"the data directory {directory} may not be written by this user: "
            f"run as its owner ({_owner(directory)}) or set another data_dir"
        )


def _create_private(path: Path) -> None:
    """Plates are personal data: the file is its owner's alone, and the owner is the directory's."""
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"{path} cannot be created ({error.strerror}): make room, or make the data directory writable"
        ) from error
    try:
        if os.geteuid() == 0:
            # `sudo platebridge plates add` before the first start must not lock the service's user out.
            place = path.parent.stat()
            os.fchown(fd, place.st_uid, place.st_gid)
    finally:
        os.close(fd)


def _use_wal(conn: sqlite3.Connection, *, deadline_s: float) -> None:
    """SQLite does not wait for a lock while it changes the journal mode, so this does."""
    while True:
        try:
            (mode,) = conn.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise sqlite3.OperationalError(f"the file system offers no write-ahead log, only {mode}")
        return


def _hold_index(conn: sqlite3.Connection, path: Path) -> None:
    try:
        allocate_wal_index(conn, path)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        mend = _MENDS[sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_IOERR]
        raise StoreError(f"{path}: {mend} ({error.strerror})") from error


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # a user without a name, as of a container
        return f"user number {path.stat().st_uid}"
