"""Which audit rows have outlived their time."""

import sqlite3
from datetime import datetime

from pod.store.moments import to_us

EXPIRED_SQL = """
SELECT seq FROM audit
WHERE kind IN ('command', 'decision', 'intent', 'list_change', 'login', 'media_shared', 'outcome',
               'site_state', 'watch_ended', 'watch_started')
    AND payload IS NOT NULL
    AND ts_us < :unknown_before
    AND seq <= :last
    AND (ts_us < :known_before
         OR (kind = 'decision' AND json_valid(payload) AND json_extract(payload, '$.entry') IS NULL))
ORDER BY ts_us LIMIT :limit
"""
"""Its conditions hold, word for word, those of the index `audit_of_people`. Rows of other kinds tell of
machines and stay."""


def expired_rows(
    conn: sqlite3.Connection, *, known_before: datetime, unknown_before: datetime, last: int, limit: int
) -> list[int]:
    """Rows about people, with a payload, that are too old; their seqs ascending, `limit` at most.

    Args:
        known_before: rows written before this go, aware UTC.
        unknown_before: the same for refused cars whose plate had no entry; not earlier than `known_before`.
        last: rows behind this one stay, whatever their age.

    Raises:
        sqlite3.Error: the file can't be read.
    """
    rows = conn.execute(
        EXPIRED_SQL,
        {
            "known_before": to_us(known_before),
            "unknown_before": to_us(unknown_before),
            "last": last,
            "limit": limit,
        },
    )
    return sorted(seq for (seq,) in rows)
