"""Give the write-ahead log's index its place on the disk before anything is written into it."""

import fcntl
import os
import sqlite3
from pathlib import Path

_ROOM_BYTES = 128 * 1024
"""The index of a log of 64 MiB, four times of what `journal_size_limit` keeps."""

_SQLITE_PAGE_BYTES = 4096


def allocate_wal_index(conn: sqlite3.Connection, path: Path) -> None:
    """Allocate every block of `path`-shm, which the open `conn` has mapped.

    SQLite writes into this file through a mapping. It makes sure of room by writing one byte of each 4 KiB,
    which leaves holes where the file system's blocks are smaller (ext4's are 1 KiB on a small partition). The
    first store into such a hole on a full disk ends the process with SIGBUS, and the gate with it.

    Raises:
        OSError: there is no room for it (ENOSPC), or the disk does not write.
    """
    # Closing any other descriptor of this file would drop SQLite's locks on it, so its own is used.
    index = _own_descriptor(conn, path.with_name(f"{path.name}-shm"))
    if index is None or os.fstatvfs(index).f_frsize >= _SQLITE_PAGE_BYTES:
        return
    if os.fstat(index).st_blocks * 512 < _ROOM_BYTES:
        os.posix_fallocate(index, 0, _ROOM_BYTES)


def _own_descriptor(conn: sqlite3.Connection, file: Path) -> int | None:
    """The descriptor that SQLite writes `file` with; None where it has none."""
    # The index is opened with the first read, not with the connection.
    conn.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    try:
        sought = file.stat()
    except FileNotFoundError:
        return None
    for entry in Path("/proc/self/fd").iterdir():
        descriptor = int(entry.name)
        try:
            found = os.fstat(descriptor)
        except OSError:  # closed meanwhile, as the listing's own is
            continue
        if (found.st_dev, found.st_ino) == (sought.st_dev, sought.st_ino) and _is_writable(descriptor):
            return descriptor
    return None


def _is_writable(descriptor: int) -> bool:
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
