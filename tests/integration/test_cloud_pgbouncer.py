"""All of it works through PgBouncer in transaction mode, as with a hosted PostgreSQL."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cloud_database import NOW, CloudServer, Database, a_batch, a_hello, an_audit, an_upload
from gate_fixtures import until

from sync.cloud.audit_intake import take_in
from sync.cloud.database import Dsn, as_tenant, connect
from sync.cloud.errors import DatabaseError
from sync.cloud.shards import ShardLocks
from sync.cloud.update import update

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="needs PgBouncer (apt-get install pgbouncer)")

CONFIG = """
[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = 6432
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
pidfile = {folder}/pid
"""


@pytest.fixture
def pooler(cloud_server: CloudServer) -> Iterator[Path]:
    """The folder of the socket of a PgBouncer with one server connection per user and database."""
    folder = Path(tempfile.mkdtemp(prefix="platebridge-bouncer-"))
    users = "".join(f'"{name}" ""\n' for name in ("postgres", "a_api", "a_bridge"))
    (folder / "users").write_text(users)
    (folder / "config.ini").write_text(CONFIG.format(server=cloud_server.folder, folder=folder))
    account = cloud_server.folder.stat()
    for path in (folder, folder / "users", folder / "config.ini"):
        os.chown(path, account.st_uid, account.st_gid)
    assert PROGRAM is not None
    is_other = account.st_uid != os.geteuid()
    process = subprocess.Popen(
        [PROGRAM, folder / "config.ini"],
        user=account.st_uid if is_other else None,
        group=account.st_gid if is_other else None,
        extra_groups=[] if is_other else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until((folder / ".s.PGSQL.6432").exists, 20)
        yield folder
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def through(pooler: Path, database: Database, user: str) -> Dsn:
    return Dsn.parse(f"host={pooler} port=6432 dbname={database.name} user={user}")


@needs_pgbouncer
async def test_a_database_is_migrated_through_it(pooler: Path, empty_database: Database) -> None:
    said: list[str] = []
    both = [update(through(pooler, empty_database, "postgres"), said.append) for _ in range(2)]
    done = await asyncio.gather(*both)
    assert sum(one.applied for one in done) == done[0].version == done[1].version


@needs_pgbouncer
async def test_tenants_that_share_one_server_connection_never_see_each_others_rows(
    pooler: Path, cloud_database: Database
) -> None:
    async with connect(cloud_database.dsn("a_bridge")) as conn:
        for pod in ("pod-elm", "pod-oak"):
            await take_in(conn, an_upload(an_audit(5, word=pod), pod=pod), now=NOW)

    async def look(tenant: str) -> None:
        async with connect(through(pooler, cloud_database, "a_api")) as conn:
            for _ in range(20):
                async with as_tenant(conn, tenant):
                    cursor = await conn.execute("SELECT DISTINCT community FROM platebridge.audit")
                    assert await cursor.fetchall() == [(tenant,)]
                cursor = await conn.execute("SELECT count(*) FROM platebridge.audit")
                assert await cursor.fetchone() == (0,)

    await asyncio.gather(*(look(tenant) for tenant in ("elm", "oak") * 3))


@needs_pgbouncer
async def test_audits_come_in_through_it(pooler: Path, cloud_database: Database) -> None:
    rows = an_audit(60)

    async def bring(step: int) -> None:
        async with connect(through(pooler, cloud_database, "a_bridge")) as conn:
            for first in range(1, 61, step):
                batch = a_batch(rows, first, min(60, first + step - 1))
                await take_in(conn, [("pod-elm", a_hello(rows)), ("pod-elm", batch)], now=NOW)

    await asyncio.gather(bring(10), bring(10))
    stored = cloud_database.run_as("postgres", "SELECT count(*), count(DISTINCT seq) FROM platebridge.audit")
    assert stored == [(60, 60)]


@needs_pgbouncer
async def test_a_setting_of_a_session_would_leak_to_the_next_client(
    pooler: Path, cloud_database: Database
) -> None:
    """Why a tenant is set for its transaction alone: this is what `SET` does here."""
    conninfo = through(pooler, cloud_database, "a_api").conninfo
    with psycopg.connect(conninfo, autocommit=True) as careless:
        careless.execute("SET app.tenant = 'elm'")
    with psycopg.connect(conninfo, autocommit=True) as next_client:
        assert next_client.execute("SELECT platebridge.tenant()").fetchone() == ("elm",)


@needs_pgbouncer
async def test_shards_are_not_shared_out_over_sessions_that_are_lent(pooler: Path, cloud_database: Database):
    async with connect(
        Dsn.parse(f"host={pooler} port=6432 dbname={cloud_database.name} user=postgres")
    ) as conn:
        with pytest.raises(DatabaseError, match="name the server itself"):
            await ShardLocks(conn, of="dispatch").join()
