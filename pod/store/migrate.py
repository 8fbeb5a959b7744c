"""Bring a database file to the schema this program knows, or say why it can't."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pod.domain.errors import StoreError

APPLICATION_ID = 0x504C4252
"""Marks the file as PlateBridge's; the letters PLBR."""


class SchemaError(StoreError):
    """The schema is not the one that this program knows."""


class OtherProgramError(SchemaError):
    """The file is a database, and not PlateBridge's."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema.

    Attributes:
        version: the schema's version afterwards; steps count from 1 without a gap.
        statements: SQL statements in order.
    """

    version: int
    statements: tuple[str, ...]


@cache
def migrations() -> tuple[Migration, ...]:
    """Every step this program knows, in order."""
    files = sorted(
        (f for f in resources.files("pod.store").joinpath("migrations").iterdir() if f.name.endswith(".sql")),
        key=lambda f: f.name,
    )
    return tuple(Migration(int(f.name[:4]), tuple(_statements(f.read_text("utf-8")))) for f in files)


def migrate(conn: sqlite3.Connection, steps: tuple[Migration, ...] | None = None) -> int:
    """Apply the missing steps, all in one transaction; returns the version now.

    Raises:
        StoreError: the file belongs to another program, or to a newer PlateBridge.
        sqlite3.Error: the file can't be written.
    """
    steps = migrations() if steps is None else steps
    if _up_to_date(conn, steps):
        return len(steps)
    conn.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have migrated while this one waited for the lock.
        version = _version(conn)
        for step in steps[version:]:
            for statement in step.statements:
                conn.execute(statement)
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {len(steps)}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
    return len(steps)


def check_version(conn: sqlite3.Connection) -> None:
    """For those who only read.

    Raises:
        SchemaError: the schema is not the one this program knows.
    """
    if not _up_to_date(conn, migrations()):
        if not _tables(conn):
            raise SchemaError(
                "the database is empty: start the pod, it puts back the last good copy where there is one"
            )
        raise SchemaError(
            "the database has an older schema: start the pod once, it brings the schema up to date"
        )


def _up_to_date(conn: sqlite3.Connection, steps: tuple[Migration, ...]) -> bool:
    version = _version(conn)
    if version > len(steps):
        raise SchemaError(
            f"the database has schema version {version}, this program knows {len(steps)}: "
            "install the newer PlateBridge again, or put back the copy made before its update"
        )
    return version == len(steps)


def _version(conn: sqlite3.Connection) -> int:
    (application_id,) = conn.execute("PRAGMA application_id").fetchone()
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID and (application_id or version or _tables(conn)):
        raise OtherProgramError(
            "this is a database of another program: move it away, or set another data_dir for PlateBridge"
        )
    return int(version)


def _tables(conn: sqlite3.Connection) -> int:
    (count,) = conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return int(count)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, a trigger whole; `executescript` would commit the transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
