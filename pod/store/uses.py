"""Entries that open a counted number of times: a use is taken with the intent that it stands for."""

import sqlite3

from pod.domain.errors import UsesSpentError
from pod.store.site_state import next_version


def take_use(conn: sqlite3.Connection, entry_id: int) -> None:
    """Take one use of an entry, inside the transaction of the intent; nothing where they are not counted.

    Raises:
        UsesSpentError: none is left, or the entry is gone; the intent must not be written.
    """
    found = conn.execute("SELECT uses_left FROM entry_in_force WHERE id = ?", (entry_id,)).fetchone()
    if found is None:
        raise UsesSpentError("the entry was removed from the list meanwhile: add it again to let the car in")
    (uses_left,) = found
    if uses_left is None:
        return
    if uses_left <= 0:
        raise UsesSpentError("the entry has no uses left: give it more to let the car in")
    _count(conn, entry_id, -1)


def give_back_use(conn: sqlite3.Connection, entry_id: int) -> None:
    """Return a use of which nothing came, inside the caller's transaction, where uses are counted."""
    if conn.execute(
        "SELECT 1 FROM entry_in_force WHERE id = ? AND uses_left IS NOT NULL", (entry_id,)
    ).fetchone():
        _count(conn, entry_id, +1)


def _count(conn: sqlite3.Connection, entry_id: int, change: int) -> None:
    conn.execute(
        "UPDATE entry SET uses_left = uses_left + ?, version = ? WHERE id = ?",
        (change, next_version(conn), entry_id),
    )
