"""What the tests of the cloud's database share: who connects to what, and made-up audits."""

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from sync.cloud.audit_cursor import START_LINK, AuditBatch, AuditRow
from sync.cloud.database import Dsn

NOW = datetime.now(UTC).replace(microsecond=0)


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


def an_audit(
    rows: int, *, word: str = "", first: int = 1, previous: bytes = START_LINK, at: datetime = NOW
) -> list[AuditRow]:
    """Chained rows; another word gives an audit that goes on differently."""
    made = []
    for seq in range(first, first + rows):
        payload = f'{{"n":{seq},"word":"{word}"}}'.encode()
        digest = hashlib.sha256(b"salt" + payload).digest()
        previous = hashlib.sha256(previous + digest).digest()
        made.append(AuditRow(seq, us(at) + seq, "decision", b"salt", payload, digest, previous))
    return made


def a_batch(rows: list[AuditRow], first: int, last: int, *, pod: str = "pod-elm") -> AuditBatch:
    """Rows `first` to `last` of an audit that begins with row 1."""
    return AuditBatch(pod, rows[first - 2].link if first > 1 else START_LINK, tuple(rows[first - 1 : last]))
