"""A PostgreSQL in a folder of its own: made once, its account's alone, refused where it cannot be."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cloud_database import memory
from gate_fixtures import is_gone

from sync.cloud import embedded
from sync.cloud.database import connect
from sync.cloud.embedded import embedded_server
from sync.cloud.errors import DatabaseError
from sync.cloud.migrate import migrate

FAST = ("fsync=off",)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to start the server as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that the server's account may enter."""
    made = Path(tempfile.mkdtemp(prefix="platebridge-db-", dir=memory()))
    made.chmod(0o755)
    yield made / "cloud"
    shutil.rmtree(made, ignore_errors=True)


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def rows(folder: Path, sql: str) -> list[tuple]:
    with psycopg.connect(f"host={folder} user=postgres dbname=platebridge", autocommit=True) as conn:
        cursor = conn.execute(sql)
        return cursor.fetchall() if cursor.description else []


def test_what_was_stored_is_there_again_after_a_stop_and_after_a_kill(folder: Path) -> None:
    with embedded_server(folder, settings=FAST):
        rows(folder, "CREATE TABLE kept AS SELECT 1 AS n")
        with embedded_server(folder) as guest:  # uses the one that runs, and leaves it running
            assert str(guest) == f"host={folder} dbname=platebridge user=postgres"
        assert rows(folder, "SELECT n FROM kept") == [(1,)]
        pid = postmaster(folder)
    assert is_gone(pid)
    with embedded_server(folder, settings=FAST):
        os.kill(postmaster(folder), signal.SIGQUIT)
    with embedded_server(folder, settings=FAST):
        assert rows(folder, "SELECT n FROM kept") == [(1,)]


def test_the_folder_is_its_accounts_alone_and_no_port_is_open(folder: Path) -> None:
    with embedded_server(folder, settings=FAST):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert rows(folder, "SHOW listen_addresses") == [("",)]
        owner = pwd.getpwuid(folder.stat().st_uid).pw_name
        assert owner == (embedded.ACCOUNT if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)


async def test_a_server_that_follows_another_is_refused_as_a_replica(folder: Path) -> None:
    with embedded_server(folder, settings=FAST):
        pass
    (folder / "data" / "standby.signal").touch()
    with embedded_server(folder, settings=FAST) as dsn:
        async with connect(dsn) as conn:
            with pytest.raises(DatabaseError, match="read-only replica: name the primary"):
                await migrate(conn, lambda _: None)


def test_data_that_was_half_made_when_it_was_killed_is_made_anew(folder: Path) -> None:
    half = folder / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    if os.geteuid() == 0:
        account = embedded._account()
        for path in (folder, half):
            os.chown(path, account.pw_uid, account.pw_gid)
    with embedded_server(folder, settings=FAST):
        assert rows(folder, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_data_of_another_version_of_postgresql_is_refused_with_the_mend(folder: Path) -> None:
    with embedded_server(folder, settings=FAST):
        pass
    (folder / "data" / "PG_VERSION").write_text("17\n")
    with (
        pytest.raises(DatabaseError, match="made by PostgreSQL 17, and this is 18: install"),
        embedded_server(folder),
    ):
        pass


def test_a_server_that_does_not_start_is_told_with_the_line_that_says_why(folder: Path) -> None:
    with (
        pytest.raises(DatabaseError, match=r"does not start; .*log says why: .*"),
        embedded_server(folder, settings=["shared_buffers=nonsense"]),
    ):
        pass


def test_a_folder_whose_socket_would_have_too_long_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="choose a shorter one"), embedded_server(tmp_path / ("x" * 90)):
        pass


@needs_root
def test_a_folder_that_the_account_may_not_enter_is_refused_and_nothing_is_opened_for_it() -> None:
    closed = Path(tempfile.mkdtemp(prefix="platebridge-db-"))
    try:
        with pytest.raises(DatabaseError, match=f"may not enter {closed}"), embedded_server(closed / "cloud"):
            pass
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(closed)


@needs_root
def test_a_folder_with_files_of_root_is_not_given_away(folder: Path) -> None:
    folder.mkdir()
    (folder / "mine").touch()
    with pytest.raises(DatabaseError, match="holds files of root's"), embedded_server(folder):
        pass
    assert folder.stat().st_uid == 0


def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    folder.touch()
    with pytest.raises(DatabaseError, match="choose a folder"), embedded_server(folder):
        pass


def test_the_command_makes_a_database_from_nothing_and_stops_its_server(folder: Path) -> None:
    command = [sys.executable, "-m", "pod.cli", "cloud", "migrate", "--embedded", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "schema version" in done.stdout
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError, match=r"refused|No such file"):
        client.connect(str(folder / ".s.PGSQL.5432"))
    both = subprocess.run(
        [*command, "--dsn-file", "x"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (both.returncode, "give one of them" in both.stderr) == (2, True)
