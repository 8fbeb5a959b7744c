"""A community's whole list as of one moment, as its tenant sees it."""

from sync.cloud.database import Connection, as_tenant
from sync.cloud.dispatch.lists import ListMoment
from sync.protocol.lists import EMPTY
from sync.protocol.up import ListState


async def read_list(conn: Connection, community: str) -> ListMoment:
    """The newest list with all its entries, by one statement: a transaction of a tenant has begun already."""
    async with as_tenant(conn, community):
        cursor = await conn.execute(
            "SELECT s.version, s.digest, e.id, e.document FROM platebridge.list_state AS s "
            "LEFT JOIN platebridge.entry AS e ON e.community = s.community AND e.hash IS NOT NULL "
            "WHERE s.community = %s ORDER BY e.id",
            (community,),
            binary=True,
        )
        rows = await cursor.fetchall()
    if not rows:
        return ListMoment(EMPTY, 0)
    version, digest = rows[0][:2]
    if not isinstance(version, int) or not isinstance(digest, bytes):
        raise TypeError("list_state has columns of other types")
    entries = [(str(id_), str(document)) for _, _, id_, document in rows if id_ is not None]
    return ListMoment(ListState(version=version, digest=digest), len(entries), everything=entries)
