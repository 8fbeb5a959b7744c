"""Open the database under its name for writing, at this program's schema, and remember which file that is."""

import sqlite3
from pathlib import Path

from pod.store.connection import connect_writer
from pod.store.file_place import FilePlace
from pod.store.migrate import migrate


def open_current(path: Path, place: FilePlace, *, busy_timeout_s: float) -> sqlite3.Connection:
    """A writing connection; `place` knows the file from then on.

    Raises:
        StoreError, sqlite3.Error: the file can't be used.
    """
    conn = connect_writer(path, busy_timeout_s=busy_timeout_s)
    try:
        migrate(conn)
        place.remember()
    except BaseException:
        conn.close()
        raise
    return conn
