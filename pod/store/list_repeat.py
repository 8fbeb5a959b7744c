"""Repeat on an older list what the audit says was changed since: nobody gets in who was taken off it."""

import json
import sqlite3
from collections.abc import Mapping

from pod.domain.errors import PlateListError
from pod.domain.plates import match_key
from pod.store.entry_rows import described, insert_entries

_SINCE_SQL = (
    "SELECT kind, payload FROM audit "
    "WHERE seq > ? AND kind IN ('list_change', 'site_state', 'intent') ORDER BY seq"
)


def repeat_changes(conn: sqlite3.Connection, since_seq: int) -> tuple[tuple[str, ...], bool]:
    """Bring the list up to where the audit ends, inside the caller's transaction; in doubt, narrower.

    Changes of single entries are repeated as they were. Of an import only what it takes out or denies is, for
    its rows count together or not at all; so it is with rows of an older version.

    Args:
        since_seq: the audit's end when the list was as it is.

    Returns:
        The plates whose change could not be repeated whole, and whether every change could be told.
    """
    look_at: dict[str, None] = {}
    is_whole = True
    for kind, text in conn.execute(_SINCE_SQL, (since_seq,)).fetchall():
        payload = _fields(text)
        if payload is None:
            is_whole = False
        elif kind == "site_state":
            is_whole = _repeat_switches(conn, payload) and is_whole
        elif kind == "intent":
            _repeat_use(conn, payload)
        elif isinstance(plate := payload.get("plate"), str):
            if not _repeat_step(conn, payload):
                _narrow(conn, plate, is_denied=payload.get("verdict") == "deny")
                look_at[plate] = None
        elif "import" not in payload:
            is_whole = False
    return tuple(look_at), is_whole


def _fields(text: str | None) -> Mapping[str, object] | None:
    """None where a row was erased, and no longer tells what it changed."""
    fields = None if text is None else json.loads(text)
    return fields if isinstance(fields, dict) else None


def _repeat_step(conn: sqlite3.Connection, payload: Mapping[str, object]) -> bool:
    """Whether the row tells of its entry whole, and counts by itself."""
    action, is_of_import = payload.get("action"), "import" in payload
    if is_of_import and action != "removed":
        return False
    try:
        entry = described(payload)
    except (KeyError, ValueError, PlateListError):
        return False
    conn.execute("DELETE FROM entry WHERE id = ?", (entry.id,))
    if action != "removed":
        insert_entries(conn, [entry], version=0)
    return True


def _narrow(conn: sqlite3.Connection, plate: str, *, is_denied: bool) -> None:
    key = match_key(plate)
    conn.execute("DELETE FROM entry WHERE key = ? AND verdict = 'allow'", (key,))
    if is_denied:
        conn.execute(
            "INSERT INTO entry (version, key, plate, verdict, type, label) "
            "VALUES (0, ?, ?, 'deny', 'visitor', 'denied again after a recovery')",
            (key, plate),
        )


def _repeat_switches(conn: sqlite3.Connection, payload: Mapping[str, object]) -> bool:
    lockdown, auto_grant = payload.get("lockdown"), payload.get("auto_grant")
    if not isinstance(lockdown, bool) or not isinstance(auto_grant, bool):
        return False
    conn.execute("UPDATE list_state SET lockdown = ?, auto_grant = ?", (lockdown, auto_grant))
    return True


def _repeat_use(conn: sqlite3.Connection, payload: Mapping[str, object]) -> None:
    """Each intent may have taken a use; one that was given back since is not counted in again."""
    plate = payload.get("entry") or payload.get("plate")
    if isinstance(plate, str):
        conn.execute(
            "UPDATE entry SET uses_left = max(0, uses_left - 1) WHERE key = ? AND uses_left IS NOT NULL",
            (match_key(plate),),
        )
