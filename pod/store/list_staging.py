"""Write a long change of the list in many short transactions, and put it in force in one.

Its new entries wait with its id (`brought_by`), the entries that they take the place of know it too
(`ended_by`), and each has its audit row. One short transaction then puts all of it in force by setting the
import's version. What is left to tidy, or of an import that was cut off, changes nothing for those who read,
and the next import cleans it up.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from pod.domain.errors import PlateBridgeError, PlateListError, StoreError
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entry_rows import delete_entries, insert_entries
from pod.store.list_changes import Step, seal_step
from pod.store.list_follower import ListFollower, file_of
from pod.store.list_snapshot import ListSnapshot, one_moment
from pod.store.site_state import next_version
from pod.store.writer import Job

T = TypeVar("T")

CHUNK = 100
"""Entries in one transaction; changes of no more need but one."""

TRIES = 5
"""How often a change is planned anew because the list changed meanwhile."""

ABANDONED_S = 60
"""A change of another process that wrote nothing for so long was cut off."""

ROWS_AT_A_STRETCH = 20
STRETCH_PAUSE_S = 0.001
"""How planning paces itself: well under a millisecond of work, then as long for others."""

Beside = Callable[[sqlite3.Connection, Sequence[Step], int], None]
"""Writes what belongs to steps, in their transaction; the number tells which of the change the first is."""

_log = logging.getLogger(__name__)


class Submit(Protocol):
    """Queues a job of the writer thread; `Writer.submit` is one."""

    def __call__(self, job: Job[T], /) -> Future[T]: ...


@dataclass(frozen=True, slots=True)
class Staged:
    """A change that is written but not in force.

    Attributes:
        steps: with the ids that the new entries have.
    """

    id: int
    steps: tuple[Step, ...]


class Staging:
    """Long changes of one list, for a thread that may wait."""

    def __init__(
        self, submit: Submit, submit_change: Submit, follower: ListFollower, now_us: Callable[[], int]
    ) -> None:
        self._submit = submit
        self._submit_change = submit_change
        self._follower = follower
        self._now_us = now_us

    def base(self) -> ListSnapshot:
        """The list now."""
        return self._do(self._follower.catch_up)

    def read(self, job: Job[T]) -> T:
        """What a job reads beside the writer, however long that takes."""
        with closing(connect_reader(self._do(file_of))) as conn, one_moment(conn):
            return job(conn)

    def stage(
        self, wanted: Sequence[Step], *, by: str, beside: Beside = lambda conn, steps, first: None
    ) -> Staged:
        """Write a change without putting it in force."""
        import_id, first_id = self._do(lambda conn: self._begin(conn, len(wanted)))
        steps = tuple(
            step if step.after is None else Step(step.before, replace(step.after, id=first_id + n))
            for n, step in enumerate(wanted)
        )
        try:
            for first in range(0, len(steps), CHUNK):
                chunk = steps[first : first + CHUNK]
                now_us = self._now_us()
                sealed = [
                    seal_step(step, by=by, now_us=now_us, rows=len(steps), row=0, batch=import_id)
                    for step in chunk
                ]
                write = partial(
                    self._write,
                    import_id=import_id,
                    steps=chunk,
                    sealed=sealed,
                    beside=_bound(beside, chunk, first),
                )
                self._do(write)
        except BaseException:
            self.leave_tidy(partial(self.drop, import_id, by=by))
            raise
        return Staged(import_id, steps)

    def put_in_force(
        self,
        staged: Staged,
        base: ListSnapshot,
        *,
        told: Mapping[str, object],
        also: Job[None] = lambda conn: None,
    ) -> bool:
        """Whether the change counts now; not where the list changed since `base`.

        Args:
            told: what its audit row says of it.
            also: done in the transaction that puts it in force.
        """
        index = base.index.replaced(
            [step.before for step in staged.steps if step.before is not None],
            [step.after for step in staged.steps if step.after is not None],
        )

        def job(conn: sqlite3.Connection) -> bool:
            if self._follower.catch_up(conn).index is not base.index:
                return False
            self._touch(conn, staged.id)
            version = next_version(conn)
            conn.execute("UPDATE list_import SET done_version = ? WHERE id = ?", (version, staged.id))
            row = {"action": "imported", "import": staged.id, **told}
            audit.append(conn, [audit.seal("list_change", row, self._now_us())])
            also(conn)
            self._follower.prepare(base, replace(base, version=version, index=index), import_id=staged.id)
            return True

        return self._submit_change(job).result()

    def tidy(self, import_id: int) -> None:
        """Make a change that is in force look like any other."""
        self._repeat(partial(self._tidy, import_id=import_id))

    def drop(self, import_id: int, *, by: str) -> None:
        """Take out a change that never came in force."""
        self._repeat(partial(self._undo_staging, import_id=import_id, by=by))

    def clean_up(self, *, by: str) -> None:
        """Finish what changes that were cut off left behind."""
        left = self._do(
            lambda conn: conn.execute("SELECT id, touched_us, done_version FROM list_import").fetchall()
        )
        for import_id, touched_us, done_version in left:
            if done_version is not None:
                self.tidy(import_id)
            elif abs(self._now_us() - touched_us) > ABANDONED_S * 1_000_000:
                self.drop(import_id, by=by)

    def leave_tidy(self, work: Callable[[], None]) -> None:
        """Clean up if that works now; what stays behind changes nothing, and the next import cleans it."""
        try:
            work()
        except PlateBridgeError as error:
            _log.warning("an import could not be tidied up, the next one will: %s", error)

    def _begin(self, conn: sqlite3.Connection, count: int) -> tuple[int, int]:
        """A new import's id, and the first of `count` ids that no other entry will ever have."""
        if conn.execute("SELECT 1 FROM list_import WHERE done_version IS NULL").fetchone():
            raise PlateListError("another import is going on: wait for it to end, then import again")
        import_id = conn.execute(
            "INSERT INTO list_import (touched_us) VALUES (?)", (self._now_us(),)
        ).lastrowid
        if not conn.execute(
            "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'entry'", (count,)
        ).rowcount:
            conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entry', ?)", (count,))
        (last,) = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").fetchone()
        return int(import_id or 0), int(last) - count + 1

    def _write(
        self,
        conn: sqlite3.Connection,
        *,
        import_id: int,
        steps: Sequence[Step],
        sealed: Sequence[audit.Sealed],
        beside: Job[None],
    ) -> None:
        self._touch(conn, import_id)
        new = [step.after for step in steps if step.after is not None]
        insert_entries(conn, new, version=0, brought_by=import_id)
        conn.executemany(
            "UPDATE entry SET ended_by = ? WHERE id = ?",
            [(import_id, step.before.id) for step in steps if step.before is not None],
        )
        audit.append(conn, sealed)
        beside(conn)

    def _tidy(self, conn: sqlite3.Connection, import_id: int) -> bool:
        """One chunk of making an import that is in force look like any other change; False once done."""
        (version,) = conn.execute(
            "SELECT done_version FROM list_import WHERE id = ?", (import_id,)
        ).fetchone()
        ended = _ended(conn, import_id)
        delete_entries(conn, ended, version=version)
        brought = _brought(conn, import_id)
        conn.executemany(
            "UPDATE entry SET brought_by = NULL, version = max(version, ?) WHERE id = ?",
            [(version, id_) for id_ in brought],
        )
        return self._go_on(conn, import_id, ended or brought)

    def _undo_staging(self, conn: sqlite3.Connection, import_id: int, *, by: str) -> bool:
        """One chunk of taking out an import that never came in force; False once done."""
        brought = _brought(conn, import_id)
        conn.executemany("DELETE FROM entry WHERE id = ?", [(id_,) for id_ in brought])
        ended = _ended(conn, import_id)
        conn.executemany("UPDATE entry SET ended_by = NULL WHERE id = ?", [(id_,) for id_ in ended])
        if self._go_on(conn, import_id, ended or brought):
            return True
        told = {"action": "import_dropped", "import": import_id, "by": by}
        audit.append(conn, [audit.seal("list_change", told, self._now_us())])
        return False

    def _go_on(self, conn: sqlite3.Connection, import_id: int, found: Sequence[int]) -> bool:
        if found:
            return True
        conn.execute("DELETE FROM list_import WHERE id = ?", (import_id,))
        return False

    def _touch(self, conn: sqlite3.Connection, import_id: int) -> None:
        """Raises: StoreError: another process took this import for cut off and dropped it."""
        if not conn.execute(
            "UPDATE list_import SET touched_us = ? WHERE id = ?", (self._now_us(), import_id)
        ).rowcount:
            raise StoreError("another process dropped this import, nothing was imported: import again")

    def _repeat(self, job: Job[bool]) -> None:
        while self._do(job):
            pass

    def _do(self, job: Job[T]) -> T:
        return self._submit(job).result()


def _bound(beside: Beside, steps: Sequence[Step], first: int) -> Job[None]:
    return lambda conn: beside(conn, steps, first)


def _brought(conn: sqlite3.Connection, import_id: int) -> list[int]:
    """Some of the entries that an import brings in; none once no more are left."""
    rows = conn.execute("SELECT id FROM entry WHERE brought_by = ? LIMIT ?", (import_id, CHUNK))
    return [id_ for (id_,) in rows]


def _ended(conn: sqlite3.Connection, import_id: int) -> list[int]:
    """Some of the entries that an import takes out; none once no more are left."""
    rows = conn.execute("SELECT id FROM entry WHERE ended_by = ? LIMIT ?", (import_id, CHUNK))
    return [id_ for (id_,) in rows]


class Pause:
    """Lets the threads that decide run between a few rows: Python runs one thread at a time."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self) -> None:
        self._calls += 1
        if self._calls % ROWS_AT_A_STRETCH == 0:
            time.sleep(STRETCH_PAUSE_S)
