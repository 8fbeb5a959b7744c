"""Through which audit row the cloud signed to have them, noted once a day: what that is long ago may go."""

import sqlite3
from datetime import datetime, timedelta

from pod.store.moments import to_us

KEPT = timedelta(days=30)
"""So long a row's payload stays after the cloud has it: a cloud that is put back to a backup asks again."""

_DAY_US = 24 * 3600 * 1_000_000


def note_confirmed(conn: sqlite3.Connection, seq: int, now_us: int) -> None:
    """Note the first confirmation of a day, inside the caller's transaction, and forget needless ones."""
    conn.execute(
        "INSERT OR IGNORE INTO cloud_confirmed (day, seq, ts_us) VALUES (?, ?, ?)",
        (now_us // _DAY_US, seq, now_us),
    )
    conn.execute(
        "DELETE FROM cloud_confirmed WHERE ts_us < (SELECT max(ts_us) FROM cloud_confirmed WHERE ts_us <= ?)",
        (now_us - KEPT // timedelta(microseconds=1),),
    )


def forgettable(conn: sqlite3.Connection, now: datetime) -> int:
    """The last row that the cloud has had for `KEPT`, by a clock that is believed; 0 where there is none."""
    (seq,) = conn.execute(
        "SELECT coalesce(max(seq), 0) FROM cloud_confirmed WHERE ts_us <= ?", (to_us(now - KEPT),)
    ).fetchone()
    return int(seq)
