"""Keep the list in memory at the file's version, without ever holding up the writer's thread for long."""

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pod.domain.errors import PlateBridgeError
from pod.store.connection import connect_reader
from pod.store.list_snapshot import ListHead, ListSnapshot, follow, load, one_moment, read_delta, read_head

MOST_STEPS = 200
"""Up to so many changed entries are taken in one by one; for more, the list is read beside the writer."""

RETRY_S = 5.0
"""How long a list that could not be read is left alone: the fault may be the moment's, not the list's."""


class ListFollower:
    """Holds the snapshot that decisions read.

    `current` is replaced as a whole: by the writer's thread after small changes, by a thread of its own
    (`list-load`, one at a time, which ends by itself) after large ones. Readers take the attribute; no lock.
    The site's switches never wait for its entries: a lockdown holds at once, also where these can't be read.

    Attributes:
        fault: why `current` is not the list on file and will not be soon; None while it is, or is on its way.
    """

    def __init__(self) -> None:
        self.current = ListSnapshot()
        self.fault: str | None = None
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._failed: Exception | None = None
        self._next_load_s = 0.0
        self._prepared: _Prepared | None = None

    def refresh(self, conn: sqlite3.Connection) -> None:
        """Take in what changed since `current`, whoever wrote it. For the writer's thread.

        After a change of more than `MOST_STEPS` entries it returns at once, and `current` follows later.

        Raises:
            sqlite3.Error, StoreError: the file can't be read; `current` stays.
            ValueError: it holds what this program doesn't know; `current` stays.
        """
        try:
            if not self._take_in(conn):
                self._load_beside(file_of(conn))
        except (sqlite3.Error, PlateBridgeError, ValueError) as error:
            self.fault = str(error)
            raise

    def _take_in(self, conn: sqlite3.Connection) -> bool:
        """Whether `current` is the list on file now; its switches are in any case."""
        while True:
            current = self.current  # before the file: then the file is never the older one
            with one_moment(conn):
                head = read_head(conn)
                if head.state != current.state:
                    switched = replace(current, state=head.state)
                    if not self._swap_in(switched, instead_of=current):
                        continue
                    current = switched
                found = self._followed(conn, head, current)
            if found is None:
                return False
            if self._swap_in(found, instead_of=current):
                self.fault = self._failed = None
                return True

    def _load_beside(self, file: Path) -> None:
        """See that the whole list is read; a reading that failed is raised until one succeeds."""
        now_s = time.monotonic()
        is_loading = self._loading is not None and self._loading.is_alive()
        if not is_loading and now_s >= self._next_load_s:
            self._next_load_s = now_s + RETRY_S
            self._loading = threading.Thread(target=self._load, args=(file,), name="list-load", daemon=True)
            self._loading.start()
        if (failed := self._failed) is not None:
            raise failed.with_traceback(None)  # else each raising would add to the traceback it keeps

    def catch_up(self, conn: sqlite3.Connection) -> ListSnapshot:
        """The list as the caller's transaction sees it, before its own changes, however long that takes."""
        head = read_head(conn)
        while True:
            current = self.current
            found = self._followed(conn, head, current) or load(conn)
            if self._swap_in(found, instead_of=current):
                return found

    def reload(self, conn: sqlite3.Connection) -> None:
        """Forget `current` and read the whole list, as after another file was put in this one's place.

        Raises:
            sqlite3.Error, ValueError: as `refresh`; `current` stays.
        """
        found = load(conn)
        with self._lock:
            self.current = found

    def prepare(self, base: ListSnapshot, after: ListSnapshot, *, import_id: int) -> None:
        """Have the snapshot ready that follows `base` once an import is in force. For the writer's thread."""
        self._prepared = _Prepared(base, after, import_id)

    def _followed(
        self, conn: sqlite3.Connection, head: ListHead, current: ListSnapshot
    ) -> ListSnapshot | None:
        """The snapshot at `head`, which follows `current`; None where that would take long."""
        if head.version == current.version:
            now = replace(current, state=head.state, confirmed_at=head.confirmed_at)
            return current if now == current else now
        if current.version < 0 or head.version < current.version:
            return load(conn)
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared.follows(current, conn, head):
            return replace(prepared.after, state=head.state, confirmed_at=head.confirmed_at)
        if current.version < head.gone_since:
            return None
        delta = read_delta(conn, current.version, most=MOST_STEPS)
        return None if delta is None else follow(current, head, delta)

    def _load(self, file: Path) -> None:
        try:
            with closing(connect_reader(file)) as conn:
                found = load(conn)
            with self._lock:
                if found.version > self.current.version:
                    # A switch may have been thrown while the entries were read: the writer's thread knows.
                    self.current = replace(found, state=self.current.state)
            self._failed, self._next_load_s = None, 0.0
        except Exception as error:  # the writer's thread raises it, as it would meet it itself
            self._failed = error

    def _swap_in(self, found: ListSnapshot, *, instead_of: ListSnapshot) -> bool:
        """Whether `found` is current now; not where the other thread was quicker."""
        with self._lock:
            if self.current is not instead_of:
                return False
            self.current = found
            return True


@dataclass(frozen=True, slots=True)
class _Prepared:
    base: ListSnapshot
    after: ListSnapshot
    import_id: int

    def follows(self, current: ListSnapshot, conn: sqlite3.Connection, head: ListHead) -> bool:
        """Whether the import alone lies between `current` and `head`: its commit may have failed."""
        if self.base.index is not current.index or self.after.version != head.version:
            return False
        done = conn.execute("SELECT done_version FROM list_import WHERE id = ?", (self.import_id,)).fetchone()
        return done is not None and int(done[0] or 0) == head.version


def file_of(conn: sqlite3.Connection) -> Path:
    """The file that a connection is open on."""
    return Path(next(file for _, name, file in conn.execute("PRAGMA database_list") if name == "main"))
