"""Disk space held back for the database: given up when the disk is full, taken back once there is room."""

import contextlib
import os
import shutil
from pathlib import Path

from pod.store.private_file import create_private, fsync_directory

FILE_NAME = "reserve"
MARGIN = 2
"""The reserve is taken back once this many times its size is free, so that it does not come and go."""


class Reserve:
    """A file of real, allocated space. For one thread.

    Attributes:
        is_held: whether the space is there to be given up.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._path = folder / FILE_NAME
        self._size_bytes = size_bytes
        self.is_held = False

    def take(self) -> bool:
        """Hold the space, if the disk has enough; returns whether it is held now."""
        with contextlib.suppress(OSError):
            if self._allocated_bytes() >= self._size_bytes:
                self.is_held = True
            elif shutil.disk_usage(self._path.parent).free >= MARGIN * self._size_bytes:
                self._allocate()
                self.is_held = True
        return self.is_held

    def is_lost(self) -> bool:
        """Whether somebody deleted the file that holds the space."""
        with contextlib.suppress(OSError):
            return self.is_held and self._allocated_bytes() < self._size_bytes
        return False

    def give_up(self) -> bool:
        """Give the space to whoever writes next; returns whether there was any to give."""
        try:
            had_bytes = self._allocated_bytes()
            self._path.unlink(missing_ok=True)
        except OSError:
            return False
        self.is_held = False
        return had_bytes > 0

    def _allocated_bytes(self) -> int:
        try:
            return self._path.stat().st_blocks * 512
        except FileNotFoundError:
            return 0

    def _allocate(self) -> None:
        """Raises: OSError: the disk has not that much."""
        self._path.unlink(missing_ok=True)
        fd = create_private(self._path)
        try:
            os.posix_fallocate(fd, 0, self._size_bytes)
            os.fsync(fd)
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        fsync_directory(self._path.parent)
