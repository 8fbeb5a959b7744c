"""Share the PODs out among the workers of one service, by locks that end with the session that holds them.

Every worker takes one lock that says it is there and as many shards as are its share; it gives back what is
more. A worker that dies loses its session, and with it its locks: the others take them at their next
balance. What a worker writes goes through the session that holds its shards: without them it writes nothing.
"""

from typing import Literal

from sync.cloud.database import Connection
from sync.cloud.errors import DatabaseError
from sync.protocol.topics import SHARDS

BALANCE_EVERY_S = 1.0

_CLASSES = {"bridge": 1886151283, "dispatch": 1886151284}
_WORKERS_FROM = 1000
"""Locks below are shards; this and its process number say that a worker is there."""

# A machine that vanished is noticed by the server within about ten seconds, and its locks end.
_NOTICE_THE_DEAD = """
SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('client_connection_check_interval', '1s', false)
"""
_HELD = """
SELECT objid::integer, pid = pg_backend_pid() FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND classid::bigint = %s
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class ShardLocks:
    """The shards that one session owns. For one task; errors of psycopg mean that they are lost.

    Attributes:
        owned: names of shards, as topics write them; as of the last `balance`.
    """

    def __init__(self, conn: Connection, *, of: Literal["bridge", "dispatch"]) -> None:
        """
        Args:
            conn: straight to the server, outside a transaction, for as long as this is used.
            of: the service; each shares out all shards for itself.
        """
        self._conn = conn
        self._class = _CLASSES[of]
        self.owned: frozenset[str] = frozenset()

    async def join(self) -> None:
        """Say that this worker is there.

        Raises:
            DatabaseError: PgBouncer stands between, whose sessions are lent for a transaction each.
        """
        found = await self._conn.execute("SELECT pg_backend_pid()")
        if await found.fetchone() != (self._conn.info.backend_pid,):
            raise DatabaseError(
                "something stands between this program and the database, such as PgBouncer, and lends "
                "sessions: locks end with them, so name the server itself in the address"
            )
        await self._conn.execute(_NOTICE_THE_DEAD)
        await self._conn.execute(
            f"SELECT pg_advisory_lock(%s, {_WORKERS_FROM} + pg_backend_pid())", (self._class,)
        )

    async def balance(self) -> frozenset[str]:
        """Take what is free up to the fair share, give back what is more; call it every `BALANCE_EVERY_S`.

        Returns:
            the shards that this session owns now.
        """
        found = await self._conn.execute(_HELD, (self._class,))
        locks: list[tuple[int, bool]] = await found.fetchall()  # type: ignore[assignment]  # the columns' types
        workers = sum(lock >= _WORKERS_FROM for lock, _ in locks)
        taken = {lock for lock, _ in locks if lock < _WORKERS_FROM}
        mine = sorted(lock for lock, is_mine in locks if is_mine and lock < _WORKERS_FROM)
        share = -(-SHARDS // workers)
        if len(mine) > share:
            await self._conn.execute(
                "SELECT pg_advisory_unlock(%s, s) FROM unnest(%b::integer[]) AS s",
                (self._class, mine[share:]),
            )
            mine = mine[:share]
        elif len(mine) < share:
            mine += await self._take(sorted(set(range(SHARDS)) - taken)[: share - len(mine)])
        self.owned = frozenset(f"s{shard:02}" for shard in mine)
        return self.owned

    async def _take(self, shards: list[int]) -> list[int]:
        """Those of them that no other worker was faster to take."""
        tried = await self._conn.execute(
            "SELECT s, pg_try_advisory_lock(%s, s) FROM unnest(%b::integer[]) AS s", (self._class, shards)
        )
        return [int(shard) for shard, is_taken in await tried.fetchall() if is_taken]  # type: ignore[call-overload]  # an integer
