"""Which file a writer writes to: the one under the database's name, and none while it is being exchanged."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pod.domain.errors import StoreError

SWAP_WAIT_S = 10.0
"""How long a write waits while the file is exchanged, and the exchange for the writes under way."""

_POLL_S = 0.01


class FileMovedError(StoreError):
    """The database's name means another file now, or none: what is written to the open one is lost."""


class FilePlace:
    """The database's name, and the file found there last. For one thread.

    Writers of all processes share a lock on the directory for each transaction; who exchanges the file takes
    it alone. The kernel drops it with the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take the file under the name for the one that is open now.

        Raises:
            OSError: it can't be looked at.
        """
        found = self._path.stat()
        self._known = (found.st_dev, found.st_ino)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Around a transaction: the file under the name stays the open one until it ends.

        Raises:
            FileMovedError: it is no more.
            StoreError: it is being exchanged for longer than `SWAP_WAIT_S`.
        """
        with _directory_lock(self._path, fcntl.LOCK_SH):
            self.check()
            yield

    @contextlib.contextmanager
    def exchanging(self) -> Iterator[None]:
        """Around an exchange of the file: nobody writes meanwhile.

        Raises:
            StoreError: a writer holds on for longer than `SWAP_WAIT_S`, or the directory is gone.
        """
        with _directory_lock(self._path, fcntl.LOCK_EX):
            yield

    def check(self) -> None:
        """Raises: FileMovedError: the name means another file than the open one."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise FileMovedError(
                f"{self._path} is gone ({error.strerror}): mount its disk again, or put the file back"
            ) from error
        if self._known is not None and (found.st_dev, found.st_ino) != self._known:
            raise FileMovedError(f"{self._path} was exchanged for another file while it was open")


@contextlib.contextmanager
def _directory_lock(path: Path, kind: int) -> Iterator[None]:
    # The directory, not the file: SQLite's own locks on a file end when any handle of it is closed.
    try:
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FileMovedError(
            f"the data directory {path.parent} is gone ({error.strerror}): "
            "mount its disk again, or put it back"
        ) from error
    try:
        _lock(fd, kind, path)
        yield
    finally:
        os.close(fd)


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
