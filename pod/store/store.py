"""The pod's store: one SQLite file, one writer thread, the access list in memory, the audit on disk."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pod.domain.errors import StoreError
from pod.store import audit, grants
from pod.store.connection import BUSY_TIMEOUT_S, store_error
from pod.store.copiers import Copiers
from pod.store.detour import Detour
from pod.store.diagnosis import SpoiledError
from pod.store.file_place import FileMovedError, FilePlace
from pod.store.grants import Grant
from pod.store.journal import FOLDER as JOURNAL_FOLDER
from pod.store.journal import Journal
from pod.store.keeping import AlarmSink, Attendants, Keeping
from pod.store.late_rows import Claim, Durability, NotDurableError, pulse_of
from pod.store.list_copy import ListCopy, read_list
from pod.store.opening import open_current
from pod.store.plate_list import PlateList
from pod.store.recovery import finish_exchange, is_exchange_open
from pod.store.rescue import Rescue
from pod.store.row_job import row_job
from pod.store.store_facts import StoreFacts, gather
from pod.store.writer import Job, Writer, WriterStats

T = TypeVar("T")

FILE_NAME = "pod.db"
"""The database's name in the data directory."""

JOURNAL_WAIT_S = 0.15
"""How long a camera's thread waits for the journal, after it waited for the database."""

CLOSE_S = 5.0
"""How long a stop waits for the last writes."""

REST_CLOSE_S = 1.0
"""How long it waits for each other thread: a service is killed 15 s after it was told to stop."""

_log = logging.getLogger(__name__)


