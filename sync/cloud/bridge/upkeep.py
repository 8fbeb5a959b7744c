"""What the database needs from time to time: months of the audit, checkpoints, statistics."""

import asyncio
import logging

import psycopg

from sync.cloud.audit_months import keep_months
from sync.cloud.database import Connection

log = logging.getLogger(__name__)

EVERY_S = 3600.0


async def keep_up(conn: Connection) -> None:
    """Do it now and every hour, until cancelled; raises psycopg.Error.

    Workers of one service do it side by side without harm: each step is done once, or again.

    Args:
        conn: of a member of `platebridge_bridge`, used by nobody else meanwhile.
    """
    while True:
        try:
            months = await keep_months(conn)
            if months.unplaced:
                log.error("%d audit rows lie in no month: see `platebridge cloud migrate`", months.unplaced)
        except psycopg.errors.LockNotAvailable:
            log.warning("the audit's months are kept later: something holds the audit; see pg_stat_activity")
        await note_checkpoints(conn)
        await conn.execute("SELECT platebridge.refresh_statistics()")
        await asyncio.sleep(EVERY_S)


async def note_checkpoints(conn: Connection) -> int:
    """Note where each audit stands that went on since its last checkpoint; returns how many did."""
    done = await conn.execute(
        "INSERT INTO platebridge.audit_checkpoint (community, pod, line, seq, link) "
        "SELECT community, pod, line, seq, head FROM platebridge.pod_cursor WHERE seq > 0 "
        "ON CONFLICT DO NOTHING"
    )
    return done.rowcount
