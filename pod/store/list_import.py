"""Bring many entries into the list: all or none, in force at one moment, never holding the file's lock long.

A long import is written in many short transactions. Its new entries wait with its id (`brought_by`), the
entries that they take the place of know it too (`ended_by`), and each has its audit row. One short
transaction then puts all of it in force by setting the import's version. What is left to tidy, or of an
import that was cut off, changes nothing for those who read, and the next import cleans it up.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from pod.domain.errors import PlateBridgeError, PlateListError, StoreError
from pod.store import audit
from pod.store.entry_rows import delete_entries, insert_entries
from pod.store.list_changes import Step, seal_step, write_change
from pod.store.list_follower import ListFollower
from pod.store.list_plan import ImportPlan, ImportRow, plan_import
from pod.store.list_problems import report
from pod.store.list_snapshot import ListSnapshot
from pod.store.site_state import next_version
from pod.store.writer import Job

T = TypeVar("T")

CHUNK = 100
"""Entries in one transaction; imports of no more need but one."""

TRIES = 5
"""How often an import is planned anew because the list changed meanwhile."""

ROWS_AT_A_STRETCH = 20
STRETCH_PAUSE_S = 0.001
"""How planning paces itself: well under a millisecond of work, then as long for others."""

ABANDONED_S = 60
"""An import of another process that wrote nothing for so long was cut off."""

_log = logging.getLogger(__name__)


class Submit(Protocol):
    """Queues a job of the writer thread; `Writer.submit` is one."""

    def __call__(self, job: Job[T], /) -> Future[T]: ...


@dataclass(frozen=True, slots=True)
class _Staged:
    """An import that is written but not in force.

    Attributes:
        steps: with the ids that the new entries have.
    """

    id: int
    plan: ImportPlan
    steps: tuple[Step, ...]


class ListImport:
    """The imports of one list; one at a time, each in a thread of its own (`list-import`)."""

    def __init__(
        self, submit: Submit, submit_change: Submit, follower: ListFollower, now_us: Callable[[], int]
    ) -> None:
        self._submit = submit
        self._submit_change = submit_change
        self._follower = follower
        self._now_us = now_us
        self._one = threading.Lock()

    def start(self, rows: Sequence[ImportRow], *, by: str, name: str) -> Future[ImportPlan]:
        """Import the rows; the future resolves once they are in force, or raises.

        Raises (through the future):
            PlateListError: rows can't be taken, all of them named; or another import is going on.
            StoreError: nothing of it counts.
        """
        if len(rows) <= CHUNK:
            return self._submit_change(lambda conn: self._at_once(conn, rows, by=by, name=name))
        future: Future[ImportPlan] = Future()
        threading.Thread(
            target=self._run, args=(future, rows, by, name), name="list-import", daemon=True
        ).start()
        return future

    def _at_once(
        self, conn: sqlite3.Connection, rows: Sequence[ImportRow], *, by: str, name: str
    ) -> ImportPlan:
        plan = _plan(self._follower.catch_up(conn), rows, name)
        steps = _steps(plan)
        if steps:
            write_change(conn, steps, by=by, now_us=self._now_us())
        return plan

    def _run(self, future: Future[ImportPlan], rows: Sequence[ImportRow], by: str, name: str) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            if not self._one.acquire(blocking=False):
                raise PlateListError("another import is going on: wait for it to end, then import again")
            try:
                plan = self._in_steps(rows, by=by, name=name)
            finally:
                self._one.release()
        except BaseException as error:  # the caller's thread raises it
            future.set_exception(error)
        else:
            future.set_result(plan)

    def _in_steps(self, rows: Sequence[ImportRow], *, by: str, name: str) -> ImportPlan:
        self._clean_up(by=by)
        staged: _Staged | None = None
        try:
            for _ in range(TRIES):
                base = self._do(self._follower.catch_up)
                plan = _plan(base, rows, name, pause=Pause())
                if staged is not None and staged.plan != plan:
                    dropped, staged = staged, None
                    self._drop(dropped.id, by=by)
                if staged is None:
                    if not _steps(plan):
                        return plan
                    staged = self._stage(plan, by=by)
                if self._put_in_force(staged, base, by=by):
                    self._leave_tidy(partial(self._repeat, partial(self._tidy, import_id=staged.id)))
                    return plan
        except BaseException:
            if staged is not None:
                self._leave_tidy(partial(self._drop, staged.id, by=by))
            raise
        if staged is not None:
            self._drop(staged.id, by=by)
        raise StoreError("the list kept changing during the import, nothing was imported: import again")

    def _stage(self, plan: ImportPlan, *, by: str) -> _Staged:
        """Write an import without putting it in force."""
        wanted = _steps(plan)
        import_id, first_id = self._do(lambda conn: self._begin(conn, len(wanted)))
        steps = tuple(
            Step(step.before, replace(step.entry, id=first_id + n)) for n, step in enumerate(wanted)
        )
        try:
            for chunk in _chunks(steps):
                now_us = self._now_us()
                sealed = [
                    seal_step(step, by=by, now_us=now_us, rows=len(steps), row=0, batch=import_id)
                    for step in chunk
                ]
                self._do(partial(self._write, import_id=import_id, steps=chunk, sealed=sealed))
        except BaseException:
            self._leave_tidy(partial(self._drop, import_id, by=by))
            raise
        return _Staged(import_id, plan, steps)

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
    ) -> None:
        self._touch(conn, import_id)
        insert_entries(conn, [step.entry for step in steps], version=0, brought_by=import_id)
        conn.executemany(
            "UPDATE entry SET ended_by = ? WHERE id = ?",
            [(import_id, step.before.id) for step in steps if step.before is not None],
        )
        audit.append(conn, sealed)

    def _put_in_force(self, staged: _Staged, base: ListSnapshot, *, by: str) -> bool:
        """Whether the import counts now; not where the list changed since it was planned."""
        index = base.index.replaced(
            [step.before for step in staged.steps if step.before is not None],
            [step.entry for step in staged.steps],
        )

        def job(conn: sqlite3.Connection) -> bool:
            if self._follower.catch_up(conn).index is not base.index:
                return False
            self._touch(conn, staged.id)
            version = next_version(conn)
            conn.execute("UPDATE list_import SET done_version = ? WHERE id = ?", (version, staged.id))
            told = {"action": "imported", "import": staged.id, "by": by}
            counts = {"added": len(staged.plan.added), "updated": len(staged.plan.updated)}
            audit.append(conn, [audit.seal("list_change", {**told, **counts}, self._now_us())])
            self._follower.prepare(base, replace(base, version=version, index=index), import_id=staged.id)
            return True

        return self._submit_change(job).result()

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

    def _clean_up(self, *, by: str) -> None:
        """Finish what imports that were cut off left behind."""
        left = self._do(
            lambda conn: conn.execute("SELECT id, touched_us, done_version FROM list_import").fetchall()
        )
        for import_id, touched_us, done_version in left:
            if done_version is not None:
                self._repeat(partial(self._tidy, import_id=import_id))
            elif abs(self._now_us() - touched_us) > ABANDONED_S * 1_000_000:
                self._drop(import_id, by=by)

    def _drop(self, import_id: int, *, by: str) -> None:
        self._repeat(partial(self._undo_staging, import_id=import_id, by=by))

    def _leave_tidy(self, work: Callable[[], None]) -> None:
        """Clean up if that works now; what stays behind changes nothing, and the next import cleans it."""
        try:
            work()
        except PlateBridgeError as error:
            _log.warning("an import could not be tidied up, the next one will: %s", error)

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


class Pause:
    """Lets the threads that decide run between a few rows: Python runs one thread at a time."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self) -> None:
        self._calls += 1
        if self._calls % ROWS_AT_A_STRETCH == 0:
            time.sleep(STRETCH_PAUSE_S)


