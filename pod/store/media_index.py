"""Look up kept pictures and clips; reads only, beside whoever writes."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pod.store.connection import connect_reader, store_error
from pod.store.media_folder import MediaFolder, MediaKind, PictureKind
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


@dataclass(frozen=True, slots=True)
class ClipItem:
    """One clip.

    Attributes:
        revision: the step of the approach that began it.
        at: when that step was made, aware UTC.
        bytes: 0 while it is recorded.
        plate_at_s: when in the clip the plate was seen best.
        duration_s: None while it is recorded; what is there can be played all the same.
    """

    id: int
    approach: str
    revision: int
    camera: str
    at: datetime
    bytes: int
    known: bool
    codec: Literal["h264", "hevc"]
    plate_at_s: float
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class MediaPlace:
    """The file of a picture or clip, and what it shows."""

    path: Path
    approach: str
    camera: str
    kind: MediaKind
    at: datetime


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
            "WHERE approach = ? AND kind <> 'clip' ORDER BY revision, kind DESC, id"
        )
        rows = self._rows_of_each(sql, approaches)
        found: dict[str, tuple[MediaItem, ...]] = {}
        for number, of, revision, camera, kind, ts_us, size, known, name in rows:
            if self._files.path(name) is not None:
                item = MediaItem(number, of, revision, camera, kind, from_us(ts_us), size, bool(known))
                found[of] = (*found.get(of, ()), item)
        return found

    def clips(self, approach: str) -> tuple[ClipItem, ...]:
        """The clips of an approach, oldest first; empty where none is kept."""
        rows = self._rows(
            "SELECT id, revision, camera, ts_us, bytes, known, codec, plate_at_ms, duration_ms, path "
            "FROM media WHERE approach = ? AND kind = 'clip' ORDER BY id",
            approach,
        )
        return tuple(
            ClipItem(
                number,
                approach,
                revision,
                camera,
                from_us(ts_us),
                size,
                bool(known),
                codec,
                plate_at_s=plate_at_ms / 1000,
                duration_s=None if duration_ms is None else duration_ms / 1000,
            )
            for number, revision, camera, ts_us, size, known, codec, plate_at_ms, duration_ms, name in rows
            if self._files.path(name) is not None
        )

    def place(self, media_id: int) -> MediaPlace | None:
        """Where a picture or clip is, and of what; None where there is none any more."""
        rows = self._rows("SELECT path, approach, camera, kind, ts_us FROM media WHERE id = ?", media_id)
        if not rows:
            return None
        name, approach, camera, kind, ts_us = rows[0]
        path = self._files.path(name)
        return None if path is None else MediaPlace(path, approach, camera, kind, from_us(ts_us))

    def path(self, media_id: int) -> Path | None:
        """The file of a picture or clip; None where there is none any more."""
        place = self.place(media_id)
        return None if place is None else place.path

    def names_of(self, approach: str) -> list[str]:
        """The files of an approach, there or not."""
        return [name for (name,) in self._rows("SELECT path FROM media WHERE approach = ?", approach)]

    def sizes(self) -> dict[str, int]:
        """Every file that should be there, with its bytes; -1 for a clip that is not finished."""
        sql = "SELECT path, iif(kind = 'clip' AND duration_ms IS NULL, -1, bytes) FROM media"
        return dict(self._rows(sql))

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
