"""A clip while it is recorded: a file that grows by whole fragments, with its row there from the beginning.

A crash leaves the file up to its last fragment and the row that leads to it; `MediaStore.tidy` finishes them.
"""

import contextlib
import os
from collections.abc import Callable

from pod.domain.errors import StoreError
from pod.store.media_folder import MediaFolder
from pod.store.media_room import MediaRoom, NoRoomError
from pod.store.private_file import write_at


class ClipFile:
    """One clip, from its first byte to `finish` or `drop`; belongs to one thread.

    Args:
        forget: deletes the rows of files that made way; must not block.
        finished: completes the row; raises StoreError.
        fault: says what an OSError means, and its mend.
    """

    def __init__(
        self,
        name: str,
        files: MediaFolder,
        room: MediaRoom,
        *,
        forget: Callable[[list[str]], None],
        finished: Callable[[str], None],
        fault: Callable[[OSError], StoreError],
    ) -> None:
        self._name = name
        self._room = room
        self._forget = forget
        self._finished = finished
        self._fault = fault
        self._size_bytes = 0
        room.begin([name])
        try:
            self._fd = files.create(name)
        except OSError:
            room.end([name])
            raise

    def append(self, data: bytes) -> bool:
        """Write a fragment, or the header before the first.

        Returns:
            False where the clip was deleted meanwhile: it made way, or was erased. `drop` it then.

        Raises:
            StoreError: there is no room, or the disk refuses; `finish` keeps the fragments before.
        """
        try:
            if os.fstat(self._fd).st_nlink == 0:
                return False
            try:
                self._forget(self._room.make_way(len(data)))
            except NoRoomError as error:
                self._forget(error.gone)
                raise
            write_at(self._fd, data, self._size_bytes)
        except OSError as error:
            raise self._fault(error) from error
        self._size_bytes += len(data)
        self._room.grew(len(data))
        return True

    def finish(self) -> None:
        """Close the file and complete its row; the file goes where that fails.

        Raises:
            StoreError: it is not kept.
        """
        self._close()
        try:
            self._finished(self._name)
        except OSError as error:
            self._remove()
            raise self._fault(error) from error
        except StoreError:
            self._remove()
            raise
        finally:
            self._room.end([self._name])

    def drop(self) -> None:
        """Close the file and take it back; its row goes, too."""
        self._close()
        self._remove()
        self._room.end([self._name])
        self._forget([self._name])

    def _remove(self) -> None:
        """Where it cannot be deleted now, its row says that it is not finished, and `tidy` finishes it."""
        with contextlib.suppress(OSError):
            self._room.remove(self._name)

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # what a disk tells at the end is found by whoever reads the file
            os.close(self._fd)
