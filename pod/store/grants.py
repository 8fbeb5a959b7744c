"""Which plate was let in when, so that a restart takes no car that stands there for a new one."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from pod.store.moments import from_us

GRANT_MEMORY_S = 3600
"""How long grants are kept: the longest `access.reapproach_s` there is."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant to remember with its audit row: for a while, restarts included, that plate is no new approach.

    Attributes:
        key: the plate's match key.
        entry_id: the entry that loses one of its uses; None where its uses are not counted.
    """

    camera: str
    key: str
    entry_id: int | None = None


def remember(conn: sqlite3.Connection, camera: str, key: str, *, ts_us: int) -> None:
    """Note a grant inside the caller's transaction, and forget those that no setting can make count."""
    conn.execute("DELETE FROM last_grant WHERE ts_us < ?", (ts_us - GRANT_MEMORY_S * 1_000_000,))
    conn.execute(
        "INSERT INTO last_grant (camera, key, ts_us) VALUES (?, ?, ?) "
        "ON CONFLICT (camera, key) DO UPDATE SET ts_us = max(ts_us, excluded.ts_us)",
        (camera, key, ts_us),
    )


def forget(conn: sqlite3.Connection, camera: str, key: str) -> None:
    """Nothing came of a grant."""
    conn.execute("DELETE FROM last_grant WHERE camera = ? AND key = ?", (camera, key))


def last_of(conn: sqlite3.Connection, camera: str) -> dict[str, datetime]:
    """When each plate was last granted at a camera, by match key; aware UTC."""
    rows = conn.execute("SELECT key, ts_us FROM last_grant WHERE camera = ?", (camera,))
    return {key: from_us(ts_us) for key, ts_us in rows}
