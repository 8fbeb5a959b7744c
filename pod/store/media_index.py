"""Look up kept pictures; reads only, beside whoever writes."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pod.store.connection import connect_reader, store_error
from pod.store.media_folder import MediaFolder, PictureKind
from pod.store.moments import from_us


@dataclass(frozen=True, slots=True)
class MediaItem:
    """One kept picture.

    Attributes:
        kind: "scene" (the whole view) or "plate" (the plate alone).
        at: aware UTC.
        known: whether the plate had an entry of the list.
    """

    id: int
    approach: str
    revision: int
    camera: str
    kind: PictureKind
    at: datetime
    bytes: int
    known: bool


class MediaIndex:
    """The index in a database, of the files in a folder. Any thread may call; each call reads the disk.

    Every method raises StoreError where the index can't be read.
    """

    def __init__(self, database: Path, files: MediaFolder) -> None:
        self._database = database
        self._files = files

    def find(self, approach: str) -> tuple[MediaItem, ...]:
        """The pictures of an approach, by revision, the scene first; empty where none is kept."""
        return self.find_all([approach]).get(approach, ())

    def find_all(self, approaches: Iterable[str]) -> dict[str, tuple[MediaItem, ...]]:
        """As `find`, for many approaches at once; those without a picture are left out."""
        sql = (
            "SELECT id, approach, revision, camera, kind, ts_us, bytes, known, path FROM media "
            "WHERE approach = ? ORDER BY revision, kind DESC, id"
        )
        rows = self._rows_of_each(sql, approaches)
        found: dict[str, tuple[MediaItem, ...]] = {}
        for number, of, revision, camera, kind, ts_us, size, known, name in rows:
            if self._files.path(name) is not None:
                item = MediaItem(number, of, revision, camera, kind, from_us(ts_us), size, bool(known))
                found[of] = (*found.get(of, ()), item)
        return found

    def path(self, media_id: int) -> Path | None:
        """The file of a picture; None where there is none any more."""
        rows = self._rows("SELECT path FROM media WHERE id = ?", media_id)
        return self._files.path(rows[0][0]) if rows else None

    def names_of(self, approach: str) -> list[str]:
        """The files of an approach, there or not."""
        return [name for (name,) in self._rows("SELECT path FROM media WHERE approach = ?", approach)]

    def sizes(self) -> dict[str, int]:
        """Every file that should be there, with its bytes."""
        return dict(self._rows("SELECT path, bytes FROM media"))

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._reading() as conn:
            return conn.execute(sql, values).fetchall()

    def _rows_of_each(self, sql: str, values: Iterable[str]) -> list[Any]:
        """The rows of one question asked for each value, on one connection."""
        with self._reading() as conn:
            return [row for value in values for row in conn.execute(sql, (value,))]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        # A connection of its own each time: the database file may be replaced while the pod runs.
        with contextlib.closing(connect_reader(self._database)) as conn:
            try:
                yield conn
            except sqlite3.Error as error:
                raise store_error(self._database, error) from error
