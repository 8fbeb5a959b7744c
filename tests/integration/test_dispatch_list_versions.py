"""The database makes each list's texts, digest and version, whatever a transaction does to its entries."""

import asyncio
import json
from datetime import UTC, datetime

import psycopg
import pytest
from cloud_database import Database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.cloud.database import connect
from sync.cloud.migrate import migrate, migrations
from sync.protocol.entry_document import read_document
from sync.protocol.lists import digest_of_list

ADD = "INSERT INTO platebridge.entry (community, id, key, plate, verdict, type) VALUES "
IN_LIST = "SELECT id, document FROM platebridge.entry WHERE community = 'elm' AND enabled AND owner = 'cloud'"

STEPS = {
    "add": f"{ADD} ('elm', '{{0}}', 'AB1', 'AB1', 'allow', 'resident') ON CONFLICT DO NOTHING",
    "change": "UPDATE platebridge.entry SET uses_left = coalesce(uses_left, 0) + 1 WHERE id = '{0}'",
    "same": "UPDATE platebridge.entry SET label = label WHERE id = '{0}'",
    "switch": "UPDATE platebridge.entry SET enabled = NOT enabled WHERE id = '{0}'",
    "remove": "DELETE FROM platebridge.entry WHERE id = '{0}'",
}


def state_of(database: Database) -> tuple[int, bytes, int]:
    query = "SELECT version, digest, entries FROM platebridge.list_state WHERE community = 'elm'"
    return (database.run_as("a_dispatch", query) or [(0, bytes(32), 0)])[0]


def check_digest(database: Database) -> None:
    entries = database.run_as("a_dispatch", IN_LIST)
    version, digest, count = state_of(database)
    assert (digest, count) == (digest_of_list(entries), len(entries))
    kept = f"SELECT digest FROM platebridge.list_version WHERE community = 'elm' AND version = {version}"
    assert database.run_as("a_dispatch", kept) == ([(digest,)] if version else [])


@given(
    transactions=st.lists(
        st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(["a", "b", "c"])), max_size=6),
        max_size=5,
    )
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
def test_whatever_a_transaction_does_the_digest_is_that_of_the_entries(
    cloud_database: Database, transactions
):
    for steps in transactions:
        for sql in ["; ".join(STEPS[step].format(entry) for step, entry in steps)]:
            if sql:
                cloud_database.run_as("a_api", sql, tenant="elm")
        check_digest(cloud_database)


def test_what_was_rolled_back_to_a_savepoint_is_not_in_the_digest(cloud_database: Database):
    add = f"{ADD} ('elm', '%s', 'AB1', 'AB1', 'allow', 'resident')"
    cloud_database.run_as(
        "a_api",
        f"SAVEPOINT s; {add % 'a'}; ROLLBACK TO s; {add % 'b'}; SAVEPOINT s; {add % 'c'}; ROLLBACK TO s",
        tenant="elm",
    )
    check_digest(cloud_database)
    assert state_of(cloud_database)[2] == 1


def test_a_list_is_not_changed_behind_its_digest(cloud_database: Database):
    add = f"{ADD} ('elm', '%s', 'AB1', 'AB1', 'allow', 'resident')"
    with pytest.raises(psycopg.errors.RaiseException, match="SET CONSTRAINTS"):
        cloud_database.run_as(
            "a_api", f"SET CONSTRAINTS ALL IMMEDIATE; {add % 'a'}; {add % 'b'}", tenant="elm"
        )


def test_an_entrys_text_is_one_that_a_pod_reads(cloud_database: Database):
    cloud_database.run_as(
        "a_api",
        "INSERT INTO platebridge.entry (community, key, plate, verdict, type, label, starts_at, "
        "expires_at, gates, cameras, sites, schedule, uses_left, exact_only) "
        "VALUES ('elm', 'AB123CD', 'AB123CD', 'allow', "
        "'visitor', 'Zoë \"Z\" \\', '2026-01-01 00:00:00.000001+00', '2027-01-01 00:00+01', '{main,back}', "
        "'{entrance}', '{north}', 'mon-fri 08:00-18:00', 2, true), "
        "('elm', 'AB1', 'AB1', 'deny', 'staff', '', NULL, NULL, '{}', '{}', '{}', NULL, NULL, false)",
        tenant="elm",
    )
    rows = cloud_database.run_as("a_dispatch", "SELECT document FROM platebridge.entry ORDER BY plate DESC")
    full, plain = (read_document(text) for (text,) in rows)
    assert full.label == 'Zoë "Z" \\'
    assert full.starts_us == round(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 + 1
    assert full.expires_us == round(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp()) * 1_000_000
    assert (full.gates, full.cameras, full.sites) == (("main", "back"), ("entrance",), ("north",))
    assert (full.schedule, full.uses_left, full.exact_only) == ("mon-fri 08:00-18:00", 2, True)
    assert json.loads(rows[1][0]) == {"key": "AB1", "plate": "AB1", "verdict": "deny", "type": "staff"}
    assert plain.verdict == "deny"


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(
            "array_fill('gate-of-a-long-name-0123456789'::text, '{200}'), NULL", id="a_text_too_long"
        ),
        pytest.param("'{}', timestamptz '10000-01-01 00:00Z'", id="a_year_that_no_pod_knows"),
        pytest.param("'{}', timestamptz 'infinity'", id="a_moment_that_never_comes"),
    ],
)
def test_an_entry_that_no_pod_could_take_is_refused_when_it_is_written(cloud_database: Database, values: str):
    with pytest.raises(psycopg.Error):
        cloud_database.run_as(
            "a_api",
            "INSERT INTO platebridge.entry (community, key, plate, verdict, type, gates, expires_at) "
            f"VALUES ('elm', 'AB1', 'AB1', 'allow', 'resident', {values})",
            tenant="elm",
        )


