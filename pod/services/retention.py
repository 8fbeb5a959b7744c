"""Erases by age, hourly and on a thread of its own: pictures, and what audit rows say about people.

Also keeps the picture folder in order. Decisions come first: it writes a few rows at a time, and where the
clock is in doubt it goes by the last time that was not, plus what has passed since.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

from pod.config import AuditConfig, MediaConfig
from pod.domain.errors import StoreError
from pod.runtime.metrics import PodMetrics
from pod.services.clock_watch import ClockWatch
from pod.services.health import PartHealth, Status
from pod.store.clock_rows import newest_believable
from pod.store.cloud_confirmed import forgettable
from pod.store.connection import connect_reader, store_error
from pod.store.erasure import ROWS_A_NOTE, empty_rows, erase_rows, unfinished
from pod.store.media import MediaStore
from pod.store.retention import expired_rows
from pod.store.store import Store

log = logging.getLogger(__name__)

EVERY_S = 3600.0

_ALL = 2**63 - 1
"""No row has a higher number."""

_BREATH_S = 0.05
"""Between two transactions: whoever waits for the writer comes first."""


class Retention:
    """One POD's retention, from `start` to `stop`.

    Args:
        media: None where no pictures are kept.
        has_cloud: audit rows wait for the cloud, and stay a while after it has them.
        on_fault: told the bug that ended the thread, on the thread.
    """

    def __init__(
        self,
        store: Store,
        media: MediaStore | None,
        *,
        of_audit: AuditConfig,
        of_media: MediaConfig,
        clock: ClockWatch,
        has_cloud: bool,
        metrics: PodMetrics,
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._store = store
        self._media = media
        self._of_audit = of_audit
        self._of_media = of_media
        self._clock = clock
        self._has_cloud = has_cloud
        self._metrics = metrics
        self._on_fault = on_fault
        self._believed: tuple[datetime, float] | None = None
        self._fault = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        self._stop.set()
        self._thread.join(timeout_s)

    def probe(self) -> PartHealth:
        """Degraded while what is too old cannot be erased."""
        return PartHealth("retention", Status.DEGRADED if self._fault else Status.OK, self._fault)

    def finish_erasures(self) -> None:
        """Empty what was to be emptied: an erasure was cut off, or an older copy of the database put back.

        Raises:
            StoreError: it could not be finished.
        """
        with closing(connect_reader(self._store.path)) as conn:
            try:
                seqs = unfinished(conn)
            except sqlite3.Error as error:
                raise store_error(self._store.path, error) from error
        self._metrics.rows_erased.inc(empty_rows(self._store, seqs, self._breathe))

    def run_once(self) -> None:
        """One round: put the picture folder in order, then erase what is too old.

        Raises:
            StoreError: it could not be finished; the next round goes on.
        """
        if self._media is not None:
            self._media.tidy()
        now = self._believable_now()
        if now is None:
            return
        if self._media is not None:
            known, unknown = _bounds(now, self._of_media.keep_days, self._of_media.keep_unknown_days)
            pictures = self._media.expire(known_before=known, unknown_before=unknown)
            self._metrics.pictures_expired.inc(pictures)
        known, unknown = _bounds(now, self._of_audit.keep_days, self._of_audit.keep_unknown_days)
        while not self._stop.is_set():
            with closing(connect_reader(self._store.path)) as conn:
                try:
                    seqs = expired_rows(
                        conn,
                        known_before=known,
                        unknown_before=unknown,
                        last=forgettable(conn, now) if self._has_cloud else _ALL,
                        limit=ROWS_A_NOTE,
                    )
                except sqlite3.Error as error:
                    raise store_error(self._store.path, error) from error
            if not seqs:
                return
            done = erase_rows(self._store, seqs, note={"why": "age"}, between=self._breathe)
            self._metrics.rows_erased.inc(done)

    def _run(self) -> None:
        is_first = True
        try:
            while not self._stop.is_set():
                try:
                    if is_first:
                        self.finish_erasures()
                    self.run_once()
                    is_first = False
                    self._fault = ""
                except StoreError as error:
                    self._fault = f"Old rows and pictures could not be erased. {error}"
                    log.warning("retention: %s", error)
                self._stop.wait(EVERY_S)
        except Exception as error:
            log.exception("retention failed")
            self._on_fault(error)

    def _breathe(self) -> bool:
        return not self._stop.wait(_BREATH_S)

    def _believable_now(self) -> datetime | None:
        """The time as far as it can be believed: a clock that jumps ahead must not empty the audit.

        None where nothing tells what time it is; nothing goes by age then.
        """
        moment, mono_s = self._clock.look(), time.monotonic()
        if not moment.doubt:
            self._believed = (moment.now, mono_s)
            return moment.now
        if self._believed is None:
            with closing(connect_reader(self._store.path)) as conn:
                newest = newest_believable(conn)
            if newest is None:
                return None
            self._believed = (newest, mono_s)
        wall, since_s = self._believed
        return wall + timedelta(seconds=mono_s - since_s)


def _bounds(now: datetime, keep_days: int, keep_unknown_days: int) -> tuple[datetime, datetime]:
    """Before which moments known and unknown plates go; unknown ones never stay longer."""
    return (
        now - timedelta(days=keep_days),
        now - timedelta(days=min(keep_days, keep_unknown_days)),
    )
