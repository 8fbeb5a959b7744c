"""The pictures of events: files in one folder under a quota, with their index in the database.

A file is there before its row, and gone before it: at worst a crash leaves a file or a row alone, and `tidy`
clears both away. No lock is held while the database is waited for, so its writer may ask for room here.
"""

import contextlib
import functools
import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from pod.domain.errors import StoreError
from pod.runtime.mounts import READ_ONLY_MEND, is_mounted_read_only
from pod.store.media_folder import MediaFolder, PictureKind, new_names
from pod.store.media_index import MediaIndex, MediaItem
from pod.store.moments import to_us
from pod.store.store import Store

log = logging.getLogger(__name__)

FOLDER_NAME = "media"
"""The folder's name in the data directory."""

MAX_REVISIONS = 4
"""Steps of one approach whose pictures are kept: the first, and the newest."""

_MIB = 1024 * 1024
_INDEX_TIMEOUT_S = 10.0
_EMPTY_DAY_AGE_S = 60.0
_ROWS_A_JOB = 200
_SPARE_BYTES = 1 * _MIB
"""Freed beyond the need, so that not each picture has to look for the oldest again."""


class MediaStore:
    """Keeps pictures within a quota, and gives way where the disk gets short. Any thread may call.

    Args:
        folder: created with the first picture; its parent must exist.
        quota_bytes: the files never hold more.
        min_free_bytes: where the file system has less than this left, old pictures go, and no new one comes.
    """

    def __init__(self, folder: Path, store: Store, *, quota_bytes: int, min_free_bytes: int) -> None:
        self._files = MediaFolder(folder)
        self._index = MediaIndex(store.path, self._files)
        self._store = store
        self._quota_bytes = quota_bytes
        self._min_free_bytes = min_free_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._unindexed: set[str] = set()
        self._evicted = 0

    @property
    def folder(self) -> Path:
        return self._files.folder

    @property
    def kept_bytes(self) -> int:
        """What the files hold, as far as this process knows; exact after `tidy`."""
        return self._bytes

    @property
    def evicted(self) -> int:
        """Pictures deleted to make room, since the start."""
        return self._evicted

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
            gone = self._make_way(sum(map(len, pictures.values())))
            with self._lock:
                self._unindexed.update(names.values())
            for kind, picture in pictures.items():
                self._files.write(names[kind], picture)
                with self._lock:
                    self._bytes += len(picture)
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
        with self._lock:
            self._unindexed.difference_update(names.values())
        self._drop(surplus)

    def find(self, approach: str) -> tuple[MediaItem, ...]:
        """As `MediaIndex.find`."""
        return self._index.find(approach)

    def find_all(self, approaches: Iterable[str]) -> dict[str, tuple[MediaItem, ...]]:
        """As `MediaIndex.find_all`."""
        return self._index.find_all(approaches)

    def path(self, media_id: int) -> Path | None:
        """As `MediaIndex.path`."""
        return self._index.path(media_id)

    def make_room(self, need_bytes: int) -> int:
        """Delete the oldest pictures until that much is freed; returns the bytes freed.

        Needs neither the database nor its writer: both may be stuck for want of room. The rows go with the
        next `tidy`; meanwhile nobody is shown them.
        """
        try:
            return self._evict(need_bytes)[0]
        except OSError as error:
            log.error("%s: no picture can be deleted to make room: %s", self.folder, error)
            return 0

    def expire(self, *, known_before: datetime, unknown_before: datetime) -> int:
        """Delete pictures taken before these moments (aware UTC); returns how many.

        Raises:
            StoreError: a file can't be deleted, or the index can't be written.
        """
        gone: list[str] = []
        try:
            for known, before in ((False, unknown_before), (True, known_before)):
                for kept in self._files.oldest_of(known=known):
                    if kept.ts_us >= to_us(before):
                        break
                    self._remove(kept.name)
                    gone.append(kept.name)
        except OSError as error:
            raise self._fault(error) from error
        finally:
            self._forget(gone)
        return len(gone)

    def erase(self, approaches: Iterable[str]) -> int:
        """Delete every picture of these approaches; returns how many.

        Raises:
            StoreError: a file can't be deleted, or the index can't be read or written.
        """
        gone: list[str] = []
        try:
            for approach in approaches:
                for name in self._index.names_of(approach):
                    self._remove(name)
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
            with self._lock:
                fresh = set(self._unindexed)
            indexed = self._index.sizes()
            for name in [n for n, size in sizes.items() if indexed.get(n) != size and n not in fresh]:
                size = self._files.size(name)
                if size is not None and size == indexed.get(name):
                    sizes[name] = size  # it was being written when it was first looked at
                else:
                    self._files.remove(name)
                    del sizes[name]
            with self._lock:
                self._bytes = sum(sizes.values())
            missing = [name for name in indexed if self._files.path(name) is None]
            missing += self._make_way(0)
        except OSError as error:
            raise self._fault(error) from error
        self._forget(missing)

    def _make_way(self, need_bytes: int) -> list[str]:
        """Bring quota and free space in order for so many bytes more; returns the names that went.

        Raises:
            StoreError: there is no room for them even without any old picture.
            OSError: the folder can't be read or changed.
        """
        if need_bytes > self._quota_bytes:
            raise StoreError(f"{self.folder}: a picture is larger than media.quota_mb: raise it")
        over = max(
            self._bytes + need_bytes - self._quota_bytes,
            self._min_free_bytes + need_bytes - self._files.free_bytes(),
        )
        if over <= 0:
            return []
        gone = self._evict(over + min(_SPARE_BYTES, self._quota_bytes // 16))[1]
        free_bytes = self._files.free_bytes()
        if need_bytes and free_bytes - need_bytes < self._min_free_bytes:
            self._forget(gone)
            raise StoreError(
                f"{self.folder}: no picture is kept, the disk has {free_bytes // _MIB} MB left and "
                f"media.min_free_mb asks for {self._min_free_bytes // _MIB}: free space on it"
            )
        return gone

    def _evict(self, need_bytes: int) -> tuple[int, list[str]]:
        freed, gone = 0, list[str]()
        for kept in self._files.oldest():
            if freed >= need_bytes:
                break
            freed += self._remove(kept.name)
            gone.append(kept.name)
        self._evicted += len(gone)
        return freed, gone

    def _remove(self, name: str) -> int:
        size = self._files.remove(name)
        with self._lock:
            self._bytes = max(0, self._bytes - size)
        return size

    def _drop(self, names: Iterable[str]) -> None:
        """Take files back; one that cannot be deleted now is without a row, and goes with the next `tidy`."""
        for name in names:
            with contextlib.suppress(OSError):
                self._remove(name)
            with self._lock:
                self._unindexed.discard(name)

    def _forget(self, names: list[str]) -> None:
        """Delete the rows of files that are gone, a few at a time: decisions wait for the same writer."""
        for i in range(0, len(names), _ROWS_A_JOB):
            job = functools.partial(_delete_rows, names=names[i : i + _ROWS_A_JOB])
            self._store.wait_for(self._store.submit(job), _INDEX_TIMEOUT_S)

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
        "SELECT DISTINCT revision FROM media WHERE approach = ? ORDER BY revision", (approach,)
    )
    revisions = [revision for (revision,) in rows]
    surplus = revisions[1 : len(revisions) - MAX_REVISIONS + 1]
    names: list[str] = []
    for revision in surplus:
        of_step = (approach, revision)
        names += [
            name
            for (name,) in conn.execute("SELECT path FROM media WHERE approach = ? AND revision = ?", of_step)
        ]
        conn.execute("DELETE FROM media WHERE approach = ? AND revision = ?", of_step)
    return names
