"""The months of the audit: made ahead, dropped when their time is over, rows without one reported."""

from dataclasses import dataclass
from datetime import datetime

from sync.cloud.database import Connection


@dataclass(frozen=True, slots=True)
class Months:
    """What was done.

    Attributes:
        made, dropped: names of partitions, such as audit_2030_01.
        unplaced: rows that no month was made for; any is an alarm: nobody kept the months.
    """

    made: tuple[str, ...]
    dropped: tuple[str, ...]
    unplaced: int


async def keep_months(conn: Connection) -> Months:
    """Make what is missing up to three months ahead, drop what is older than is kept; to be done every day.

    Args:
        conn: of the owner, or of a member of `platebridge_bridge`.

    Raises:
        psycopg.errors.LockNotAvailable: somebody holds the audit for over 5 s; nothing was done, try again.
    """
    return await _months(conn, "SELECT made, dropped, unplaced FROM platebridge.audit_months()", ())


async def keep_months_as_of(conn: Connection, moment: datetime) -> Months:
    """As `keep_months` would at any moment (aware); of a member of `platebridge_migrator` alone."""
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE platebridge_migrator")
        query = "SELECT made, dropped, unplaced FROM platebridge.audit_months_as_of(%s)"
        return await _months(conn, query, (moment,))


async def set_months_kept(conn: Connection, months: int) -> None:
    """Keep the audit for so many whole months beside the one that runs, 1 to 120; of the owner alone."""
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE platebridge_migrator")
        await conn.execute("UPDATE platebridge.store_setting SET keep_months = %s", (months,))


async def _months(conn: Connection, query: str, values: tuple[object, ...]) -> Months:
    cursor = await conn.execute(query.encode(), values)
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("the database told nothing of the audit's months")
    made, dropped, unplaced = row
    return Months(tuple(made), tuple(dropped), int(unplaced))  # type: ignore[arg-type, call-overload]  # text[], bigint
