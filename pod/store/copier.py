"""The thread that looks whether the database is whole, and keeps copies of it."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.copies import FOLDER, clear_unfinished, find_copies, make_copy
from pod.store.diagnosis import SpoiledError, damage_in, find_damage
from pod.store.home import Home, HomeGoneError
from pod.store.private_file import make_private_folder

LOOK_EVERY_S = 60.0
"""How often the database is read whole, and it is asked whether a copy is due."""

LOOK_SHARE = 50
"""A large database is read more rarely: that takes one part in so many of the time."""

_log = logging.getLogger(__name__)


class Copier:
    """Owns its thread from construction to `close`.

    Args:
        every_s: seconds between two copies.
        look_every_s: seconds between two looks, for a database that is read quickly.
        spare_bytes: free space that a copy must leave.
        home: of the data directory; nothing is written into another.
        now_us: wall clock, microseconds since 1970 UTC.
        on_spoiled: told that the database is damaged, in the copier's thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_s: float,
        look_every_s: float,
        spare_bytes: int,
        home: Home,
        now_us: Callable[[], int],
        on_spoiled: Callable[[SpoiledError], None],
    ) -> None:
        self._path = path
        self._folder = path.parent / FOLDER
        self._every_s = every_s
        self._look_every_s = look_every_s
        self._spare_bytes = spare_bytes
        self._home = home
        self._now_us = now_us
        self._on_spoiled = on_spoiled
        self._closing = threading.Event()
        self._seen_seq = 0
        self._look_fault: str | None = None
        self._copy_fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="store-copier", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str | None:
        """Why there is no newer copy, with the mend; None where there is nothing to say."""
        return self._look_fault or self._copy_fault

    def close(self, timeout_s: float) -> None:
        """End; a copy of the database under way is given up."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        clear_unfinished(self._folder)
        wait_s = self._look_every_s
        while True:
            self._copy_fault = self._attempt(self._copy_database)
            if self._closing.wait(wait_s):
                return
            began_s = time.monotonic()
            self._look_fault = self._attempt(self._look)
            wait_s = max(self._look_every_s, LOOK_SHARE * (time.monotonic() - began_s))

    def _attempt(self, work: Callable[[], None]) -> str | None:
        """What went wrong, told in the log once a spell; None where nothing did."""
        try:
            self._home.check()
            make_private_folder(self._folder)
            work()
        except HomeGoneError:
            return None  # the writer tells it, and when it is over
        except (StoreError, OSError, sqlite3.Error, UnicodeDecodeError) as error:
            if self._closing.is_set():
                return self.fault
            if (damage := damage_in(error)) is not None:
                self._on_spoiled(damage)
                fault = (
                    f"{self._path} is damaged ({damage}): the POD mends it itself; look at its disk's health"
                )
            elif isinstance(error, OSError):
                fault = (
                    f"{self._folder} cannot be written ({error.strerror}): make room, and leave it to the POD"
                )
            else:
                fault = str(error)
            if self.fault is None:
                _log.error("%s: no copy can be made: %s", self._path, fault)
            return fault
        return None

    def _look(self) -> None:
        """Read the database as whoever opens it now would: a running POD need not meet what is spoiled.

        Raises:
            SpoiledError, StoreError, sqlite3.Error: it is damaged.
        """
        opened = self._path.stat()
        with closing(connect_reader(self._path)) as conn:
            conn.set_progress_handler(self._breathe, 20_000)
            damage = find_damage(conn, self._folder)
        # One that was exchanged meanwhile is not the one that the notes beside it tell of.
        if damage is not None and os.path.samestat(opened, self._path.stat()):
            raise SpoiledError(damage.reason)

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
