"""What the audit tells about the clock that wrote it."""

import sqlite3
from datetime import datetime

from pod.store.moments import from_us

_STATE = "CASE WHEN json_valid(payload) THEN json_extract(payload, '$.state') END"
"""The check keeps one spoiled row from stopping a POD that starts."""

_LATEST = f"SELECT coalesce(max(seq), 0) FROM audit WHERE kind = 'clock' AND {_STATE} IN ('sure', 'accepted')"  # noqa: S608 - the constant above
_FIRST_DOUBT = f"SELECT min(seq) FROM audit WHERE kind = 'clock' AND seq > ? AND {_STATE} = 'unsure'"  # noqa: S608 - as above
_NEWEST = "SELECT ts_us FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT 1"


def is_doubted(conn: sqlite3.Connection) -> bool:
    """Whether the rows end in a doubt about the clock that nothing has ended."""
    (vouched,) = conn.execute(_LATEST).fetchone()
    (doubted,) = conn.execute(_FIRST_DOUBT, (vouched,)).fetchone()
    return doubted is not None


def newest_believable(conn: sqlite3.Connection) -> datetime | None:
    """When the newest row was written whose clock was not in doubt, aware UTC; None where there is none.

    Rows after a doubt began tell nothing about the time, until it ended or a person accepted the clock.
    """
    (vouched,) = conn.execute(_LATEST).fetchone()
    (doubted,) = conn.execute(_FIRST_DOUBT, (vouched,)).fetchone()
    before = (1 << 62) if doubted is None else doubted
    found = conn.execute(_NEWEST, (before,)).fetchone()
    return None if found is None else from_us(found[0])
