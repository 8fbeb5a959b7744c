"""The thread that keeps copies: of the list after each change, of the database every few hours."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import audit, list_copy
from pod.store.connection import connect_reader
from pod.store.copies import FOLDER, clear_unfinished, find_copies, make_copy
from pod.store.diagnosis import SpoiledError

TICK_S = 0.5
"""How old the copy of the list may be, apart from the time that it takes."""

LOOK_EVERY_S = 60.0
"""How often it is asked whether a copy of the database is due, and how long a fault is left alone."""

_log = logging.getLogger(__name__)


class Copier:
    """Owns its thread from construction to `close`.

    Args:
        spare_bytes: free space that a copy must leave.
        list_version: the list's version now.
        now_us: wall clock, microseconds since 1970 UTC.
        on_spoiled: told that the database is damaged, in the copier's thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_s: float,
        spare_bytes: int,
        list_version: Callable[[], int],
        now_us: Callable[[], int],
        on_spoiled: Callable[[SpoiledError], None],
    ) -> None:
        self._path = path
        self._folder = path.parent / FOLDER
        self._every_s = every_s
        self._spare_bytes = spare_bytes
        self._list_version = list_version
        self._now_us = now_us
        self._on_spoiled = on_spoiled
        self._closing = threading.Event()
        self._saved_version: int | None = None
        self._seen_seq = 0
        self._next_copy_s = 0.0
        self._list_fault: str | None = None
        self._copy_fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="store-copier", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str | None:
        """Why there is no newer copy, with the mend; None where there is nothing to say."""
        return self._list_fault or self._copy_fault

    def close(self, timeout_s: float = 5.0) -> None:
        """Copy the list once more and end; a copy of the database under way is given up."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        is_closing = False
        clear_unfinished(self._folder)
        while True:
            self._list_fault = self._attempt(self._copy_list)
            if not is_closing and time.monotonic() >= self._next_copy_s:
                self._next_copy_s = time.monotonic() + LOOK_EVERY_S
                self._copy_fault = self._attempt(self._copy_database)
            if is_closing:
                return
            is_closing = self._closing.wait(TICK_S)

    def _attempt(self, work: Callable[[], None]) -> str | None:
        """What went wrong, told in the log once a spell; None where nothing did."""
        try:
            work()
        except SpoiledError as error:
            self._on_spoiled(error)
            return str(error)
        except (StoreError, OSError, sqlite3.Error) as error:
            if self.fault is None and not self._closing.is_set():
                _log.error("%s: no copy can be made: %s", self._path, error)
            return str(error)
        return None

    def _copy_list(self) -> None:
        if self._saved_version == self._list_version():
            return
        with closing(connect_reader(self._path)) as conn:
            conn.execute("BEGIN")
            held = list_copy.read_list(conn, now_us=self._now_us())
        kept = list_copy.find(self._folder)
        if kept is not None and (difference := kept.contradiction(held)):
            raise SpoiledError(difference)
        if kept is None or kept.version != held.version:
            list_copy.save(self._folder, held)
        self._saved_version = held.version

    def _copy_database(self) -> None:
        """Where one is due: by its age, or because the copies hold what was erased since."""
        copies = find_copies(self._folder)
        now = datetime.fromtimestamp(self._now_us() / 1e6, UTC)
        erased_seq = self._newest_erasure()
        is_due = not copies or not 0 <= (now - copies[0].at).total_seconds() < self._every_s
        if not is_due and not erased_seq:
            return
        try:
            copy = make_copy(
                self._path,
                self._folder,
                now=now,
                spare_bytes=self._spare_bytes,
                breathe=self._breathe,
            )
        except StoreError as error:
            if not self._closing.is_set():
                self._blame(error)
            raise
        if erased_seq:
            for old in copies:
                if old.path != copy.path:
                    old.path.unlink(missing_ok=True)
            self._seen_seq = erased_seq

    def _newest_erasure(self) -> int:
        """The newest row that tells of an erasure since the last look; 0 where there is none."""
        with closing(connect_reader(self._path)) as conn:
            (seq,) = conn.execute(
                "SELECT max(seq) FROM audit WHERE kind = 'erasure' AND seq > ?", (self._seen_seq,)
            ).fetchone()
        return int(seq or 0)

    def _blame(self, error: StoreError) -> None:
        """Tell a damaged database from a copy that went wrong.

        Raises:
            SpoiledError: it is the database.
        """
        with closing(connect_reader(self._path)) as conn:
            conn.set_progress_handler(self._breathe, 20_000)
            (answer,) = conn.execute("PRAGMA quick_check(1)").fetchone()
            result = audit.verify(conn)
        if answer != "ok" or not result.ok:
            raise SpoiledError(result.reason or str(answer)) from error

    def _breathe(self) -> int:
        """Let the threads that decide have the processor; non-zero ends the work."""
        return 1 if self._closing.wait(0.002) else 0