class Store:
    """Everything the pod writes down, from `open` to `close`. Any thread may call; one thread writes.

    Several processes may hold a store on one file: each write takes the file's lock, and reads the end of the
    chain under it.
    """

    def __init__(
        self,
        path: Path,
        *,
        keeping: Keeping | None,
        busy_timeout_s: float,
        full_wait_s: float,
        now_us: Callable[[], int],
        beat: Callable[[], None],
    ) -> None:
        self.path = path
        self._now_us = now_us
        self._busy_timeout_s = busy_timeout_s
        self._attendants = Attendants()
        self._on_rows: Callable[[], None] = lambda: None
        self._end_seq = -1
        self._detour: Detour | None = None
        self._copiers: Copiers | None = None
        self._rescue: Rescue | None = None
        if keeping is not None:
            self._rescue = Rescue(
                path, keeping, self._attendants, busy_timeout_s=busy_timeout_s, now_us=now_us, beat=beat
            )
            self._place = self._rescue.place
            conn = self._rescue.open()
        else:
            self._place = FilePlace(path)
            conn = self._connect()
        try:
            self.plates = PlateList(self.submit, self._submit_change, now_us)
            self._refresh(conn)
            if keeping is not None:
                journal = Journal.open(path.parent / JOURNAL_FOLDER, size_bytes=keeping.journal_bytes)
                self._detour = Detour(journal, self._attendants, beat=beat)
        except BaseException:
            conn.close()
            raise
        self._writer = Writer(
            conn,
            path,
            refresh=self._refresh,
            prepare=self._prepare,
            mend=self._mend,
            place=self._place,
            full_wait_s=full_wait_s,
            beat=beat,
        )
        if keeping is not None:
            self._copiers = Copiers(
                path,
                keeping,
                home=self._place.home,
                list_version=lambda: self.plates.current.version,
                read_held=self._read_list,
                now_us=now_us,
                on_spoiled=self._spoiled,
            )

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        keeping: Keeping | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        full_wait_s: float = 1.0,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        beat: Callable[[], None] = lambda: None,
    ) -> Self:
        """Open or create the database, bring its schema up to date, start the writer.

        Args:
            keeping: for the one process that holds the data directory's lock: a journal, a reserve, copies,
                and recovery where the file is damaged, at once or later. Others only read and write.
            busy_timeout_s: how long a write waits for another process.
            full_wait_s: how long a caller waits when 256 writes are queued.
            now_us: wall clock, microseconds since 1970 UTC.
            beat: called by the writer's thread four times a second while it is not held up.

        Raises:
            StoreError: the file can't be used; the text says what to do.
        """
        try:
            return cls(
                path,
                keeping=keeping,
                busy_timeout_s=busy_timeout_s,
                full_wait_s=full_wait_s,
                now_us=now_us,
                beat=beat,
            )
        except sqlite3.Error as error:
            raise store_error(path, error) from error
        except StoreError as error:
            if str(path.parent) in str(error):
                raise
            raise StoreError(f"{path}: {error}") from error
        except ValueError as error:
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

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Finish the writes already taken, then let go of the file; what hangs then is left behind.

        Raises:
            StoreError: the writes did not end in time.
        """
        try:
            self._writer.close(timeout_s)
        finally:
            if self._copiers is not None:
                self._copiers.close(REST_CLOSE_S)
            if self._detour is not None:
                self._detour.close(REST_CLOSE_S)

    @property
    def alive(self) -> bool:
        """Whether writes are still taken."""
        return self._writer.alive

    @property
    def stats(self) -> WriterStats:
        return self._writer.stats

    @property
    def facts(self) -> StoreFacts | None:
        """How the keeping goes; None for a store that keeps nothing. Looks into a directory, never waits."""
        if self._rescue is None or self._detour is None or self._copiers is None:
            return None
        return gather(self.path, self._rescue, self._detour, self._copiers)

    def attend(self, alarms: AlarmSink, make_room: Callable[[int], int]) -> None:
        """Say whom a keeping store turns to; alarms from before are told now.

        Args:
            alarms: told of `disk_full`, `store_corrupt` and `store_journaling`.
            make_room: asked on a full disk to delete so many bytes before the reserve is given up; returns
                how many it did. Called in the writer's thread: it must not wait for the store.
        """
        self._attendants.attend(alarms, make_room)

    def watch_rows(self, told: Callable[[], None]) -> None:
        """Have somebody told whenever the audit grew, whoever wrote it; on the writer's thread: be quick."""
        self._on_rows = told

    def submit(self, job: Job[T]) -> Future[T]:
        """Run a job in a write transaction of the writer thread.

        The future resolves after the commit reached the disk, or raises what the job raised, or StoreError:
        nothing of the job was written then. Don't wait for it inside another job. A job may be run a second
        time where the first was rolled back and what kept it could be mended.

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
            wait: False never blocks, for threads with something more urgent to do, such as ending a pulse.
                Where the database does not take the row, a keeping store puts it into the journal, and the
                future resolves to `detour.JOURNALED_SEQ`; others refuse and count it.

        Raises:
            StoreError: the payload is not JSON, the queue is full, or the store is closed.
        """
        sealed = audit.seal(kind, payload, self._now_us())
        job = row_job(sealed, grant=grant, revoke=revoke, pulse=pulse_of(payload))
        detour = self._detour
        if wait or detour is None:
            return self._writer.submit(job, wait=wait)
        take = partial(
            detour.take,
            sealed,
            payload,
            after_seq=self._end_seq,
            grant=grant,
            revoke=revoke,
            awaited=False,
        )
        submit = partial(self._writer.submit, job, wait=False)
        if detour.must_take(payload):
            return detour.follow(take=take, write=submit)
        try:
            write = submit()
        except StoreError as error:
            write = Future()
            write.set_exception(error)
        return detour.catch(write, take=take)

    def make_durable(
        self,
        kind: str,
        payload: Mapping[str, object],
        *,
        grant: Grant | None = None,
        timeout_s: float,
    ) -> Durability:
        """Append an audit row, dated now, and wait until it is safe; for a camera's thread, before a pulse.

        Takes at most `timeout_s` and 150 ms more. Where the database takes no row in time, a keeping store
        puts it into the journal; it comes into the audit later, once, flagged `"late": true`.

        Args:
            grant: remembered with the row. One that uses an entry up is never journaled: only the database
                counts uses.

        Raises:
            UsesSpentError: the grant's entry has no use left; nothing was written.
            NotDurableError: the row is safe nowhere; `may_appear` says whether it may yet turn up.
            StoreError: the payload is not JSON.
        """
        sealed = audit.seal(kind, payload, self._now_us())
        after_seq, claim = self._end_seq, Claim()
        write_row = row_job(sealed, grant=grant, revoke=None, pulse=pulse_of(payload))

        def job(conn: sqlite3.Connection) -> int:
            claim.take()
            return write_row(conn)

        try:
            self._writer.submit(job, wait=False).result(timeout_s)
        except FutureTimeoutError:
            fault = f"{self.path}: no commit within {timeout_s * 1000:.0f} ms: check the disk's health"
        except StoreError as error:
            fault = str(error)
        else:
            return Durability.COMMITTED
        # A commit that failed after its rows were on their way may be found on disk after all.
        is_out = claim.give_up()
        if self._detour is None or (grant is not None and grant.entry_id is not None):
            raise NotDurableError(fault, may_appear=not is_out)
        kept = self._detour.take(sealed, payload, after_seq=after_seq, grant=grant, revoke=None, awaited=True)
        try:
            kept.result(JOURNAL_WAIT_S)
        except FutureTimeoutError:
            is_out = kept.cancel() and is_out
            text = f"{fault}; nor did the journal answer within {JOURNAL_WAIT_S * 1000:.0f} ms"
            raise NotDurableError(text, may_appear=not is_out) from None
        except StoreError as error:
            # A record that the disk refused may lie in the file all the same.
            text = f"{fault}; nor did the journal take it: {error}"
            raise NotDurableError(text, may_appear=True) from error
        return Durability.JOURNALED

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

        return self.wait_for(self.submit(lambda conn: grants.last_of(conn, camera)), timeout_s)

    def _connect(self) -> sqlite3.Connection:
        if is_exchange_open(self.path):
            with self._place.exchanging():
                finish_exchange(self.path)
        return open_current(self.path, self._place, busy_timeout_s=self._busy_timeout_s)

    def _refresh(self, conn: sqlite3.Connection) -> None:
        self.plates.refresh(conn)
        before, self._end_seq = self._end_seq, audit.read_head(conn).seq
        if self._end_seq != before:
            self._on_rows()
        if self._rescue is not None:
            self._rescue.note(self._end_seq, self.plates.current.version)

    def _prepare(self, conn: sqlite3.Connection) -> None:
        if self._rescue is not None:
            self._rescue.look()
        if self._detour is not None and self._detour.is_waiting:
            with self._place.writing():
                self._detour.bring_in(conn)

    def _mend(self, conn: sqlite3.Connection, error: Exception) -> sqlite3.Connection | None:
        if self._rescue is not None:
            fresh = self._rescue.mend(conn, error, list_version=self.plates.current.version)
        elif isinstance(error, FileMovedError) and self.path.exists():
            fresh = self._connect()
            conn.close()
        else:
            return None
        if fresh is not None and fresh is not conn:
            try:
                self.plates.reload(fresh)
            except (sqlite3.Error, ValueError) as fault:
                _log.error("%s: the list cannot be read, the last one stays in force: %s", self.path, fault)
            self._end_seq = audit.read_head(fresh).seq
        return fresh

    def _submit_change(self, job: Job[T]) -> Future[T]:
        """As `submit`, for a change of the list: told only once the copy beside the database has it, too."""
        return self._writer.submit(job, after=None if self._copiers is None else self._copiers.copied)

    def _read_list(self) -> Future[ListCopy]:
        return self._writer.submit(lambda conn: read_list(conn, now_us=self._now_us()), wait=False)

    def _spoiled(self, error: SpoiledError) -> None:
        def job(conn: sqlite3.Connection) -> None:
            raise error

        # A store that takes no job any more is told by its health, and the next look finds the damage again.
        with contextlib.suppress(StoreError):
            self._writer.submit(job, wait=False)
