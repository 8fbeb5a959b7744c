"""The access list in memory, as of one version: read whole once, then kept up to date change by change."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pod.domain.entry import Entry
from pod.domain.index import AccessIndex
from pod.domain.situation import SiteState
from pod.store.entry_rows import entries_in_force, entry_in_force
from pod.store.moments import from_us


@dataclass(frozen=True, slots=True)
class ListSnapshot:
    """The whole list at one version; shared by threads, never changed.

    Attributes:
        version: rises with every committed change of the list and of the site's switches.
        index: the entries, by plate.
        state: the site's switches.
        confirmed_at: when the owner of the cloud's entries last confirmed them, aware UTC; None: never.
    """

    version: int = -1
    index: AccessIndex = field(default_factory=lambda: AccessIndex(()))
    state: SiteState = field(default_factory=SiteState)
    confirmed_at: datetime | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, sorted by plate."""
        return self.index.entries

    def find(self, entry_id: int) -> Entry | None:
        """The entry with this id; None where it is gone."""
        return next((entry for entry in self.entries if entry.id == entry_id), None)


@dataclass(frozen=True, slots=True)
class ListHead:
    """What the file says of its list, entries apart.

    Attributes:
        gone_since: the oldest version from which removals can be told one by one.
    """

    version: int
    state: SiteState
    confirmed_at: datetime | None
    gone_since: int


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed since a version.

    Attributes:
        touched: ids of entries that are new, changed or gone.
        present: those of them that are in force, as they are now.
    """

    touched: frozenset[int]
    present: tuple[Entry, ...]


@contextlib.contextmanager
def one_moment(conn: sqlite3.Connection) -> Iterator[None]:
    """Reads inside see the file as of one moment; joins the transaction that is open, if one is."""
    if conn.in_transaction:
        yield
        return
    conn.execute("BEGIN")
    try:
        yield
    finally:
        conn.execute("ROLLBACK")


def read_head(conn: sqlite3.Connection) -> ListHead:
    """Raises: sqlite3.Error: the file can't be read; ValueError: a moment out of range."""
    version, lockdown, auto_grant, confirmed_us, gone_since = conn.execute(
        "SELECT version, lockdown, auto_grant, confirmed_us, gone_since FROM list_state"
    ).fetchone()
    return ListHead(
        version,
        SiteState(bool(lockdown), bool(auto_grant)),
        None if confirmed_us is None else from_us(confirmed_us),
        gone_since,
    )


def load(conn: sqlite3.Connection) -> ListSnapshot:
    """The whole list as the file holds it.

    Raises:
        sqlite3.Error: it can't be read.
        ValueError: a row holds what this program doesn't know.
    """
    with one_moment(conn):
        head = read_head(conn)
        entries = entries_in_force(conn)
    return ListSnapshot(head.version, AccessIndex(entries), head.state, head.confirmed_at)


_TOUCHED = (
    "SELECT id FROM entry WHERE version > :since "
    "UNION SELECT id FROM entry_gone WHERE version > :since "
    "UNION SELECT id FROM entry WHERE brought_by IN (SELECT id FROM list_import WHERE done_version > :since) "
    "UNION SELECT id FROM entry WHERE ended_by IN (SELECT id FROM list_import WHERE done_version > :since) "
    "LIMIT :most"
)


def read_delta(conn: sqlite3.Connection, since: int, *, most: int) -> Delta | None:
    """What changed after version `since`; None where it is more than `most` entries.

    Only the entries concerned are read, whatever the length of the list.

    Raises:
        sqlite3.Error: it can't be read.
        ValueError: a row holds what this program doesn't know.
    """
    touched = [id_ for (id_,) in conn.execute(_TOUCHED, {"since": since, "most": most + 1})]
    if len(touched) > most:
        return None
    present = [entry for id_ in touched if (entry := entry_in_force(conn, id_)) is not None]
    return Delta(frozenset(touched), tuple(present))


def follow(snapshot: ListSnapshot, head: ListHead, delta: Delta) -> ListSnapshot:
    """The snapshot at the version of `head`. Pure."""
    before = [entry for entry in snapshot.entries if entry.id in delta.touched]
    index = snapshot.index.replaced(before, delta.present)
    return ListSnapshot(head.version, index, head.state, head.confirmed_at)
