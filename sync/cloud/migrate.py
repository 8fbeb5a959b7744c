"""Bring the cloud's database to the schema this program knows, or say why it can't.

Steps are numbered files and only lead forward; each is one transaction with its line in the ledger
(`platebridge.migration`), under a lock that waits for other migrators. A killed one leaves whole steps.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import psycopg

from sync.cloud.database import Connection
from sync.cloud.errors import DatabaseError

LOCK = (1886151282, 1)
"""Held by whoever migrates; the letters "plbr"."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema.

    Attributes:
        version: the schema's version afterwards; steps count from 1 without a gap.
        sha256: of the file, 32 bytes.
    """

    version: int
    name: str
    script: str
    sha256: bytes

    @classmethod
    def of(cls, name: str, script: str) -> "Migration":
        """A step from its file."""
        return cls(int(name[:4]), name.removesuffix(".sql"), script, hashlib.sha256(script.encode()).digest())


@cache
def migrations() -> tuple[Migration, ...]:
    """Every step this program knows, in order."""
    folder = resources.files("sync.cloud").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(Migration.of(f.name, f.read_text("utf-8")) for f in files)


async def migrate(conn: Connection, say: Say, *, steps: Sequence[Migration] | None = None) -> int:
    """Apply the missing steps; returns how many.

    Args:
        conn: outside a transaction; may lead through PgBouncer in transaction mode.
        say: told of each step, and of a wait for another migrator.

    Raises:
        DatabaseError: a step that was applied has changed, the database is newer or read-only, or the user
            lacks a right.
    """
    steps = migrations() if steps is None else steps
    try:
        await _refuse_replicas(conn)
        async with conn.transaction():
            await _lock(conn, say)
            if not await _is_prepared(conn):
                await conn.execute(resources.files("sync.cloud").joinpath("roles.sql").read_bytes())
        applied = 0
        while (step := await _apply_next(conn, steps, say=say)) is not None:
            say(f"applied {step.name}")
            applied += 1
        return applied
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"{_said(error)}: migrate as the database's owner with the right to create roles "
            "(ALTER ROLE ... CREATEROLE) or, where the roles are there, as a member of them "
            "(GRANT platebridge_migrator, platebridge_stats TO ...)"
        ) from None
    except psycopg.OperationalError as error:
        raise DatabaseError(
            f"the database went away: {_said(error)}; start this again, whole steps stay"
        ) from None


async def schema_version(conn: Connection) -> int:
    """The version of the database's schema; 0 before the first step.

    Raises:
        DatabaseError: the database is newer than this program.
    """
    if not await _is_there(conn, "platebridge.migration"):
        return 0
    return await _check_ledger(conn, migrations())


async def _refuse_replicas(conn: Connection) -> None:
    cursor = await conn.execute("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')")
    row = await cursor.fetchone()
    if row is not None and row[0]:
        raise DatabaseError("this server is a read-only replica: name the primary in the database's address")
    if row is not None and row[1] == "on":
        raise DatabaseError(
            "this database is read-only: set default_transaction_read_only off for it and its user"
        )


async def _apply_next(conn: Connection, steps: Sequence[Migration], *, say: Say) -> Migration | None:
    """The step that was applied; None where none is missing."""
    async with conn.transaction():
        await _lock(conn, say)
        # Read in every transaction: another migrator may have gone on in between.
        version = await _check_ledger(conn, steps)
        if version == len(steps):
            return None
        step = steps[version]
        await conn.execute("SET LOCAL ROLE platebridge_migrator")
        await conn.execute(step.script.encode())
        await conn.execute(
            "INSERT INTO platebridge.migration (version, name, sha256) VALUES (%s, %s, %s)",
            (step.version, step.name, step.sha256),
        )
        return step


async def _check_ledger(conn: Connection, steps: Sequence[Migration]) -> int:
    cursor = await conn.execute("SELECT version, name, sha256 FROM platebridge.migration ORDER BY version")
    applied = await cursor.fetchall()
    if len(applied) > len(steps):
        raise DatabaseError(
            f"the database has schema version {len(applied)}, this program knows {len(steps)}: "
            "install the newer PlateBridge again"
        )
    for step, (version, name, sha256) in zip(steps, applied, strict=False):
        if version != step.version or sha256 != step.sha256:
            raise DatabaseError(
                f"step {version} of the database ({name}) is not this program's {step.name}: "
                "install the PlateBridge that made the database; a step that was applied is never changed"
            )
    return len(applied)


async def _lock(conn: Connection, say: Say) -> None:
    """Wait for other migrators; the lock ends with the transaction, so it holds through PgBouncer, too.

    That of a migrator that was killed ends within a second, whatever its step was doing.
    """
    await conn.execute("SET LOCAL client_connection_check_interval = '1s'")
    cursor = await conn.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", LOCK)
    row = await cursor.fetchone()
    if row is not None and not row[0]:
        say("waiting for another migrator")
        await conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", LOCK)


async def _is_prepared(conn: Connection) -> bool:
    """Whether roles, rights and ledger are there, so that a user without CREATEROLE can migrate."""
    if not await _is_there(conn, "platebridge.migration"):
        return False
    cursor = await conn.execute(
        "SELECT count(*) = 5 AND coalesce(bool_and("
        "rolname IN ('platebridge_bridge', 'platebridge_dispatch', 'platebridge_api') OR "
        "pg_has_role(current_user, oid, CASE WHEN current_setting('server_version_num')::int >= 160000 "
        "THEN 'SET' ELSE 'MEMBER' END)), false) FROM pg_roles WHERE rolname IN "
        "('platebridge_migrator', 'platebridge_bridge', 'platebridge_dispatch', 'platebridge_api', "
        "'platebridge_stats')"
    )
    row = await cursor.fetchone()
    return row is not None and row[0] is True


async def _is_there(conn: Connection, relation: str) -> bool:
    cursor = await conn.execute("SELECT to_regclass(%s) IS NOT NULL", (relation,))
    row = await cursor.fetchone()
    return row is not None and row[0] is True


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).strip()
