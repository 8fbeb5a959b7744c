"""The pictures and clips of events: files in one folder under a quota, with their index in the database.

A file is there before its row, and gone before it: at worst a crash leaves a file or a row alone, and `tidy`
clears both away. No lock is held while the database is waited for, so its writer may ask for room here.
"""

import contextlib
import functools
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from pod.domain.errors import StoreError
from pod.runtime.mounts import READ_ONLY_MEND, is_mounted_read_only
from pod.store.media_clip import ClipFile
from pod.store.media_folder import CLIP_SUFFIX, MediaFolder, PictureKind, new_clip_name, new_names
from pod.store.media_index import ClipItem, MediaIndex, MediaItem, MediaPlace
from pod.store.media_room import MediaRoom, NoRoomError
from pod.store.moments import to_us
from pod.store.store import Store

log = logging.getLogger(__name__)

FOLDER_NAME = "media"
"""The folder's name in the data directory."""

MAX_REVISIONS = 4
"""Steps of one approach whose pictures are kept: the first, and the newest."""

MAX_CLIPS = 3
"""Clips of one approach that are kept: the first, and the newest."""

_INDEX_TIMEOUT_S = 10.0
_EMPTY_DAY_AGE_S = 60.0
_ROWS_A_JOB = 200
_PICTURES_OF_STEP_SQL = "{} FROM media WHERE approach = ? AND revision = ? AND kind <> 'clip'"

Seal = Callable[[Path], tuple[int, int] | None]
"""Finishes the file of a clip, which a crash may have cut short; returns its bytes and milliseconds, None
where there is nothing in it to play. Raises OSError."""


