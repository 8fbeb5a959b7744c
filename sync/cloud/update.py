"""Bring a database up to date: its schema, how long audits are kept, and their months."""

from dataclasses import dataclass

import psycopg

from sync.cloud.audit_months import Months, keep_months, set_months_kept
from sync.cloud.database import Dsn, connect
from sync.cloud.errors import DatabaseError
from sync.cloud.migrate import Say, migrate, schema_version


@dataclass(frozen=True, slots=True)
class Updated:
    """What was done.

    Attributes:
        version: of the schema now.
        applied: how many steps were missing.
    """

    version: int
    applied: int
    months: Months


async def update(dsn: Dsn, say: Say, *, keep_months_count: int | None = None) -> Updated:
    """Apply the missing steps, then set and keep the months.

    Raises:
        DatabaseError: it cannot be done; the text says why and what to do.
    """
    async with connect(dsn) as conn:
        applied = await migrate(conn, say)
        try:
            if keep_months_count is not None:
                await set_months_kept(conn, keep_months_count)
            months = await keep_months(conn)
        except psycopg.errors.LockNotAvailable:
            raise DatabaseError(
                "the audit is in use by something long: see pg_stat_activity, then try again"
            ) from None
        return Updated(await schema_version(conn), applied, months)
