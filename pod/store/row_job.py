"""The job that writes one audit row, with what its grant changes beside it, all in one transaction."""

import json
import sqlite3
from collections.abc import Callable

from pod.store import audit, grants, uses
from pod.store.grants import Grant
from pod.store.late_rows import pulse_of

_RECENT_ROWS = 2000
"""Rows from the end in which an intent lies whose pulse ends now."""


def row_job(
    sealed: audit.Sealed, *, grant: Grant | None, revoke: Grant | None, pulse: str | None
) -> Callable[[sqlite3.Connection], int]:
    """A job of the writer; it returns the row's seq.

    An intent flagged late is written down once more, because nobody could tell what became of it: where the
    audit has it after all, the job changes nothing and returns that row's seq.

    Args:
        grant: remembered, and a use of its entry taken where uses are counted.
        revoke: forgotten, and the use given back that the pulse's intent took.
        pulse: which the row tells of; None where it tells of none.
    """

    is_repeated = sealed.kind == "intent" and json.loads(sealed.payload).get("late") is True

    def job(conn: sqlite3.Connection) -> int:
        if is_repeated and pulse is not None and (held := _intent_seq(conn, pulse)) is not None:
            return held
        if grant is not None:
            grants.remember(conn, grant.camera, grant.key, ts_us=sealed.ts_us)
            if grant.entry_id is not None:
                uses.take_use(conn, grant.entry_id)
        if revoke is not None:
            grants.forget(conn, revoke.camera, revoke.key)
            if revoke.entry_id is not None and pulse is not None and _intent_seq(conn, pulse) is not None:
                uses.give_back_use(conn, revoke.entry_id)
        return audit.append(conn, [sealed])

    return job


def _intent_seq(conn: sqlite3.Connection, pulse: str) -> int | None:
    """Where a pulse's intent was committed; None where it never was: that one took no use to give back."""
    recent = conn.execute(
        "SELECT seq, payload FROM audit WHERE kind = 'intent' AND payload IS NOT NULL AND seq > ?",
        (audit.read_head(conn).seq - _RECENT_ROWS,),
    )
    return next((seq for seq, payload in recent if pulse_of(payload) == pulse), None)
