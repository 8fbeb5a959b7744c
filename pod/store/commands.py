"""Opens that people ask for: an id is spent before its pulse, so that none runs twice, restarts included."""

import sqlite3
from dataclasses import dataclass

KEPT_US = 7 * 24 * 3600 * 1_000_000
"""How long a spent id is remembered; commands are refused long before they are so old."""


@dataclass(frozen=True, slots=True)
class SpentCommand:
    """A command whose id was spent.

    Attributes:
        result: "commanded", "failed" or "refused"; None while it runs, or where the POD ended while it ran.
        reason: a code of `access.REASONS`; empty where there is none.
    """

    id: str
    gate: str
    by: str
    result: str | None
    reason: str


def find(conn: sqlite3.Connection, command_id: str) -> SpentCommand | None:
    """What an id was spent on; None where it was not, or so long ago that it is forgotten."""
    found = conn.execute(
        "SELECT id, gate, by, result, reason FROM command WHERE id = ?", (command_id,)
    ).fetchone()
    return None if found is None else SpentCommand(*found)


def spend(conn: sqlite3.Connection, command_id: str, gate: str, *, by: str, now_us: int) -> None:
    """Spend an id inside the caller's write transaction, and forget the old ones.

    Raises:
        sqlite3.IntegrityError: it is spent already.
    """
    conn.execute("DELETE FROM command WHERE asked_us < ?", (now_us - KEPT_US,))
    conn.execute(
        "INSERT INTO command (id, gate, by, asked_us) VALUES (?, ?, ?, ?)", (command_id, gate, by, now_us)
    )


def settle(conn: sqlite3.Connection, command_id: str, *, result: str, reason: str) -> None:
    """Note what became of a command; the first answer stands."""
    conn.execute(
        "UPDATE command SET result = ?, reason = ? WHERE id = ? AND result IS NULL",
        (result, reason, command_id),
    )
