"""The database of a cloud on one machine: up to date, with a user for each service, and a first community."""

import asyncio
import logging
from pathlib import Path

from psycopg import sql

from sync.cloud.database import Connection, Dsn, connect
from sync.cloud.embedded import DATABASE, EmbeddedServer
from sync.cloud.errors import DatabaseError
from sync.cloud.migrate import Say
from sync.cloud.update import update

log = logging.getLogger(__name__)

SERVICES = ("bridge", "dispatch", "api", "broker")
COMMUNITY, SITE = "home", "home"
"""Made where there is none yet, so that the first POD has a place."""

LOOK_EVERY_S = 1.0


async def prepare(server: EmbeddedServer, say: Say) -> None:
    """Bring the schema up to date, make the services' users, and a first community.

    Raises:
        DatabaseError: it cannot be done; the text says why and what to do.
    """
    await update(server.dsn, say)
    async with connect(server.dsn) as conn:
        for service in SERVICES:
            found = await conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (service,))
            if await found.fetchone() is None:
                await conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(service)))
            role = sql.Identifier(f"platebridge_{service}")
            await conn.execute(sql.SQL("GRANT {} TO {}").format(role, sql.Identifier(service)))
        await _first_community(conn)


def dsn_of(server: EmbeddedServer, service: str) -> Dsn:
    """The database as a service signs in to it."""
    return Dsn.parse(f"postgresql://{service}@/{DATABASE}?host={server.folder}")


async def keep_running(server: EmbeddedServer) -> None:
    """Start the server again where it ended, until cancelled.

    Raises:
        DatabaseError: it does not start.
    """
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            async with connect(server.dsn):
                continue
        except DatabaseError as error:
            log.debug("the database does not answer: %s", error)
        if await asyncio.to_thread(server.revive):
            log.warning("the database had ended; it was started again")


async def _first_community(conn: Connection) -> None:
    async with conn.transaction():
        found = await conn.execute("SELECT 1 FROM platebridge.community LIMIT 1")
        if await found.fetchone() is not None:
            return
        await conn.execute("INSERT INTO platebridge.company (id, name) VALUES (%s, 'Home')", (COMMUNITY,))
        await conn.execute(
            "INSERT INTO platebridge.community (id, company, name) VALUES (%s, %s, 'Home')",
            (COMMUNITY, COMMUNITY),
        )
        await conn.execute(
            "INSERT INTO platebridge.site (community, id, name, time_zone) VALUES (%s, %s, 'Home', %s)",
            (COMMUNITY, SITE, _time_zone()),
        )


def _time_zone() -> str:
    """This machine's; people change a site's later."""
    try:
        return Path("/etc/timezone").read_text().strip() or "UTC"
    except OSError:
        return "UTC"
