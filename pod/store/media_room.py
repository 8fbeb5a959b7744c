"""How much kept pictures and clips may hold, and which go when that is too much. Any thread may call."""

import threading
from collections.abc import Iterable

from pod.domain.errors import StoreError
from pod.store.media_folder import MediaFolder

_MIB = 1024 * 1024
_SPARE_BYTES = 1 * _MIB
"""Freed beyond the need, so that not each picture has to look for the oldest again."""


class NoRoomError(StoreError):
    """There is no room for a file even without the old ones; `gone` are those that went."""

    def __init__(self, text: str, gone: list[str]) -> None:
        super().__init__(text)
        self.gone = gone


class MediaRoom:
    """Counts what the files hold and makes way for new ones.

    Args:
        quota_bytes: the files never hold more.
        min_free_bytes: where the file system has less than this left, old files go, and no new one comes.
    """

    def __init__(self, files: MediaFolder, *, quota_bytes: int, min_free_bytes: int) -> None:
        self._files = files
        self._quota_bytes = quota_bytes
        self._min_free_bytes = min_free_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._evicted = 0
        self._unfinished: set[str] = set()

    @property
    def held_bytes(self) -> int:
        return self._bytes

    @property
    def evicted(self) -> int:
        """Files deleted to make room, since the start."""
        return self._evicted

    def begin(self, names: Iterable[str]) -> None:
        """These files are being written: nothing clears them away for having no row, or another size."""
        with self._lock:
            self._unfinished.update(names)

    def end(self, names: Iterable[str]) -> None:
        """They are written, and have their rows, or are gone."""
        with self._lock:
            self._unfinished.difference_update(names)

    def unfinished(self) -> set[str]:
        with self._lock:
            return set(self._unfinished)

    def grew(self, by_bytes: int) -> None:
        with self._lock:
            self._bytes += by_bytes

    def recount(self, held_bytes: int) -> None:
        with self._lock:
            self._bytes = held_bytes

    def remove(self, name: str) -> int:
        """Delete a file; returns the bytes freed, 0 where it was gone. Raises OSError."""
        size = self._files.remove(name)
        with self._lock:
            self._bytes = max(0, self._bytes - size)
        return size

    def make_way(self, need_bytes: int) -> list[str]:
        """Bring quota and free space in order for so many bytes more; returns the names that went.

        Clips that are being recorded stay.

        Raises:
            NoRoomError: there is no room for them even without any old file.
            OSError: the folder can't be read or changed.
        """
        if need_bytes > self._quota_bytes:
            raise NoRoomError(f"{self._files.folder}: a picture is larger than media.quota_mb: raise it", [])
        over = max(
            self._bytes + need_bytes - self._quota_bytes,
            self._min_free_bytes + need_bytes - self._files.free_bytes(),
        )
        if over <= 0:
            return []
        gone = self.evict(over + min(_SPARE_BYTES, self._quota_bytes // 16), spared=self.unfinished())[1]
        if not need_bytes:
            return gone
        if self._bytes + need_bytes > self._quota_bytes:
            raise NoRoomError(f"{self._files.folder}: one clip takes all of media.quota_mb: raise it", gone)
        free_bytes = self._files.free_bytes()
        if free_bytes - need_bytes < self._min_free_bytes:
            raise NoRoomError(
                f"{self._files.folder}: no picture is kept, the disk has {free_bytes // _MIB} MB left and "
                f"media.min_free_mb asks for {self._min_free_bytes // _MIB}: free space on it",
                gone,
            )
        return gone

    def evict(self, need_bytes: int, *, spared: set[str]) -> tuple[int, list[str]]:
        """Delete the oldest files but `spared` until that much is freed; the bytes and names that went.

        Raises:
            OSError: the folder can't be read or changed.
        """
        freed, gone = 0, list[str]()
        for kept in self._files.oldest():
            if freed >= need_bytes:
                break
            if kept.name not in spared:
                freed += self.remove(kept.name)
                gone.append(kept.name)
        with self._lock:
            self._evicted += len(gone)
        return freed, gone
