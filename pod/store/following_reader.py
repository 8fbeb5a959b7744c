"""Read the database for one part that asks often: one connection, which follows a file that is exchanged."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pod.store.connection import connect_reader, store_error
from pod.store.file_place import FileMovedError, FilePlace


class FollowingReader:
    """Answers from the file that is under the name now; any thread may ask, one at a time is answered.

    Each question is a transaction of its own, so that nothing that is read here keeps the log from being
    brought into the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = FilePlace(path)
        self._lock = threading.Lock()
        self._conn: sqlite3.Connection | None = None

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of the answer.

        Raises:
            StoreError: the file can't be read.
        """
        with self._lock:
            try:
                return self._connected().execute(sql, values).fetchall()
            except sqlite3.Error as error:
                self._drop()
                raise store_error(self._path, error) from error

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _connected(self) -> sqlite3.Connection:
        if self._conn is not None:
            try:
                self._place.check()
            except FileMovedError:
                self._drop()
        if self._conn is None:
            # In this order: a file that is exchanged in between is found moved at the next question.
            self._place.remember()
            self._conn = connect_reader(self._path, any_thread=True)
        return self._conn

    def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
