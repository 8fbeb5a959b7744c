"""What the audit tells about the clock that wrote it."""

import sqlite3
from datetime import datetime

from pod.store.moments import from_us

_LATEST = (
    "SELECT coalesce(max(seq), 0) FROM audit WHERE kind = 'clock' "
    "AND json_extract(payload, '$.state') IN ('sure', 'accepted')"
)
_FIRST_DOUBT = "SELECT min(seq) FROM audit WHERE kind = 'clock' AND seq > ? AND json_extract(payload, '$.state') = 'unsure'"
_NEWEST = "SELECT ts_us FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT 1"


def newest_believable(conn: sqlite3.Connection) -> datetime | None:
    """When the newest row was written whose clock was not in doubt, aware UTC; None where there is none.

    Rows after a doubt began tell nothing about the time, until it ended or a person accepted the clock.
    """
    (vouched,) = conn.execute(_LATEST).fetchone()
    (doubted,) = conn.execute(_FIRST_DOUBT, (vouched,)).fetchone()
    before = (1 << 62) if doubted is None else doubted
    found = conn.execute(_NEWEST, (before,)).fetchone()
    return None if found is None else from_us(found[0])
