"""Send each command until its POD has answered; the database is asked each time what there is to send."""

import asyncio
from collections.abc import Callable

from sync.cloud.database import Connection
from sync.cloud.dispatch.commands import give_up_commands, waiting_commands
from sync.cloud.dispatch.post import Post
from sync.protocol.commands import Pending
from sync.protocol.up import Answer

LOOK_EVERY_S = 2.0
GIVE_UP_EVERY_S = 60.0
_ANSWERED_S = 5.0


class CommandDesk:
    """The commands for the PODs that this worker serves."""

    def __init__(
        self, conn: Connection, lock: asyncio.Lock, post: Post, *, owned: Callable[[], frozenset[str]]
    ) -> None:
        """
        Args:
            conn: of the session that owns the shards, used under `lock`.
            owned: the shards that this worker serves now.
        """
        self._conn = conn
        self._lock = lock
        self._post = post
        self._owned = owned
        self._clock_s = asyncio.get_running_loop().time
        self._pending: dict[str, tuple[str, Pending]] = {}
        self._is_asked = asyncio.Event()

    def asked(self) -> None:
        """Somebody wants something done."""
        self._is_asked.set()

    def all_due(self) -> None:
        """The broker was away: whatever was sent may not have come."""
        self._pending.clear()
        self._is_asked.set()

    def answered(self, pod: str, answer: Answer) -> None:
        """A POD answered: give the database the time to note it."""
        known = self._pending.get(answer.id)
        if known is not None and known[0] == pod and answer.result != "unknown":
            pending = known[1]
            self._pending[answer.id] = (
                pod,
                Pending(pending.command, pending.tries, self._clock_s() + _ANSWERED_S),
            )

    async def send(self) -> None:
        """Send what is due, until cancelled; raises psycopg.Error."""
        give_up_s = self._clock_s()
        while True:
            self._is_asked.clear()
            async with self._lock:
                waiting = await waiting_commands(self._conn, self._owned())
                if self._clock_s() >= give_up_s:
                    await give_up_commands(self._conn)
                    give_up_s = self._clock_s() + GIVE_UP_EVERY_S
            known, self._pending = self._pending, {}
            for one in waiting:
                _, pending = known.get(one.command.id, (one.pod, Pending(one.command)))
                if pending.due_s <= self._clock_s() and self._post.tell(one.pod, pending.command):
                    pending = pending.sent(self._clock_s())
                self._pending[one.command.id] = (one.pod, pending)
            due_s = min((pending.due_s for _, pending in self._pending.values()), default=float("inf"))
            wake_s = min(self._clock_s() + LOOK_EVERY_S, max(due_s, self._clock_s() + 0.05))
            try:
                async with asyncio.timeout_at(wake_s):
                    await self._is_asked.wait()
            except TimeoutError:
                continue
