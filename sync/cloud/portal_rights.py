"""What an operator does by hand is done with the portal's rights, in one community at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from sync.cloud.database import Connection, as_tenant
from sync.cloud.errors import CloudError, DatabaseError


@asynccontextmanager
async def of_the_community(conn: Connection, community: str) -> AsyncIterator[None]:
    """A transaction with the rights of the portal in one community, whoever is signed in.

    Raises:
        CloudError: there is no such community.
        DatabaseError: this address's user has not these rights.
    """
    unknown = CloudError(f"there is no community {community!r}: check its id")
    if not community:
        raise unknown
    try:
        async with as_tenant(conn, community):
            await conn.execute("SET LOCAL ROLE platebridge_api")
            found = await conn.execute("SELECT 1 FROM platebridge.community")
            if await found.fetchone() is None:
                raise unknown
            yield
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseError(
            "this address's user may not act for a community: GRANT platebridge_api TO it, "
            "or use another address"
        ) from None
