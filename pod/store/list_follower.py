"""Keep the list in memory at the file's version, without ever holding up the writer's thread for long."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pod.store.connection import connect_reader
from pod.store.list_snapshot import ListHead, ListSnapshot, follow, load, one_moment, read_delta, read_head

MOST_STEPS = 200
"""Up to so many changed entries are taken in one by one; for more, the list is read beside the writer."""


class ListFollower:
    """Holds the snapshot that decisions read.

    `current` is replaced as a whole: by the writer's thread after small changes, by a thread of its own
    (`list-load`, one at a time, which ends by itself) after large ones. Readers take the attribute; no lock.
    """

    def __init__(self) -> None:
        self.current = ListSnapshot()
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._fault: tuple[int, Exception] | None = None
        self._prepared: _Prepared | None = None

    def refresh(self, conn: sqlite3.Connection) -> None:
        """Take in what changed since `current`, whoever wrote it. For the writer's thread.

        After a change of more than `MOST_STEPS` entries it returns at once, and `current` follows later.

        Raises:
            sqlite3.Error, StoreError: the file can't be read; `current` stays.
            ValueError: it holds what this program doesn't know; `current` stays.
        """
        with one_moment(conn):
            head = read_head(conn)
            current = self.current
            found = self._followed(conn, head, current)
        if found is not None:
            self._swap_in(found, instead_of=current)
        elif self._fault is not None and self._fault[0] == head.version:
            raise self._fault[1]
        elif self._loading is None or not self._loading.is_alive():
            self._loading = threading.Thread(
                target=self._load, args=(_file_of(conn), head.version), name="list-load", daemon=True
            )
            self._loading.start()

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

    def _load(self, file: Path, version: int) -> None:
        try:
            with closing(connect_reader(file)) as conn:
                found = load(conn)
            with self._lock:
                if found.version > self.current.version:
                    self.current = found
        except Exception as error:  # the writer's thread raises it at its next refresh, which tells it once
            self._fault = (version, error)

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


def _file_of(conn: sqlite3.Connection) -> Path:
    return Path(next(file for _, name, file in conn.execute("PRAGMA database_list") if name == "main"))
