"""What came of audits and waits to be stored: bounded in all and for each POD. For one event loop."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence

from sync.cloud.audit_intake import Heard
from sync.protocol.batch import Batch

MOST_ROWS = 20_000
MOST_ROWS_OF_A_POD = 5_000
A_TRANSACTION_ROWS = 2_000
A_MESSAGE_ROWS = 5
"""A message without rows counts as so many: it costs the database about as much."""


class Inbox:
    """Messages of many PODs, in the order that they came.

    Where it is full, what comes is dropped and counted: the POD says it again, so that a slow database slows
    PODs down rather than filling memory. No POD fills it alone.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._waiting: deque[tuple[str, Heard]] = deque()
        self._rows = 0
        self._rows_of: Counter[str] = Counter()
        self._is_there = asyncio.Event()

    @property
    def rows(self) -> int:
        """What waits, in rows."""
        return self._rows

    def put(self, pod: str, heard: Heard) -> bool:
        """Keep a message; False where there is no room for it."""
        rows = _rows_of(heard)
        if self._rows + rows > MOST_ROWS or self._rows_of[pod] + rows > MOST_ROWS_OF_A_POD:
            self._counts["no_room"] += 1
            return False
        self._waiting.append((pod, heard))
        self._rows += rows
        self._rows_of[pod] += rows
        self._is_there.set()
        return True

    async def take(self) -> Sequence[tuple[str, Heard]]:
        """Messages for one transaction, once there are any."""
        await self._is_there.wait()
        taken: list[tuple[str, Heard]] = []
        rows = 0
        while self._waiting and (not taken or rows + _rows_of(self._waiting[0][1]) <= A_TRANSACTION_ROWS):
            pod, heard = self._waiting.popleft()
            cost = _rows_of(heard)
            taken.append((pod, heard))
            rows += cost
            self._rows_of[pod] -= cost
            if not self._rows_of[pod]:
                del self._rows_of[pod]
        self._rows -= rows
        if not self._waiting:
            self._is_there.clear()
        return taken


def _rows_of(heard: Heard) -> int:
    return len(heard.rows) if isinstance(heard, Batch) else A_MESSAGE_ROWS
