"""A few connections to the database, shared by the requests: bounded, and made anew where one broke."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sync.cloud.database import Connection, Dsn, connect
from sync.cloud.errors import DatabaseError

WAIT_S = 5.0
"""A request waits no longer for a connection."""


class Pool:
    """Connections that one request at a time holds.

    Args:
        most: so many at once.
    """

    def __init__(self, dsn: Dsn, *, most: int = 8) -> None:
        self._dsn = dsn
        self._places = asyncio.Semaphore(most)
        self._idle: list[tuple[Connection, AsyncExitStack]] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One of them, for as long as the block runs.

        Raises:
            DatabaseError: the server cannot be reached, or every connection is taken for too long.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise DatabaseError("every connection to the database is in use: try again in a minute") from None
        try:
            conn, stack = await self._taken()
            try:
                yield conn
            finally:
                await self._give_back(conn, stack)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Close those that nobody holds."""
        while self._idle:
            await self._idle.pop()[1].aclose()

    async def _taken(self) -> tuple[Connection, AsyncExitStack]:
        while self._idle:
            conn, stack = self._idle.pop()
            if not conn.closed:
                return conn, stack
        stack = AsyncExitStack()
        return await stack.enter_async_context(connect(self._dsn)), stack

    async def _give_back(self, conn: Connection, stack: AsyncExitStack) -> None:
        is_clean = not conn.closed and conn.info.transaction_status == 0  # IDLE: outside of a transaction
        if is_clean:
            self._idle.append((conn, stack))
        else:
            await stack.aclose()
