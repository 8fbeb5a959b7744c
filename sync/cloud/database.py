"""Connections to the cloud's PostgreSQL: its address, and whose rows a transaction sees."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sync.cloud.errors import DatabaseError

DSN_VARIABLE = "PLATEBRIDGE_CLOUD_DSN"
OLDEST_SERVER = 15
_PATIENCE = {"connect_timeout": 10}  # seconds; libpq waits for ever by itself
MAX_DSN_BYTES = 4096

Connection = psycopg.AsyncConnection[tuple[object, ...]]

_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_MENDS = (
    (
        "password authentication failed",
        "check user and password of the address, and that the user may sign in",
    ),
    ("no password supplied", f"write the password into the address, as in {_EXAMPLE}"),
    ("no pg_hba.conf entry", "let this machine and user in by the server's pg_hba.conf"),
    ("does not exist", "create what is missing: createuser, createdb"),
    ("starting up", "wait a moment, then try again"),
    ("too many", "let the server take more (max_connections), or go through PgBouncer"),
    ("remaining connection slots", "let the server take more (max_connections), or go through PgBouncer"),
    ("could not translate host name", "check the host's name in the address"),
    ("failed to resolve host", "check the host's name in the address"),
    ("certificate", "check sslmode and sslrootcert of the address against the server's certificate"),
)
_OUT_OF_REACH = "start the server, or check host and port of the address"


@dataclass(frozen=True, slots=True, repr=False)
class Dsn:
    """The address of a database. It holds a password, so nothing prints it: `str` leaves the password out."""

    conninfo: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a URI or the words of libpq.

        Raises:
            DatabaseError: it is neither.
        """
        try:
            words = conninfo_to_dict(text)
        except psycopg.ProgrammingError:  # its message repeats what it could not read
            raise DatabaseError(f"the database's address cannot be read: write it as {_EXAMPLE}") from None
        return cls(make_conninfo(text, **({} if "connect_timeout" in words else _PATIENCE)))

    def __str__(self) -> str:
        words = conninfo_to_dict(self.conninfo)
        told = (f"{word}={words[word]}" for word in ("host", "port", "dbname", "user") if words.get(word))
        return " ".join(told) or "the local server"

    __repr__ = __str__


def read_dsn(file: Path | None) -> Dsn:
    """The address in a file, else in the environment.

    Raises:
        DatabaseError: there is none, others may read it, or it cannot be used.
    """
    if file is not None:
        return Dsn.parse(_secret_of(file))
    text = os.environ.get(DSN_VARIABLE)
    if not text:
        raise DatabaseError(
            f"no database is named: give --dsn-file FILE or {DSN_VARIABLE}, or --embedded DIR for one here"
        )
    return Dsn.parse(text)


def _secret_of(file: Path) -> str:
    try:
        if not file.is_file():  # a pipe could be waited for for ever
            raise DatabaseError(f"{file}: no such file: write the database's address into it, with mode 0600")
        with file.open("rb") as opened:
            is_open_to_all = os.fstat(opened.fileno()).st_mode & 0o007
            raw = opened.read(MAX_DSN_BYTES + 1)
    except OSError as error:
        raise DatabaseError(f"{file}: {error.strerror}: check its owner and mode") from None
    if is_open_to_all:
        raise DatabaseError(f"{file}: every user of this machine may read the password in it: chmod 600 it")
    if len(raw) > MAX_DSN_BYTES:
        raise DatabaseError(f"{file}: longer than {MAX_DSN_BYTES} bytes: put only the address in it")
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise DatabaseError(f"{file}: no UTF-8 text: put only the address in it") from None


@asynccontextmanager
async def connect(dsn: Dsn) -> AsyncIterator[Connection]:
    """A connection for as long as the block runs; each statement commits by itself outside of a transaction.

    No statement is prepared, so that PgBouncer may stand between in transaction mode.

    Raises:
        DatabaseError: the server cannot be reached, refuses, or is too old.
    """
    try:
        conn = await psycopg.AsyncConnection.connect(dsn.conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise DatabaseError(f"{dsn}: {_refusal(error)}") from None
    async with conn:
        if conn.info.server_version < OLDEST_SERVER * 10_000:
            raise DatabaseError(
                f"{dsn}: PostgreSQL {conn.info.server_version // 10_000} is too old: "
                f"{OLDEST_SERVER} is the oldest that can be used"
            )
        yield conn


@asynccontextmanager
async def as_tenant(conn: Connection, community: str) -> AsyncIterator[None]:
    """A transaction that sees and writes the rows of one community alone, for members of `platebridge_api`.

    It guards against a query that forgets the community, not against somebody who can run any statement.

    Raises:
        ValueError: no community is named.
    """
    if not community:
        raise ValueError("a transaction of a tenant needs its community")
    async with conn.transaction():
        await conn.execute("SELECT set_config('app.tenant', %s, true)", (community,))
        yield


def _refusal(error: psycopg.Error) -> str:
    """What the server said, or did not say, and the mend."""
    said = str(error).strip().splitlines()
    what = said[-1].strip() if said else type(error).__name__
    mend = next((mend for sign, mend in _MENDS if sign in what), _OUT_OF_REACH)
    return f"{what.split('FATAL:')[-1].strip()}: {mend}"
