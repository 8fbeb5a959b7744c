"""What the tests of the cloud's database share: who connects to what, and made-up audits."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from sync.cloud.audit_intake import Heard
from sync.cloud.database import Dsn
from sync.protocol.batch import SALT_BYTES, Batch
from sync.protocol.chain import START, Position, Row, digest_of, link_of
from sync.protocol.lists import EMPTY
from sync.protocol.up import Hello

NOW = datetime.now(UTC).replace(microsecond=0)
SALT = bytes(SALT_BYTES)
SESSION = "session-1"


@dataclass(frozen=True)
class CloudServer:
    """A running server; its folder is its socket's."""

    folder: Path

    def conninfo(self, database: str, user: str = "postgres") -> str:
        return f"host={self.folder} dbname={database} user={user}"


@dataclass(frozen=True)
class Database:
    """One database of it."""

    server: CloudServer
    name: str

    def dsn(self, user: str = "postgres") -> Dsn:
        return Dsn.parse(self.server.conninfo(self.name, user))

    def run_as(self, user: str, sql: str, *, tenant: str | None = None) -> list[tuple]:
        """The rows of a statement, in a transaction of this user and tenant."""
        with psycopg.connect(self.server.conninfo(self.name, user)) as conn:
            if tenant is not None:
                conn.execute("SELECT set_config('app.tenant', %s, true)", (tenant,))
            cursor = conn.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


TWO_COMMUNITIES = "two_communities"
"""The template of a migrated database with two communities and a POD each."""

ROWS_OF_TWO_COMMUNITIES = """
INSERT INTO platebridge.company (id, name) VALUES ('acme', 'Acme'), ('other', 'Other');
INSERT INTO platebridge.community (id, company, name) VALUES ('elm', 'acme', 'Elm'), ('oak', 'other', 'Oak');
INSERT INTO platebridge.site (community, id, name, time_zone)
VALUES ('elm', 'north', 'North', 'Europe/Berlin'), ('oak', 'south', 'South', 'UTC');
INSERT INTO platebridge.pod (id, community, site, name)
VALUES ('pod-elm', 'elm', 'north', 'Elm'), ('pod-oak', 'oak', 'south', 'Oak');
"""

_NUMBERS = itertools.count(1)


def memory() -> Path | None:
    """A file system in memory, where there is one: databases are many small files."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() else None


@contextmanager
def a_database(server: CloudServer, template: str) -> Iterator[Database]:
    """A fresh database of this worker's server, dropped at the end of the block."""
    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield Database(server, name)
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return round(moment.timestamp() * 1_000_000)


def an_audit(rows: int, *, word: str = "", at: datetime = NOW) -> list[Row]:
    """Chained rows; another word gives an audit that goes on differently."""
    made: list[Row] = []
    link = START.link
    for seq in range(1, rows + 1):
        payload = f'{{"n":{seq},"word":"{word}"}}'.encode()
        digest = digest_of(SALT, payload)
        ts_us = us(at) + seq
        link = link_of(link, seq, ts_us=ts_us, kind="decision", digest=digest)
        made.append(Row(seq, ts_us, "decision", SALT, payload, digest, link))
    return made


def position(rows: Sequence[Row], seq: int) -> Position:
    """Where an audit that begins with row 1 stands with a row; `START` for 0."""
    return rows[seq - 1].position if seq else START


def a_batch(rows: Sequence[Row], first: int, last: int, *, session: str = SESSION, line: int = 1) -> Batch:
    """Rows `first` to `last` of an audit that begins with row 1."""
    return Batch(session, line, position(rows, first - 1), tuple(rows[first - 1 : last]))


def a_hello(
    rows: Sequence[Row] = (), *, session: str = SESSION, number: int = 0, oldest: Position = START
) -> Hello:
    """What a POD says that has these rows."""
    head = position(rows, len(rows))
    return Hello(session=session, number=number, head=head, oldest=oldest, listed=EMPTY)


def an_upload(rows: Sequence[Row], *, pod: str = "pod-elm") -> list[tuple[str, Heard]]:
    """A POD that says hello and sends all of its audit."""
    return [(pod, a_hello(rows)), (pod, a_batch(rows, 1, len(rows)))]
