"""One community's list as of one moment, for PODs of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.cloud.database import Connection
from sync.protocol.limits import MAX_STEPS
from sync.protocol.listing import Changes
from sync.protocol.lists import EMPTY, Entry
from sync.protocol.up import ListState


@dataclass(frozen=True, slots=True)
class ListMoment:
    """What `listing.ListSource` asks, read from the database beforehand, in one snapshot.

    Attributes:
        count: how many entries it has.
        since: the older list that was asked for and what changed; None where only the whole list leads on.
        everything: all entries; empty where only changes were read.
    """

    now: ListState
    count: int
    since: tuple[ListState, Changes] | None = None
    everything: Sequence[Entry] = ()

    def state(self) -> ListState:
        """Which list it is."""
        return self.now

    def entries(self) -> Sequence[Entry]:
        """All entries."""
        return self.everything

    def changes_since(self, version: int, *, most: int) -> tuple[ListState, Changes] | None:
        """What was read of it."""
        if self.since is None or self.since[0].version != version:
            return None
        changes = self.since[1]
        return None if max(len(changes.put), len(changes.gone)) > most else self.since


async def read_changes(conn: Connection, community: str, *, since: int) -> ListMoment:
    """The newest list, and what changed since a version of it, where that is not forgotten."""
    async with conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        now, count = await _state(conn, community)
        older = await _version(conn, community, since)
        if older is None:
            return ListMoment(now, count)
        found = await conn.execute(
            "SELECT id, document FROM platebridge.entry "
            "WHERE community = %s AND version > %s AND hash IS NOT NULL ORDER BY id LIMIT %s",
            (community, since, MAX_STEPS + 1),
        )
        put: list[Entry] = await found.fetchall()  # type: ignore[assignment]  # the columns' types
        found = await conn.execute(
            "SELECT id FROM platebridge.entry WHERE community = %(c)s AND version > %(v)s AND hash IS NULL "
            "UNION ALL SELECT id FROM platebridge.entry_gone WHERE community = %(c)s AND version > %(v)s "
            "LIMIT %(most)s",
            {"c": community, "v": since, "most": MAX_STEPS + 1},
        )
        gone = [str(entry_id) for (entry_id,) in await found.fetchall()]
    return ListMoment(now, count, (older, Changes(put, [] if since == 0 else gone)))


async def read_whole(conn: Connection, community: str) -> ListMoment:
    """The newest list with all its entries."""
    async with conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        now, count = await _state(conn, community)
        found = await conn.execute(
            "SELECT id, document FROM platebridge.entry "
            "WHERE community = %s AND hash IS NOT NULL ORDER BY id",
            (community,),
        )
        return ListMoment(now, count, everything=await found.fetchall())  # type: ignore[arg-type]  # the columns' types


async def read_state(conn: Connection, community: str) -> ListState:
    """Which list of a community is the newest."""
    return (await _state(conn, community))[0]


async def _state(conn: Connection, community: str) -> tuple[ListState, int]:
    found = await conn.execute(
        "SELECT version, digest, entries FROM platebridge.list_state WHERE community = %s",
        (community,),
        binary=True,
    )
    row: tuple[int, bytes, int] | None = await found.fetchone()  # type: ignore[assignment]  # as above
    return (EMPTY, 0) if row is None else (ListState(version=row[0], digest=row[1]), row[2])


async def _version(conn: Connection, community: str, version: int) -> ListState | None:
    if version == EMPTY.version:
        return EMPTY
    found = await conn.execute(
        "SELECT digest FROM platebridge.list_version WHERE community = %s AND version = %s",
        (community, version),
        binary=True,
    )
    row = await found.fetchone()
    return None if row is None else ListState(version=version, digest=row[0])  # type: ignore[arg-type]  # as above
