"""What the sync agent tells a POD: how it stands with the cloud, what the cloud has, and what went wrong."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial

from pod.domain.errors import StoreError
from pod.services.health import PartHealth, Status
from pod.store.cloud_confirmed import note_confirmed
from pod.store.store import Store

log = logging.getLogger(__name__)

CONFIRM_EVERY_S = 300.0
"""So often at most it is written down that the list is the newest; the limits of stale lists are hours."""

NOTE_CONFIRMED_EVERY_S = 3600.0
TELL_FAULT_EVERY_S = 60.0


class SyncNotes:
    """Takes in what the agent tells, without making it wait. Any thread may call.

    Args:
        note: records and publishes a change, as an audit payload; must not block.
        store: where confirmations go.
    """

    def __init__(
        self,
        store: Store,
        *,
        note: Callable[[str, Mapping[str, object]], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._note = note
        self._now = now
        self._lock = threading.Lock()
        self._is_reached: bool | None = None
        self._trouble = "It was not reached yet."
        self._fault = ""
        self._due_s: dict[str, float] = {}

    def probe(self) -> PartHealth:
        """Degraded while the cloud does not answer: the gates go on by the list that is here."""
        with self._lock:
            if self._is_reached:
                return PartHealth("cloud", Status.DEGRADED if self._fault else Status.OK, self._fault)
            words = f"The cloud does not answer; the gates go on by the list that is here. {self._trouble}"
            return PartHealth("cloud", Status.DEGRADED, words.strip())

    def on_state(self, is_reached: bool, broker: str, trouble: str) -> None:
        """How it stands now; a change between reached and not goes into the audit."""
        with self._lock:
            self._trouble = trouble
            is_change = is_reached != self._is_reached and (is_reached or bool(trouble))
            if is_change:
                self._is_reached = is_reached
                self._fault = ""
        if is_change:
            self._note("cloud_state", {"reached": is_reached, "broker": broker, "trouble": trouble})

    def on_fault(self, error: Exception) -> None:
        """Something of the sync failed; it goes on by itself."""
        with self._lock:
            self._fault = f"Syncing with the cloud met a fault and goes on: {error}"
            is_told = self._is_due("fault", TELL_FAULT_EVERY_S)
        if is_told:
            log.error("sync: %s", error, exc_info=None if isinstance(error, StoreError) else error)

    def on_list_confirmed(self, cloud_time_s: float) -> None:
        """The list in force is the cloud's newest. As of the earlier of both clocks: doubt makes it older."""
        with self._lock:
            if not self._is_due("list", CONFIRM_EVERY_S):
                return
        at = min(datetime.fromtimestamp(cloud_time_s, UTC), self._now())
        self._write(lambda: self._store.plates.confirm(at))

    def on_confirmed(self, seq: int) -> None:
        """The cloud signed to have the audit through this row."""
        with self._lock:
            if not self._is_due("audit", NOTE_CONFIRMED_EVERY_S):
                return
        now_us = int(self._now().timestamp() * 1_000_000)
        job: Callable[[sqlite3.Connection], None] = partial(note_confirmed, seq=seq, now_us=now_us)
        self._write(lambda: self._store.submit(job))

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._due_s.get(what, 0.0):
            return False
        self._due_s[what] = now_s + every_s
        return True

    def _write(self, begin: Callable[[], Future[None]]) -> None:
        try:
            begin().add_done_callback(self._written)
        except StoreError as error:
            self.on_fault(error)

    def _written(self, write: Future[None]) -> None:
        error = write.exception()
        if isinstance(error, Exception):
            self.on_fault(error)
