"""Which file a writer writes to: the one under the database's name, and none while it is being exchanged."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store.diagnosis import SpoiledError
from pod.store.home import Home

SWAP_WAIT_S = 10.0
"""How long a write waits while the file is exchanged, and the exchange for the writes under way."""

_POLL_S = 0.01


class FileMovedError(StoreError):
    """The database's name means another file now, or none: what is written to the open one is lost."""


class FilePlace:
    """The database's name, and the file found there last. For one thread.

    Writers of all processes share a lock on the directory for each transaction; who exchanges the file takes
    it alone. The kernel drops it with the process.

    Args:
        keeps: whether the file is exchanged by this process alone. Then its log, without which newer rows are
            lost, must stay what it was too, and the file may not shrink.
    """

    def __init__(self, path: Path, *, keeps: bool = False) -> None:
        self._path = path
        self._keeps = keeps
        self._beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")] if keeps else []
        self._known: dict[Path, tuple[int, int]] = {}
        self._size_bytes = 0
        self.home = Home(path.parent)

    def remember(self) -> None:
        """Take the file under the name for the one that is open now, and its log.

        Raises:
            OSError: it can't be looked at.
        """
        self._known = {name: _identity(name.stat()) for name in (self._path, *self._beside)}
        self._size_bytes = self._path.stat().st_size

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Around a transaction: the file under the name stays the open one until it ends.

        Raises:
            FileMovedError, SpoiledError: as `check`.
            StoreError: it is being exchanged for longer than `SWAP_WAIT_S`, or the directory is gone.
        """
        with _directory_lock(self._path, self.home, fcntl.LOCK_SH):
            self.check()
            yield

    @contextlib.contextmanager
    def exchanging(self) -> Iterator[None]:
        """Around an exchange of the file: nobody writes meanwhile.

        Raises:
            StoreError: a writer holds on for longer than `SWAP_WAIT_S`, or the directory is gone.
        """
        with _directory_lock(self._path, self.home, fcntl.LOCK_EX):
            yield

    @property
    def is_the_open_one(self) -> bool:
        """Whether the name means the file that is open, whatever became of its log."""
        try:
            return _identity(self._path.stat()) == self._known.get(self._path)
        except OSError:
            return False

    def check(self) -> None:
        """Look whether all is as it was; cheap, and opens nothing.

        Raises:
            FileMovedError: the name means another file than the open one, or its log's name does.
            SpoiledError: the file was cut.
            HomeGoneError: the directory is another one.
        """
        self.home.check()
        try:
            found = self._path.stat()
        except OSError as error:
            raise FileMovedError(
                f"{self._path} is gone ({error.strerror}): mount its disk again, or put the file back"
            ) from error
        if self._known and _identity(found) != self._known[self._path]:
            raise FileMovedError(f"{self._path} was exchanged for another file while it was open")
        if not self._keeps:
            return
        if found.st_size < self._size_bytes:
            raise SpoiledError(f"the file was cut from {self._size_bytes} bytes to {found.st_size}")
        self._size_bytes = found.st_size
        for name in self._beside:
            self._check_beside(name)

    def _check_beside(self, name: Path) -> None:
        try:
            is_there = not self._known or _identity(name.stat()) == self._known[name]
        except FileNotFoundError:
            is_there = False
        except OSError as error:
            raise FileMovedError(f"{name} cannot be looked at ({error.strerror}): check the disk") from error
        if not is_there:
            raise FileMovedError(f"{name} was removed or exchanged while it was open")


@contextlib.contextmanager
def _directory_lock(path: Path, home: Home, kind: int) -> Iterator[None]:
    # The directory, not the file: SQLite's own locks on a file end when any handle of it is closed.
    try:
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise home.gone(error) from error
    try:
        home.compare(os.fstat(fd))
        _lock(fd, kind, path)
        yield
    finally:
        os.close(fd)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _lock(fd: int, kind: int, path: Path) -> None:
    deadline_s = time.monotonic() + SWAP_WAIT_S
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise StoreError(
                    f"{path} is exchanged or written by another process for more than {SWAP_WAIT_S:g} s: "
                    "wait for it to end, or stop it, then try again"
                ) from None
            time.sleep(_POLL_S)
        else:
            return
