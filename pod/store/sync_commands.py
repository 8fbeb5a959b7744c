"""Which of the cloud's commands are spent on this POD, and what became of them."""

import sqlite3
import time
from collections.abc import Callable
from functools import partial

from pod.store import commands
from pod.store.following_reader import FollowingReader
from pod.store.store import Store
from sync.protocol.up import Answer, Result

WRITE_TIMEOUT_S = 5.0

_RESULTS: dict[str | None, Result] = {
    "commanded": "commanded",
    "refused": "refused",
    "failed": "failed",
}


class SqliteSpentCommands:
    """`sync.protocol.commands.SpentCommands` over a POD's store.

    It shares its table with opens from the local page, so that whoever carries a command out looks in one
    place. Each call raises StoreError where the store can't answer.
    """

    def __init__(
        self,
        store: Store,
        reader: FollowingReader,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._store = store
        self._reader = reader
        self._now_us = now_us

    def answer(self, command_id: str) -> Answer | None:
        """What became of an id that is spent; the result `unknown` while nothing is written down of it."""
        found = self._reader.ask("SELECT result, reason FROM command WHERE id = ?", (command_id,))
        if not found:
            return None
        result, reason = found[0]
        return Answer(
            id=command_id, result=_RESULTS.get(result, "unknown"), reason=reason or "command_unknown"
        )

    def refuse(self, answer: Answer) -> None:
        """Spend an id on a refusal, durably; one that is spent already stays what it was."""
        job = partial(_refuse, answer=answer, now_us=self._now_us())
        self._store.wait_for(self._store.submit(job), WRITE_TIMEOUT_S)


def _refuse(conn: sqlite3.Connection, *, answer: Answer, now_us: int) -> None:
    if commands.find(conn, answer.id) is None:
        commands.spend(conn, answer.id, "", by="cloud", now_us=now_us)
        commands.settle(conn, answer.id, result=answer.result, reason=answer.reason)
