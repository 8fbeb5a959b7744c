"""One thread that does every write, one transaction a job, from a bounded queue."""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pod.domain.errors import PlateBridgeError, StoreError
from pod.store.connection import store_error
from pod.store.file_place import FileMovedError, FilePlace

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
"""Runs inside a write transaction; committed when it returns, rolled back when it raises."""

After = Callable[[], Future[None]]
"""What has to come after a commit before it is told."""

Mend = Callable[[sqlite3.Connection, Exception], sqlite3.Connection | None]

QUEUE_JOBS = 256
TICK_S = 0.25

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriterStats:
    """Counters since the start.

    Attributes:
        refused: jobs that found the queue full and were never taken.
        failed: jobs that were taken and rolled back.
        fault: what the store's last write met, with its mend; None after a good one. A job that only read, or
            that failed by its own fault, changes nothing here.
    """

    queued: int
    committed: int
    failed: int
    refused: int
    fault: str | None


class Writer:
    """Owns the writing connection and its thread, from construction to `close`.

    Args:
        prepare: called in the writer thread, outside a transaction, before each job and each idle refresh;
            what it raises, the job fails with.
        place: of the file; it is not exchanged during a transaction.
        mend: asked in the writer thread, outside a transaction, what to do about a fault of the database: a
            connection, the same or another, with which the work is tried once more, or None.
        refresh: called in the writer thread after each job, before its future resolves, and at least every
            `TICK_S` seconds; it sees what other processes wrote.
        full_wait_s: how long `submit` waits while the queue is full.
        beat: called in the writer thread between jobs, at least every `TICK_S` seconds.
    """

    def __init__(
        self,
        conn: sqlite3.Connection,
        path: Path,
        *,
        refresh: Callable[[sqlite3.Connection], None],
        prepare: Callable[[sqlite3.Connection], None],
        mend: Mend,
        place: FilePlace,
        full_wait_s: float,
        beat: Callable[[], None],
    ) -> None:
        self._conn = conn
        self._path = path
        self._refresh = refresh
        self._prepare = prepare
        self._mend = mend
        self._place = place
        self._full_wait_s = full_wait_s
        self._beat = beat
        self._jobs: deque[tuple[Job[Any], Future[Any], After | None]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._committed = self._failed = self._refused = 0
        self._last_fault: str | None = None
        self._refresh_failing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once closed, or if the thread met a bug; nothing is written any more then."""
        return self._thread.is_alive() and not self._closed

    @property
    def stats(self) -> WriterStats:
        with self._changed:
            return WriterStats(
                len(self._jobs), self._committed, self._failed, self._refused, self._last_fault
            )

    def submit(self, job: Job[T], *, wait: bool = True, after: After | None = None) -> Future[T]:
        """Queue a job; the future resolves after the commit, or with what went wrong.

        A future cancelled before its job starts writes nothing; `cancel()` says whether it was in time.

        Args:
            wait: whether the caller can wait for room in a full queue; without, the job is refused at once.
            after: called after the commit; the future resolves once what it returns does. No other job waits
                for that.

        Raises:
            StoreError: the queue stayed full, or the store is closed.
        """
        future: Future[T] = Future()
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._closed or len(self._jobs) < QUEUE_JOBS,
                timeout=self._full_wait_s if wait else 0.0,
            ):
                self._refused += 1
                self._last_fault = (
                    f"{self._path}: {QUEUE_JOBS} writes already wait for the disk: "
                    "check its health and whether another process holds the database"
                )
                raise StoreError(self._last_fault)
            if self._closed:
                raise StoreError(f"{self._path}: the store is closed")
            self._jobs.append((job, future, after))
            self._changed.notify_all()
        return future

    def close(self, timeout_s: float) -> None:
        """Take no more jobs, finish those taken, end the thread. May be called twice.

        Raises:
            StoreError: the jobs were not done in time; their futures are still open.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise StoreError(
                f"{self._path}: the last writes did not end within {timeout_s:g} s: check the disk's health"
            )

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            with self._changed:
                self._closed = True
                left = list(self._jobs)
                self._jobs.clear()
                self._changed.notify_all()
            for _, future, _ in left:
                if future.set_running_or_notify_cancel():
                    future.set_exception(
                        StoreError(f"{self._path}: the store's writer ended; restart the pod")
                    )
            self._conn.close()

    def _loop(self) -> None:
        next_refresh_s = time.monotonic() + TICK_S
        while True:
            self._beat()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._jobs, timeout=max(0.0, next_refresh_s - time.monotonic())
                )
                if self._closed and not self._jobs:
                    return
                taken = self._jobs.popleft() if self._jobs else None
                self._changed.notify_all()
            if taken is not None:
                self._do(*taken)
            else:
                self._idle()
            next_refresh_s = time.monotonic() + TICK_S

    def _do(self, job: Job[Any], future: Future[Any], after: After | None) -> None:
        if not future.set_running_or_notify_cancel():
            return
        fault: BaseException | None = None
        conn_before, changes_before = self._conn, self._conn.total_changes
        try:
            result = self._mended(lambda: self._in_transaction(job))
        except sqlite3.Error as error:
            fault = store_error(self._path, error)
            fault.__cause__ = error
        except BaseException as error:  # the caller's fault or bug goes to the caller; the thread lives on
            fault = error
        self._safe_refresh()
        with self._changed:
            self._committed += fault is None
            self._failed += fault is not None
            if isinstance(fault, StoreError):
                self._last_fault = str(fault)
            elif fault is None and (
                self._conn is not conn_before or self._conn.total_changes != changes_before
            ):
                self._last_fault = None
        if fault is not None:
            future.set_exception(fault)
        elif after is None:
            future.set_result(result)
        else:
            after().add_done_callback(lambda _: future.set_result(result))

    def _idle(self) -> None:
        """What waits for the database must not wait for the next job, too."""
        changes_before = self._conn.total_changes
        try:
            self._mended(lambda: self._prepare(self._conn))
        except (sqlite3.Error, StoreError) as error:
            fault = store_error(self._path, error) if isinstance(error, sqlite3.Error) else error
            with self._changed:
                self._last_fault = str(fault)
        else:
            if self._conn.total_changes != changes_before:
                with self._changed:
                    self._last_fault = None
        self._safe_refresh()

    def _mended(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (sqlite3.Error, FileMovedError) as error:
            conn = self._mend(self._conn, error)
            if conn is None:
                raise
            self._conn = conn
        return work()

    def _in_transaction(self, job: Job[T]) -> T:
        self._prepare(self._conn)
        with self._place.writing():
            self._conn.execute("BEGIN IMMEDIATE")
            try:
                result = job(self._conn)
                self._conn.execute("COMMIT")
            except BaseException:
                # SQLite has already rolled back after some faults (disk full, I/O error).
                if self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
                raise
        return result

    def _safe_refresh(self) -> None:
        """Readers keep the last good view while the file can't be read; the log tells once per spell."""
        try:
            self._mended(lambda: self._refresh(self._conn))
        except (sqlite3.Error, PlateBridgeError, ValueError) as error:
            if not self._refresh_failing:
                _log.error("%s: the list cannot be read, the last one stays in force: %s", self._path, error)
            self._refresh_failing = True
        else:
            self._refresh_failing = False