class MediaStore:
    """Keeps pictures and clips within a quota, and gives way where the disk gets short. Any thread may call.

    Args:
        folder: created with the first picture; its parent must exist.
        quota_bytes: the files never hold more.
        min_free_bytes: where the file system has less than this left, old files go, and no new one comes.
        seal: finishes clips; None where this store is only asked, or deletes.
    """

    def __init__(
        self, folder: Path, store: Store, *, quota_bytes: int, min_free_bytes: int, seal: Seal | None = None
    ) -> None:
        self._files = MediaFolder(folder)
        self._index = MediaIndex(store.path, self._files)
        self._store = store
        self._seal = seal
        self._room = MediaRoom(self._files, quota_bytes=quota_bytes, min_free_bytes=min_free_bytes)

    @property
    def folder(self) -> Path:
        return self._files.folder

    @property
    def kept_bytes(self) -> int:
        """What the files hold, as far as this process knows; exact after `tidy`."""
        return self._room.held_bytes

    @property
    def evicted(self) -> int:
        """Files deleted to make room, since the start."""
        return self._room.evicted

    def keep(
        self,
        approach: str,
        revision: int,
        *,
        camera: str,
        at: datetime,
        known: bool,
        pictures: Mapping[PictureKind, bytes],
    ) -> None:
        """Keep the pictures of one step of an approach, all or none. Blocks; not for the writer's thread.

        Raises:
            StoreError: nothing was kept; the text names the mend.
        """
        names = new_names(pictures, at=at, known=known)
        try:
            self._files.make()
            gone = self._room.make_way(sum(map(len, pictures.values())))
            self._room.begin(names.values())
            for kind, picture in pictures.items():
                self._files.write(names[kind], picture)
                self._room.grew(len(picture))
        except NoRoomError as error:
            self._forget(error.gone)
            raise
        except OSError as error:
            self._drop(names.values())
            raise self._fault(error) from error
        rows = [
            (approach, revision, camera, kind, to_us(at), len(pictures[kind]), name, int(known))
            for kind, name in names.items()
        ]

        def index(conn: sqlite3.Connection) -> list[str]:
            _delete_rows(conn, gone)
            conn.executemany(
                "INSERT INTO media (approach, revision, camera, kind, ts_us, bytes, path, known) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            return _take_surplus(conn, approach)

        try:
            surplus = self._store.wait_for(self._store.submit(index), _INDEX_TIMEOUT_S)
        except StoreError:
            self._drop(names.values())
            raise
        self._room.end(names.values())
        self._drop(surplus)

    def begin_clip(
        self,
        approach: str,
        revision: int,
        *,
        camera: str,
        at: datetime,
        known: bool,
        codec: str,
        plate_at_ms: int,
    ) -> ClipFile:
        """Begin to record a clip: its row is on its way, its file there and empty.

        Args:
            plate_at_ms: when in the clip the plate was seen best.

        Raises:
            StoreError: nothing was begun; the text names the mend.
        """
        name = new_clip_name(at=at, known=known)
        try:
            self._files.make()
            file = ClipFile(
                name,
                self._files,
                self._room,
                forget=self._forget_soon,
                finished=lambda name: self._finish_clip(name, approach),
                fault=self._fault,
            )
        except OSError as error:
            raise self._fault(error) from error
        row = (approach, revision, camera, to_us(at), name, int(known), codec, plate_at_ms)

        def index(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT INTO media (approach, revision, camera, kind, ts_us, bytes, path, known, codec, "
                "plate_at_ms) VALUES (?, ?, ?, 'clip', ?, 0, ?, ?, ?, ?)",
                row,
            )

        try:
            # Not waited for: a database that is slow now may well have the row by the clip's end.
            self._store.submit(index)
        except StoreError:
            file.drop()
            raise
        return file

    def find(self, approach: str) -> tuple[MediaItem, ...]:
        """As `MediaIndex.find`."""
        return self._index.find(approach)

    def find_all(self, approaches: Iterable[str]) -> dict[str, tuple[MediaItem, ...]]:
        """As `MediaIndex.find_all`."""
        return self._index.find_all(approaches)

    def clips(self, approach: str) -> tuple[ClipItem, ...]:
        """As `MediaIndex.clips`."""
        return self._index.clips(approach)

    def place(self, media_id: int) -> MediaPlace | None:
        """As `MediaIndex.place`."""
        return self._index.place(media_id)

    def path(self, media_id: int) -> Path | None:
        """As `MediaIndex.path`."""
        return self._index.path(media_id)

    def make_room(self, need_bytes: int) -> int:
        """Delete the oldest pictures and clips until that much is freed; returns the bytes freed.

        Needs neither the database nor its writer: both may be stuck for want of room. The rows go with the
        next `tidy`; meanwhile nobody is shown them.
        """
        try:
            return self._room.evict(need_bytes, spared=set())[0]
        except OSError as error:
            log.error("%s: no picture can be deleted to make room: %s", self.folder, error)
            return 0

    def expire(self, *, known_before: datetime, unknown_before: datetime) -> int:
        """Delete pictures and clips taken before these moments (aware UTC); returns how many.

        Raises:
            StoreError: a file can't be deleted, or the index can't be written.
        """
        gone: list[str] = []
        try:
            for known, before in ((False, unknown_before), (True, known_before)):
                for kept in self._files.oldest_of(known=known):
                    if kept.ts_us >= to_us(before):
                        break
                    self._room.remove(kept.name)
                    gone.append(kept.name)
        except OSError as error:
            raise self._fault(error) from error
        finally:
            self._forget(gone)
        return len(gone)

    def erase(self, approaches: Iterable[str]) -> int:
        """Delete every picture and clip of these approaches; returns how many.

        Raises:
            StoreError: a file can't be deleted, or the index can't be read or written.
        """
        gone: list[str] = []
        try:
            for approach in approaches:
                for name in self._index.names_of(approach):
                    self._room.remove(name)
                    gone.append(name)
        except OSError as error:
            raise self._fault(error) from error
        finally:
            self._forget(gone)
        return len(gone)

    def tidy(self) -> None:
        """Clear away what a crash left: files without a row or cut short, rows without their file.

        Counts the bytes anew, too, and gives way where the disk got short. For the start, and now and then.

        Raises:
            StoreError: the folder or the index can't be read; nothing is cleared away then.
        """
        try:
            self._files.make()
            self._files.clear_days(older_than_s=_EMPTY_DAY_AGE_S)
            sizes = self._files.sizes()
            # In this order: a file that is being kept is either among these or has its row already.
            fresh = self._room.unfinished()
            indexed = self._index.sizes()
            for name in [n for n, size in sizes.items() if indexed.get(n) != size and n not in fresh]:
                size = self._files.size(name)
                if size is not None and (size == indexed.get(name) or self._mend_clip(name, indexed)):
                    sizes[name] = self._files.size(name) or 0  # it was written meanwhile, or is whole again
                else:
                    self._files.remove(name)
                    del sizes[name]
            self._room.recount(sum(sizes.values()))
            missing = [name for name in indexed if self._files.path(name) is None]
            missing += self._room.make_way(0)
        except OSError as error:
            raise self._fault(error) from error
        self._forget(missing)

    def _mend_clip(self, name: str, indexed: Mapping[str, int]) -> bool:
        """Finish a clip that a crash left; False where it has no row, or nothing plays. Raises OSError."""
        if not name.endswith(CLIP_SUFFIX) or name not in indexed or self._seal is None:
            return False
        return self._complete(name)

    def _finish_clip(self, name: str, approach: str) -> None:
        """Raises StoreError: the clip is not kept."""
        if not self._complete(name):
            self._forget([name])
            raise StoreError(
                f"{self.folder}: nothing is left of a clip: it was deleted while it was recorded"
            )
        job = functools.partial(_take_surplus_clips, approach=approach)
        self._drop(self._store.wait_for(self._store.submit(job), _INDEX_TIMEOUT_S))

    def _complete(self, name: str) -> bool:
        """Finish a clip's file and its row; False where one of them is gone, or nothing in it plays."""
        path = self._files.path(name)
        if path is None or self._seal is None:
            return False
        try:
            sealed = self._seal(path)
        except FileNotFoundError:
            return False
        if sealed is None:
            return False

        def complete(conn: sqlite3.Connection) -> bool:
            sql = "UPDATE media SET bytes = ?, duration_ms = ? WHERE path = ?"
            return conn.execute(sql, (*sealed, name)).rowcount == 1

        return self._store.wait_for(self._store.submit(complete), _INDEX_TIMEOUT_S)

    def _drop(self, names: Iterable[str]) -> None:
        """Take files back; one that cannot be deleted now is without a row, and goes with the next `tidy`."""
        for name in names:
            with contextlib.suppress(OSError):
                self._room.remove(name)
            self._room.end([name])

    def _forget(self, names: list[str]) -> None:
        """Delete the rows of files that are gone, a few at a time: decisions wait for the same writer."""
        for i in range(0, len(names), _ROWS_A_JOB):
            job = functools.partial(_delete_rows, names=names[i : i + _ROWS_A_JOB])
            self._store.wait_for(self._store.submit(job), _INDEX_TIMEOUT_S)

    def _forget_soon(self, names: list[str]) -> None:
        """As `_forget`, without waiting: nobody is shown a row without a file, and `tidy` clears it away."""
        for i in range(0, len(names), _ROWS_A_JOB):
            with contextlib.suppress(StoreError):
                self._store.submit(functools.partial(_delete_rows, names=names[i : i + _ROWS_A_JOB]))

    def _fault(self, error: OSError) -> StoreError:
        if is_mounted_read_only(self.folder):
            mend = READ_ONLY_MEND
        else:
            mend = "make room, and give this user write access to the folder"
        return StoreError(f"{self.folder}: no picture can be kept ({error.strerror or error}): {mend}")


def _delete_rows(conn: sqlite3.Connection, names: Iterable[str]) -> None:
    conn.executemany("DELETE FROM media WHERE path = ?", [(name,) for name in names])


def _take_surplus(conn: sqlite3.Connection, approach: str) -> list[str]:
    """Delete the rows of all but the first and the newest steps of an approach; returns their files."""
    rows = conn.execute(
        "SELECT DISTINCT revision FROM media WHERE approach = ? AND kind <> 'clip' ORDER BY revision",
        (approach,),
    )
    revisions = [revision for (revision,) in rows]
    surplus = revisions[1 : len(revisions) - MAX_REVISIONS + 1]
    names: list[str] = []
    for revision in surplus:
        of_step = (approach, revision)
        names += [name for (name,) in conn.execute(_PICTURES_OF_STEP_SQL.format("SELECT path"), of_step)]
        conn.execute(_PICTURES_OF_STEP_SQL.format("DELETE"), of_step)
    return names


def _take_surplus_clips(conn: sqlite3.Connection, approach: str) -> list[str]:
    """Delete the rows of all but the first and the newest clips of an approach; returns their files."""
    sql = (
        "SELECT path FROM media WHERE approach = ? AND kind = 'clip' AND duration_ms IS NOT NULL ORDER BY id"
    )
    names = [name for (name,) in conn.execute(sql, (approach,))]
    surplus = names[1 : len(names) - MAX_CLIPS + 1]
    _delete_rows(conn, surplus)
    return surplus
