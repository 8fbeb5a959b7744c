"""Bring many entries into the list: all or none, and in force at one moment."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from pod.domain.errors import PlateListError, StoreError
from pod.store.list_changes import Step, write_change
from pod.store.list_follower import ListFollower
from pod.store.list_plan import ImportPlan, ImportRow, plan_import
from pod.store.list_problems import report
from pod.store.list_snapshot import ListSnapshot
from pod.store.list_staging import CHUNK, TRIES, Pause, Staged, Staging, Submit


class ListImport:
    """The imports of one list; one at a time, each in a thread of its own (`list-import`)."""

    def __init__(
        self, submit_change: Submit, staging: Staging, follower: ListFollower, now_us: Callable[[], int]
    ) -> None:
        self._submit_change = submit_change
        self._staging = staging
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
        staging = self._staging
        staging.clean_up(by=by)
        held: tuple[ImportPlan, Staged] | None = None
        try:
            for _ in range(TRIES):
                base = staging.base()
                plan = _plan(base, rows, name, pause=Pause())
                if held is not None and held[0] != plan:
                    dropped, held = held[1], None
                    staging.drop(dropped.id, by=by)
                if held is None:
                    if not (steps := _steps(plan)):
                        return plan
                    held = plan, staging.stage(steps, by=by)
                counts = {"added": len(plan.added), "updated": len(plan.updated)}
                if staging.put_in_force(held[1], base, told={"by": by, **counts}):
                    staging.leave_tidy(partial(staging.tidy, held[1].id))
                    return plan
        except BaseException:
            if held is not None:
                staging.leave_tidy(partial(staging.drop, held[1].id, by=by))
            raise
        if held is not None:
            staging.drop(held[1].id, by=by)
        raise StoreError("the list kept changing during the import, nothing was imported: import again")


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
