"""The cloud's database comes to its schema once and whole, and who cannot bring it there is told why."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from cloud_database import CloudServer, Database
from gate_fixtures import until

from sync.cloud import database as database_module
from sync.cloud.database import connect
from sync.cloud.errors import DatabaseError
from sync.cloud.migrate import Migration, migrate, migrations, schema_version

CLI = [sys.executable, "-m", "pod.cli", "cloud", "migrate"]
SLOW = Migration.of("0099_slow.sql", "CREATE TABLE platebridge.half (); SELECT pg_sleep(120)")


def run(conninfo: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PLATEBRIDGE_CLOUD_DSN": conninfo}
    return subprocess.run(
        [*CLI, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def told(
    database: Database, steps: tuple[Migration, ...] | None = None, *, user: str = "postgres"
) -> list[str]:
    """What a migrator says; raises what it raises."""
    said: list[str] = []

    async def main() -> None:
        async with connect(database.dsn(user)) as conn:
            await migrate(conn, said.append, steps=steps)

    asyncio.run(main())
    return said


def applied(database: Database) -> list[tuple]:
    return database.run_as("postgres", "SELECT version, name FROM platebridge.migration ORDER BY version")


def test_the_command_brings_an_empty_database_to_the_schema_and_says_what_it_did(
    empty_database: Database,
) -> None:
    conninfo = empty_database.dsn().conninfo
    first, second = run(conninfo, "--keep-months", "2"), run(conninfo)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert [f"applied {step.name}" in first.stdout for step in migrations()] == [True] * len(migrations())
    assert "months made: audit_" in first.stdout
    assert f"schema version {len(migrations())}, nothing applied" in second.stdout
    assert "months" not in second.stdout
    assert empty_database.run_as("postgres", "SELECT keep_months FROM platebridge.store_setting") == [(2,)]


def test_where_the_clouds_packages_are_missing_the_command_says_how_to_install_them() -> None:
    script = "import sys; sys.modules['psycopg'] = None; from pod.cli import main; main()"
    command = [sys.executable, "-c", script, "cloud", "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "platebridge: the cloud's packages are not installed: pip install 'platebridge[cloud]'\n",
    )


def test_a_step_that_was_applied_and_changed_since_is_refused(cloud_database: Database) -> None:
    changed = replace(migrations()[1], sha256=bytes(32))
    with pytest.raises(DatabaseError, match=r"step 2 of the database \(0002_lists\).*never changed"):
        told(cloud_database, (migrations()[0], changed, *migrations()[2:]))


def test_a_database_of_a_newer_program_is_refused_with_the_mend(cloud_database: Database) -> None:
    add = "INSERT INTO platebridge.migration (version, name, sha256) VALUES (99, '0099_later', '')"
    cloud_database.run_as("postgres", add)
    done = run(cloud_database.dsn().conninfo)
    assert done.returncode == 2
    known = len(migrations())
    assert f"has schema version {known + 1}, this program knows {known}: install the newer" in done.stderr


def test_two_migrators_at_once_apply_each_step_once(empty_database: Database) -> None:
    both = [
        subprocess.Popen(
            CLI,
            env=os.environ | {"PLATEBRIDGE_CLOUD_DSN": empty_database.dsn().conninfo},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    steps = [line for out, _ in outputs for line in out.splitlines() if line.startswith("applied ")]
    assert sorted(steps) == sorted(f"applied {step.name}" for step in migrations())


def test_a_migrator_waits_for_another_and_says_so(empty_database: Database) -> None:
    conninfo = empty_database.dsn().conninfo
    with psycopg.connect(conninfo) as other:
        other.execute("SELECT pg_advisory_xact_lock(1886151282, 1)")
        waiting = subprocess.Popen(
            CLI, env=os.environ | {"PLATEBRIDGE_CLOUD_DSN": conninfo}, stdout=subprocess.PIPE, text=True
        )
        assert waiting.stdout is not None
        lines = [waiting.stdout.readline() for _ in range(2)]
        assert lines[1] == "waiting for another migrator\n"
    assert waiting.wait(timeout=60) == 0


def test_a_migrator_that_is_killed_midway_leaves_whole_steps_and_no_lock(cloud_database: Database) -> None:
    script = (
        "import asyncio\n"
        "from sync.cloud.database import Dsn, connect\n"
        "from sync.cloud.migrate import Migration, migrate, migrations\n"
        "async def main():\n"
        f"    async with connect(Dsn.parse({cloud_database.dsn().conninfo!r})) as conn:\n"
        f"        slow = Migration.of('0099_slow.sql', {SLOW.script!r})\n"
        "        await migrate(conn, print, steps=(*migrations(), slow))\n"
        "asyncio.run(main())\n"
    )
    migrator = subprocess.Popen([sys.executable, "-c", script])
    asleep = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    until(lambda: cloud_database.run_as("postgres", asleep) == [(1,)], 30)
    migrator.send_signal(signal.SIGKILL)
    migrator.wait()
    quick = replace(SLOW, script="CREATE TABLE platebridge.whole ()")
    assert told(cloud_database, (*migrations(), quick))[-1] == "applied 0099_slow"
    tables = "SELECT to_regclass('platebridge.half') IS NULL, to_regclass('platebridge.whole') IS NOT NULL"
    assert cloud_database.run_as("postgres", tables) == [(True, True)]
    assert len(applied(cloud_database)) == len(migrations()) + 1


@pytest.mark.parametrize("lines", [1, 3, 5])
def test_a_command_that_is_killed_after_any_step_goes_on_where_it_was(
    empty_database: Database, lines: int
) -> None:
    conninfo = empty_database.dsn().conninfo
    migrator = subprocess.Popen(
        CLI,
        env=os.environ | {"PLATEBRIDGE_CLOUD_DSN": conninfo, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
    )
    assert migrator.stdout is not None
    for _ in range(lines):
        migrator.stdout.readline()
    migrator.kill()
    migrator.wait()
    assert run(conninfo).returncode == 0
    assert applied(empty_database) == [(step.version, step.name) for step in migrations()]


def test_a_wrong_password_is_told_and_never_shown(cloud_server: CloudServer) -> None:
    rules = cloud_server.folder / "data" / "pg_hba.conf"
    rules.write_text("local all a_guest scram-sha-256\n" + rules.read_text())
    with psycopg.connect(cloud_server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute("CREATE ROLE a_guest LOGIN PASSWORD 'another'")
        conn.execute("SELECT pg_reload_conf()")
    done = run(f"{cloud_server.conninfo('postgres', 'a_guest')} password=swordfish")
    assert done.returncode == 2
    assert "password authentication failed" in done.stderr
    assert "check user and password" in done.stderr
    assert "swordfish" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("conninfo", "mend"),
    [
        pytest.param(
            "host=127.0.0.1 port=1 user=x password=swordfish",
            "start the server, or check host",
            id="no server",
        ),
        pytest.param("host=nowhere.invalid password=swordfish", "check", id="no such host"),
        pytest.param("swordfish", "write it as postgresql://", id="no address"),
        pytest.param("postgresql://x:swordfish@[::/db", "write it as postgresql://", id="a broken address"),
        pytest.param("hots=x password=swordfish", "write it as postgresql://", id="an unknown word"),
        pytest.param("", "give --dsn-file FILE", id="none"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_with_its_mend(conninfo: str, mend: str) -> None:
    done = run(conninfo)
    assert done.returncode == 2
    assert mend in done.stderr
    assert "swordfish" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_database_that_does_not_exist_is_named(cloud_server: CloudServer) -> None:
    done = run(cloud_server.conninfo("nothing_here"))
    assert done.returncode == 2
    assert 'database "nothing_here" does not exist: create what is missing' in done.stderr


def test_an_address_comes_from_a_file_that_is_its_owners_alone(
    empty_database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "dsn"
    file.write_text(empty_database.dsn().conninfo + "\n")
    file.chmod(0o644)
    refused = run("", "--dsn-file", str(file))
    assert refused.returncode == 2
    assert "chmod 600 it" in refused.stderr
    file.chmod(0o600)
    assert run("", "--dsn-file", str(file)).returncode == 0


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda file: None, "no such file", id="missing"),
        pytest.param(lambda file: os.mkfifo(file), "no such file", id="a pipe"),
        pytest.param(lambda file: file.write_bytes(b"\xff" * 9), "no UTF-8 text", id="no text"),
        pytest.param(lambda file: file.write_bytes(b"x" * 5000), "longer than 4096 bytes", id="too long"),
    ],
)
def test_a_file_that_holds_no_address_is_named(
    make: Callable[[Path], object], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "dsn"
    make(file)
    if file.exists():
        file.chmod(0o600)
    done = run("", "--dsn-file", str(file))
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr


def test_a_user_without_the_right_to_make_roles_is_told_so_and_changes_nothing(
    cloud_server: CloudServer, empty_database: Database
) -> None:
    with psycopg.connect(cloud_server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute("CREATE ROLE a_newcomer LOGIN")
    with pytest.raises(DatabaseError, match=r"right to create roles.*GRANT platebridge_migrator"):
        told(empty_database, user="a_newcomer")
    assert empty_database.run_as("postgres", "SELECT to_regnamespace('platebridge')") == [(None,)]


def test_an_owner_who_is_no_superuser_can_migrate(
    cloud_server: CloudServer, empty_database: Database
) -> None:
    with psycopg.connect(cloud_server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute("CREATE ROLE an_owner LOGIN IN ROLE platebridge_migrator, platebridge_stats")
        conn.execute(f"ALTER DATABASE {empty_database.name} OWNER TO an_owner")
    assert told(empty_database, user="an_owner")[-1] == f"applied {migrations()[-1].name}"
    assert told(empty_database, user="an_owner") == []


def test_a_read_only_database_is_told_so(empty_database: Database) -> None:
    empty_database.run_as(
        "postgres", f"ALTER DATABASE {empty_database.name} SET default_transaction_read_only = on"
    )
    with pytest.raises(DatabaseError, match="read-only: set default_transaction_read_only off"):
        told(empty_database)


def test_a_server_that_is_too_old_is_refused(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "OLDEST_SERVER", 99)
    with pytest.raises(DatabaseError, match="is too old: 99 is the oldest"):
        told(cloud_database)


async def test_the_version_of_a_database_is_known_before_and_after(
    empty_database: Database, cloud_database: Database
) -> None:
    async with connect(empty_database.dsn()) as conn:
        assert await schema_version(conn) == 0
    async with connect(cloud_database.dsn()) as conn:
        assert await schema_version(conn) == len(migrations())


def test_the_steps_count_up_and_leave_the_transaction_to_the_migrator() -> None:
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))
    for step in migrations():
        words = {line.strip().upper() for line in step.script.splitlines()}
        assert not words & {"BEGIN;", "COMMIT;", "ROLLBACK;", "START TRANSACTION;"}