def test_a_list_larger_than_a_pod_takes_is_refused_when_it_is_written(cloud_database: Database):
    cloud_database.run_as("a_api", f"{ADD} ('elm', 'a', 'AB1', 'AB1', 'allow', 'resident')", tenant="elm")
    cloud_database.run_as(
        "postgres", "UPDATE platebridge.list_state SET entries = 100000 WHERE community = 'elm'"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="a POD takes 100000"):
        cloud_database.run_as("a_api", f"{ADD} ('elm', 'b', 'AB1', 'AB1', 'allow', 'resident')", tenant="elm")
    assert state_of(cloud_database)[0] == 1


def test_only_a_thousand_versions_and_their_tombstones_are_kept(cloud_database: Database):
    cloud_database.run_as("a_api", f"{ADD} ('elm', 'a', 'AB1', 'AB1', 'allow', 'resident')", tenant="elm")
    cloud_database.run_as("a_api", "DELETE FROM platebridge.entry", tenant="elm")
    with psycopg.connect(cloud_database.dsn("a_api").conninfo, autocommit=True) as conn:
        conn.execute("SET app.tenant = 'elm'; SET synchronous_commit = off")
        conn.execute(f"{ADD} ('elm', 'b', 'AB1', 'AB1', 'allow', 'resident')".encode())
        for _ in range(999):
            conn.execute("UPDATE platebridge.entry SET label = 'x'")
    kept = cloud_database.run_as(
        "a_dispatch", "SELECT count(*), min(version), max(version) FROM platebridge.list_version"
    )
    assert kept == [(1000, 3, 1002)]
    assert cloud_database.run_as("a_dispatch", "SELECT id FROM platebridge.entry_gone") == []
    check_digest(cloud_database)


def test_entries_that_were_there_before_get_their_texts_and_a_digest(empty_database: Database):
    async def upgrade() -> None:
        async with connect(empty_database.dsn()) as conn:
            older = [step for step in migrations() if step.name < "0007"]
            await migrate(conn, lambda _: None, steps=older)
            await conn.execute("INSERT INTO platebridge.company (id, name) VALUES ('acme', 'Acme')")
            await conn.execute(
                "INSERT INTO platebridge.community (id, company, name) VALUES ('elm', 'acme', 'Elm')"
            )
            await conn.execute(
                f"{ADD} ('elm', 'a', 'AB1', 'AB1', 'allow', 'staff'), "
                "('elm', 'b', 'AB2', 'AB2', 'deny', 'staff')".encode()
            )
            await conn.execute("DELETE FROM platebridge.entry WHERE id = 'b'")
            await migrate(conn, lambda _: None, steps=[s for s in migrations() if s.name < "0008"])

    asyncio.run(upgrade())
    check_digest(empty_database)
    assert state_of(empty_database)[::2] == (3, 1)


def test_a_change_is_told_to_whoever_listens(cloud_database: Database):
    with psycopg.connect(cloud_database.dsn("a_dispatch").conninfo, autocommit=True) as conn:
        conn.execute("LISTEN platebridge_list; LISTEN platebridge_command")
        cloud_database.run_as("a_api", f"{ADD} ('elm', 'a', 'AB1', 'AB1', 'allow', 'resident')", tenant="elm")
        cloud_database.run_as(
            "a_api",
            "INSERT INTO platebridge.command (community, pod, gate, kind, asked_by, expires_at) "
            "VALUES ('elm', 'pod-elm', 'main', 'open', 'Ada', now() + interval '20 s')",
            tenant="elm",
        )
        told = [(n.channel, n.payload) for n in conn.notifies(timeout=10, stop_after=2)]
    assert told == [("platebridge_list", "elm"), ("platebridge_command", "pod-elm")]
