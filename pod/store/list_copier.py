"""The thread that copies the list after each change, before the change is told as done."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import list_copy
from pod.store.connection import connect_reader
from pod.store.copies import FOLDER
from pod.store.diagnosis import SpoiledError, damage_in
from pod.store.home import Home
from pod.store.list_copy import ListCopy
from pod.store.private_file import make_private_folder

TICK_S = 0.5
"""How old the copy may be after a change that another process made."""

HELD_WAIT_S = 10.0
"""How long the writer is waited for, where the file under the database's name can't be read."""

_log = logging.getLogger(__name__)


class ListCopier:
    """Owns its thread from construction to `close`.

    Args:
        home: of the data directory; nothing is written into another.
        list_version: the list's version now.
        read_held: has the list read through the writer's own connection, which may still know it where nobody
            else does; called in the copier's thread.
        now_us: wall clock, microseconds since 1970 UTC.
        on_spoiled: told that the database is damaged, in the copier's thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        home: Home,
        list_version: Callable[[], int],
        read_held: Callable[[], Future[ListCopy]],
        now_us: Callable[[], int],
        on_spoiled: Callable[[SpoiledError], None],
    ) -> None:
        self._path = path
        self._folder = path.parent / FOLDER
        self._home = home
        self._list_version = list_version
        self._read_held = read_held
        self._now_us = now_us
        self._on_spoiled = on_spoiled
        self._changed = threading.Condition()
        self._closing = False
        self._next: Future[None] | None = None
        self._saved_version: int | None = None
        self._fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="store-list-copier", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str | None:
        """Why the copy is not that of the list as it is, with the mend; None where it is."""
        return self._fault

    def copied(self) -> Future[None]:
        """Resolves once a copy that began after this call was made, or could not be: then `fault` says why.

        All who ask before a copy begins share it. Any thread may call.
        """
        with self._changed:
            if self._closing:
                done: Future[None] = Future()
                done.set_result(None)
                return done
            if self._next is None:
                self._next = Future()
                self._changed.notify_all()
            return self._next

    def close(self, timeout_s: float) -> None:
        """Copy the list once more and end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            # Whatever ended it: nobody may wait for copies that never come.
            with self._changed:
                self._closing = True
                left, self._next = self._next, None
            if left is not None:
                left.set_result(None)

    def _loop(self) -> None:
        is_closing = False
        while True:
            with self._changed:
                asked, self._next = self._next, None
            try:
                if asked is not None or self._saved_version != self._list_version():
                    self._attempt(is_closing=is_closing)
            finally:
                if asked is not None:
                    asked.set_result(None)
            if is_closing:
                return
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._next is not None, timeout=TICK_S)
                is_closing = self._closing

    def _attempt(self, *, is_closing: bool) -> None:
        """Copy; what kept it is told in the log once a spell."""
        try:
            self._copy(is_closing=is_closing)
        except SpoiledError as error:
            self._on_spoiled(error)
            fault = (
                f"{self._path} is damaged ({error}): the POD mends it by itself; look at its disk's health"
            )
        except StoreError as error:
            fault = str(error)
        except sqlite3.Error as error:
            fault = f"{self._path}: the list cannot be read ({error}): look at the disk's health"
        except OSError as error:
            fault = (
                f"{self._folder} cannot be written ({error.strerror}): make room, and leave the "
                "data directory to the POD"
            )
        else:
            self._fault = None
            return
        self._saved_version = None
        if self._fault is None and not is_closing:
            _log.error("no copy of the list can be made: %s", fault)
        self._fault = fault

    def _copy(self, *, is_closing: bool) -> None:
        held = self._read(is_closing=is_closing)
        self._home.check()
        make_private_folder(self._folder)
        kept = list_copy.find(self._folder)
        if kept is not None and (difference := kept.contradiction(held)):
            raise SpoiledError(difference)
        if kept is None or kept.version != held.version:
            list_copy.save(self._folder, held)
        self._saved_version = held.version

    def _read(self, *, is_closing: bool) -> ListCopy:
        """The list on file, read anew; where that fails, as the writer's connection holds it.

        Damage that is found is told at once.
        """
        try:
            with closing(connect_reader(self._path)) as conn:
                conn.execute("BEGIN")
                return list_copy.read_list(conn, now_us=self._now_us())
        except (StoreError, OSError, sqlite3.Error, UnicodeDecodeError) as error:
            if is_closing:
                raise
            if (damage := damage_in(error)) is not None:
                self._on_spoiled(damage)
            try:
                return self._read_held().result(HELD_WAIT_S)
            except TimeoutError:
                raise StoreError(
                    f"{self._path}: no answer within {HELD_WAIT_S:g} s: check the disk's health"
                ) from error
