"""Moves of the cloud to another address: who orders them, and which POD is told of which."""

from collections.abc import Collection, Sequence

from sync.cloud.database import Connection
from sync.protocol.down import Rehome
from sync.protocol.topics import shard_of


async def order_move(
    conn: Connection, *, portal: str, brokers: Sequence[str], community: str | None = None
) -> int:
    """Have PODs look for their cloud elsewhere; they keep this address until the new one answers.

    Args:
        conn: of the database's owner; no tenant may move anybody.
        portal, brokers: as in `Rehome`.
        community: None: all of them.

    Returns:
        the move's number.

    Raises:
        pydantic.ValidationError: an address that no POD would take.
    """
    Rehome(number=0, portal=portal, brokers=list(brokers))
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE platebridge_migrator")
        made = await conn.execute(
            "INSERT INTO platebridge.move (community, portal, brokers) VALUES (%s, %s, %s) RETURNING number",
            (community, portal, list(brokers)),
        )
        row = await made.fetchone()
    if row is None:
        raise RuntimeError("the database told no number of the move")
    return int(str(row[0]))


async def withdraw_move(conn: Connection, number: int) -> None:
    """Tell no further POD of a move; those that were told go on trying both addresses."""
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE platebridge_migrator")
        await conn.execute(
            "UPDATE platebridge.move SET withdrawn_at = coalesce(withdrawn_at, now()) WHERE number = %s",
            (number,),
        )


async def moves_to_tell(conn: Connection, shards: Collection[str]) -> list[tuple[str, Rehome]]:
    """The latest move of each POD of these shards that is not revoked; none where there is none."""
    found = await conn.execute(
        "SELECT DISTINCT ON (p.id) p.id, m.number, m.portal, m.brokers FROM platebridge.move AS m "
        "JOIN platebridge.pod AS p ON m.community IS NULL OR m.community = p.community "
        "WHERE m.withdrawn_at IS NULL AND p.revoked_at IS NULL ORDER BY p.id, m.number DESC",
        binary=True,
    )
    return [
        (str(pod), Rehome.model_validate({"number": number, "portal": portal, "brokers": brokers}))
        for pod, number, portal, brokers in await found.fetchall()
        if shard_of(str(pod)) in shards
    ]
