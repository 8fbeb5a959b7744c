"""A real PostgreSQL for the tests of the cloud: a server for each worker, a database for each test."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cloud_database import ROWS_OF_TWO_COMMUNITIES, TWO_COMMUNITIES, CloudServer, Database, a_database, memory
from dispatch_broker import Mosquitto, a_mosquitto

from sync.cloud.embedded import embedded_server
from sync.cloud.update import update


@pytest.fixture(scope="session")
def cloud_server() -> Iterator[CloudServer]:
    """A running server whose template database is migrated; no fsync, for its data is thrown away."""
    folder = Path(tempfile.mkdtemp(prefix="platebridge-db-", dir=memory()))
    try:
        with embedded_server(folder, settings=("fsync=off", "full_page_writes=off")):
            server = CloudServer(folder)
            with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
                conn.execute(f"CREATE DATABASE {TWO_COMMUNITIES}")
            template = Database(server, TWO_COMMUNITIES)
            asyncio.run(update(template.dsn(), lambda _: None))
            template.run_as("postgres", ROWS_OF_TWO_COMMUNITIES)
            with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
                for role in ("bridge", "dispatch", "api", "stats", "broker", "migrator"):
                    conn.execute(f"CREATE ROLE a_{role} LOGIN IN ROLE platebridge_{role}")
            yield server
            # At once: a server that stops in order writes out first what is thrown away next.
            os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_database(cloud_server: CloudServer) -> Iterator[Database]:
    """A database that nobody migrated."""
    with a_database(cloud_server, "template0") as database:
        yield database


@pytest.fixture
def cloud_database(cloud_server: CloudServer) -> Iterator[Database]:
    """A migrated database with the communities `elm`, whose POD is pod-elm, and `oak`, whose is pod-oak."""
    with a_database(cloud_server, TWO_COMMUNITIES) as database:
        yield database


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that lets everybody in, for the tests of what goes over it."""
    with a_mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """As `mosquitto`, to be killed by the test."""
    with a_mosquitto(tmp_path) as broker:
        yield broker
