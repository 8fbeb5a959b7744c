"""The data directory as it was at the start: another one of its name is not it."""

import os
import weakref
from pathlib import Path

from pod.domain.errors import StoreError


class HomeGoneError(StoreError):
    """The data directory's name means another directory now, or none: nothing may be written there."""


class Home:
    """Knows one directory again for as long as it lives. Any thread may call.

    It is held open, so that a new directory can't get the number of one that was deleted.

    Raises:
        StoreError: there is no such directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(
                f"the data directory {folder} {_words(error)}, or set another data_dir"
            ) from error
        self._known = os.fstat(fd)
        weakref.finalize(self, os.close, fd)

    def check(self) -> None:
        """Raises: HomeGoneError: the directory is not there, or another is."""
        try:
            found = self._folder.stat()
        except OSError as error:
            raise self.gone(error) from error
        self.compare(found)

    def compare(self, found: os.stat_result) -> None:
        """Raises: HomeGoneError: `found` is another directory."""
        if not os.path.samestat(found, self._known):
            raise HomeGoneError(
                f"the data directory {self._folder} is gone, another is in its place: "
                "nothing is written there. Mount its disk again or put it back; "
                "to begin anew with the other one, restart the POD"
            )

    def gone(self, error: OSError) -> HomeGoneError:
        """The same for a directory that can't be reached."""
        return HomeGoneError(
            f"the data directory {self._folder} is gone ({error.strerror}): "
            "mount its disk again, or put it back"
        )

    @property
    def is_here(self) -> bool:
        """Whether the directory is in its place."""
        try:
            self.check()
        except HomeGoneError:
            return False
        return True


def _words(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist: create it"
    if isinstance(error, NotADirectoryError):
        return "is not a directory: create it"
    return f"cannot be looked into ({error.strerror}): run as its owner"
