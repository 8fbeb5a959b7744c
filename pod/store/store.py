"""The pod's store: one SQLite file, one writer thread, the access list in memory, the audit on disk."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pod.domain.errors import StoreError
from pod.store import audit
from pod.store.connection import BUSY_TIMEOUT_S, connect_writer, store_error
from pod.store.migrate import migrate
from pod.store.moments import from_us
from pod.store.plate_list import PlateList
from pod.store.writer import Job, Writer, WriterStats

T = TypeVar("T")

FILE_NAME = "pod.db"
"""The database's name in the data directory."""

GRANT_MEMORY_S = 3600
"""How long grants are kept: the longest `access.reapproach_s` there is."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant to remember with its audit row: for a while, restarts included, that plate is no new approach.

    Attributes:
        key: the plate's match key.
    """

    camera: str
    key: str


class Store:
    """Everything the pod writes down. Any thread may call; one thread writes.

    Several processes may hold a store on one file: each write takes the file's lock, and reads the end of the
    chain under it.
    """

    def __init__(
        self,
        conn: sqlite3.Connection,
        path: Path,
        *,
        now_us: Callable[[], int],
        full_wait_s: float,
        beat: Callable[[], None],
    ) -> None:
        self.path = path
        self._now_us = now_us
        self.plates = PlateList(self.submit, now_us)
        self.plates.refresh(conn)
        self._writer = Writer(conn, path, refresh=self.plates.refresh, full_wait_s=full_wait_s, beat=beat)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        full_wait_s: float = 1.0,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        beat: Callable[[], None] = lambda: None,
    ) -> Self:
        """Open or create the database, bring its schema up to date, start the writer.

        Args:
            busy_timeout_s: how long a write waits for another process.
            full_wait_s: how long a caller waits when 256 writes are queued.
            now_us: wall clock, microseconds since 1970 UTC.
            beat: called by the writer's thread four times a second while it is not held up.

        Raises:
            StoreError: the file can't be used; the text says what to do.
        """
        conn = connect_writer(path, busy_timeout_s=busy_timeout_s)
        try:
            migrate(conn)
            return cls(conn, path, now_us=now_us, full_wait_s=full_wait_s, beat=beat)
        except sqlite3.Error as error:
            conn.close()
            raise store_error(path, error) from error
        except StoreError as error:
            conn.close()
            raise StoreError(f"{path}: {error}") from error
        except ValueError as error:
            conn.close()
            raise StoreError(
                f"{path}: the access list holds what this program does not know ({error}): "
                "install the newer PlateBridge again, or put back an older copy"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, timeout_s: float = 10.0) -> None:
        """Finish the writes already taken, then let go of the file.

        Raises:
            StoreError: the writes did not end in time.
        """
        self._writer.close(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether writes are still taken."""
        return self._writer.alive

    @property
    def stats(self) -> WriterStats:
        return self._writer.stats

    def submit(self, job: Job[T]) -> Future[T]:
        """Run a job in a write transaction of the writer thread.

        The future resolves after the commit reached the disk, or raises what the job raised, or StoreError:
        nothing of the job was written then. Don't wait for it inside another job.

        Raises:
            StoreError: the queue stayed full, or the store is closed.
        """
        return self._writer.submit(job)

    def record(
        self,
        kind: str,
        payload: Mapping[str, object],
        *,
        grant: Grant | None = None,
        revoke: Grant | None = None,
        wait: bool = True,
    ) -> Future[int]:
        """Append an audit row, dated now; resolves to its seq once it is on disk.

        Args:
            kind: one of `audit.KINDS`.
            payload: JSON values; what a decision's row holds is its writer's to say.
            grant: remembered in the same transaction.
            revoke: forgotten in the same transaction, because nothing came of it.
            wait: False never blocks: where 256 writes are queued, the row is refused and counted at once. For
                threads that have something more urgent to do, such as ending a pulse.

        Raises:
            StoreError: the payload is not JSON, the queue is full, or the store is closed.
        """
        sealed = audit.seal(kind, payload, self._now_us())

        def job(conn: sqlite3.Connection) -> int:
            if grant is not None:
                over_us = sealed.ts_us - GRANT_MEMORY_S * 1_000_000
                conn.execute("DELETE FROM last_grant WHERE ts_us < ?", (over_us,))
                conn.execute(
                    "INSERT INTO last_grant (camera, key, ts_us) VALUES (?, ?, ?) "
                    "ON CONFLICT (camera, key) DO UPDATE SET ts_us = excluded.ts_us",
                    (grant.camera, grant.key, sealed.ts_us),
                )
            if revoke is not None:
                conn.execute(
                    "DELETE FROM last_grant WHERE camera = ? AND key = ?", (revoke.camera, revoke.key)
                )
            return audit.append(conn, [sealed])

        return self._writer.submit(job, wait=wait)

    def wait_for(self, write: Future[T], timeout_s: float) -> T:
        """What a write resolves to; one that has not begun by then never happens.

        Raises:
            StoreError: nothing was written, or not in time; whatever else the job raised.
        """
        try:
            return write.result(timeout_s)
        except TimeoutError as error:
            write.cancel()
            raise StoreError(
                f"{self.path}: no answer within {timeout_s:g} s: check the disk's health "
                "and whether another process holds the database"
            ) from error

    def last_grants(self, camera: str, *, timeout_s: float = 10.0) -> dict[str, datetime]:
        """When each plate was last granted at a camera, by match key; aware UTC.

        Raises:
            StoreError: the store can't answer.
        """

        def job(conn: sqlite3.Connection) -> dict[str, datetime]:
            rows = conn.execute("SELECT key, ts_us FROM last_grant WHERE camera = ?", (camera,))
            return {key: from_us(ts_us) for key, ts_us in rows}

        return self.wait_for(self.submit(job), timeout_s)
