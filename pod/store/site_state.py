"""The switches of the site, and the list's version, which their changes raise like those of entries."""

import sqlite3

from pod.domain.situation import SiteState
from pod.store import audit


def next_version(conn: sqlite3.Connection) -> int:
    """Raise the list's version, inside the caller's write transaction; returns the new one."""
    (version,) = conn.execute("UPDATE list_state SET version = version + 1 RETURNING version").fetchone()
    return int(version)


def read_state(conn: sqlite3.Connection) -> SiteState:
    """Raises: sqlite3.Error: the file can't be read."""
    lockdown, auto_grant = conn.execute("SELECT lockdown, auto_grant FROM list_state").fetchone()
    return SiteState(bool(lockdown), bool(auto_grant))


def write_state(conn: sqlite3.Connection, state: SiteState, *, by: str, now_us: int) -> SiteState:
    """Set the switches and audit it, inside the caller's write transaction; returns what they were.

    Switches that stand so already leave no row.
    """
    before = read_state(conn)
    if state != before:
        conn.execute("UPDATE list_state SET lockdown = ?, auto_grant = ?", (state.lockdown, state.auto_grant))
        next_version(conn)
        payload = {**_described(state), "before": _described(before), "by": by}
        audit.append(conn, [audit.seal("site_state", payload, now_us)])
    return before


def _described(state: SiteState) -> dict[str, bool]:
    return {"lockdown": state.lockdown, "auto_grant": state.auto_grant}
