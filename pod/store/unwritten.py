"""Rows that neither database nor journal took, kept in memory until the database does; bounded."""

import threading
from concurrent.futures import Future

from pod.domain.errors import StoreError
from pod.store.journal import LateRow
from pod.store.late_rows import pulse_of

ROWS = 256
PULSE_SHARE = 0.5
"""The last part of the room, which only rows about a pulse may use."""


class Unwritten:
    """Any thread may call. Full, it refuses the newer row and counts it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[tuple[LateRow, Future[None]]] = []
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Rows refused since the start: they are lost."""
        return self._dropped

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, row: LateRow, future: Future[None], *, refused: BaseException) -> bool:
        """Keep a row; the future resolves once the database has it. Returns whether there was room.

        Args:
            refused: why the journal did not take it; what the future raises where there is no room either.
        """
        room = ROWS if pulse_of(row.payload) is not None else int(ROWS * (1 - PULSE_SHARE))
        with self._lock:
            has_room = len(self._kept) < room
            if has_room:
                self._kept.append((row, future))
            else:
                self._dropped += 1
        if not has_room:
            future.set_exception(StoreError(f"{refused}; nor is there room in memory for it"))
        return has_room

    def rows(self) -> tuple[LateRow, ...]:
        """What is kept, oldest first."""
        with self._lock:
            return tuple(row for row, _ in self._kept)

    def forget(self, count: int) -> None:
        """Let go of the oldest `count` rows, which the database has now."""
        with self._lock:
            gone, self._kept = self._kept[:count], self._kept[count:]
        for _, future in gone:
            future.set_result(None)

    def close(self) -> int:
        """Give up what is left; returns how many rows are lost."""
        with self._lock:
            left, self._kept = self._kept, []
        for _, future in left:
            future.set_exception(StoreError("the pod ended before database or journal took the row"))
        return len(left)