def _plan(
    base: ListSnapshot, rows: Sequence[ImportRow], name: str, *, pause: Callable[[], None] = lambda: None
) -> ImportPlan:
    """Raises: PlateListError: rows can't be taken; all of them are named."""
    plan = plan_import(base.index, rows, pause=pause)
    if plan.problems:
        raise PlateListError(report(plan.problems, name))
    return plan


def _steps(plan: ImportPlan) -> tuple[Step, ...]:
    return (
        *(Step(None, entry) for entry in plan.added),
        *(Step(before, after) for before, after in plan.updated),
    )


def _brought(conn: sqlite3.Connection, import_id: int) -> list[int]:
    """Some of the entries that an import brings in; none once no more are left."""
    rows = conn.execute("SELECT id FROM entry WHERE brought_by = ? LIMIT ?", (import_id, CHUNK))
    return [id_ for (id_,) in rows]


def _ended(conn: sqlite3.Connection, import_id: int) -> list[int]:
    """Some of the entries that an import takes out; none once no more are left."""
    rows = conn.execute("SELECT id FROM entry WHERE ended_by = ? LIMIT ?", (import_id, CHUNK))
    return [id_ for (id_,) in rows]


def _chunks(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    return (steps[start : start + CHUNK] for start in range(0, len(steps), CHUNK))
