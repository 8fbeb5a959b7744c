"""No role sees or changes the rows of a community that is not its own, whatever SQL it tries."""

import asyncio
import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from cloud_database import NOW, TWO_COMMUNITIES, CloudServer, Database, a_database, an_audit, an_upload

from sync.cloud.audit_intake import take_in
from sync.cloud.database import as_tenant, connect
from sync.cloud.incidents import Incident, note_incidents

TENANT_TABLES = [
    *("site", "gate", "pod", "camera", "token", "list_state", "entry", "entry_gone", "receipt", "command"),
    *("audit", "pod_cursor", "incident", "media", "audit_checkpoint", "pod_health"),
    *("pod_key", "pod_certificate", "pod_heartbeat"),
]
ROLES = ("api", "bridge", "dispatch", "stats", "migrator")

ROWS_OF_BOTH = """
INSERT INTO platebridge.gate (community, id, site, name)
VALUES ('elm', 'g', 'north', 'G'), ('oak', 'g', 'south', 'G');
INSERT INTO platebridge.camera (community, pod, name, gate, direction)
VALUES ('elm', 'pod-elm', 'c', 'g', 'in'), ('oak', 'pod-oak', 'c', 'g', 'in');
INSERT INTO platebridge.token (hash, community, kind, pod)
SELECT sha256(id::bytea), community, 'api_key', id FROM platebridge.pod;
INSERT INTO platebridge.entry (community, id, key, plate, verdict, type)
SELECT community, e, 'ELM1', 'ELM 1', 'allow', 'resident'
FROM platebridge.pod, unnest(ARRAY['stays', 'goes']) AS e;
DELETE FROM platebridge.entry WHERE id = 'goes';
INSERT INTO platebridge.receipt (pod, community, version, digest)
SELECT id, community, 1, sha256('') FROM platebridge.pod;
INSERT INTO platebridge.command (id, community, pod, gate, kind, asked_by, expires_at)
SELECT 'cmd-' || community, community, id, 'g', 'open', 'somebody', now() FROM platebridge.pod;
INSERT INTO platebridge.pod_health (pod, community) SELECT id, community FROM platebridge.pod;
INSERT INTO platebridge.audit_checkpoint (community, pod, line, seq, link)
SELECT community, id, 1, 1, sha256('') FROM platebridge.pod;
INSERT INTO platebridge.pod_key (pod, community, public_key)
SELECT id, community, sha256(id::bytea) FROM platebridge.pod;
INSERT INTO platebridge.pod_certificate (serial, community, pod, valid_until)
SELECT substr(sha256(id::bytea), 1, 20), community, id, now() FROM platebridge.pod;
INSERT INTO platebridge.pod_heartbeat (pod, community, at) SELECT id, community, now() FROM platebridge.pod;
INSERT INTO platebridge.media (community, pod, name, approach, media_type, digest, size_bytes, at)
SELECT community, id, 'm', 'a', 'image/jpeg', sha256(''), 1, now() FROM platebridge.pod;
"""


@pytest.fixture(scope="module")
def both(cloud_server: CloudServer) -> Iterator[Database]:
    """Rows of both communities in every table of tenants; what is tried on them changes nothing."""
    with a_database(cloud_server, TWO_COMMUNITIES) as database:
        database.run_as("postgres", ROWS_OF_BOTH)
        asyncio.run(_report(database))
        with psycopg.connect(both_conninfo(database, "a_stats"), autocommit=True) as conn:
            conn.execute("SET ROLE platebridge_stats")
            conn.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY platebridge.rows_by_day_of_all")
        yield database


async def _report(database: Database) -> None:
    pods = ("pod-elm", "pod-oak")
    async with connect(database.dsn("a_bridge")) as conn:
        for pod in pods:
            await take_in(conn, an_upload(an_audit(3, word=pod), pod=pod), now=NOW)
        await note_incidents(
            conn, [Incident(pod, "poison", "not JSON", sample=b"{") for pod in pods], now=NOW
        )


def both_conninfo(database: Database, user: str) -> str:
    return database.server.conninfo(database.name, user)


def communities(database: Database, user: str, table: str, *, tenant: str | None = None) -> set[str]:
    return {c for (c,) in database.run_as(user, f"SELECT community FROM platebridge.{table}", tenant=tenant)}


@pytest.mark.parametrize("table", [*TENANT_TABLES, "rows_by_day"])
async def test_a_tenant_sees_its_own_rows_alone(both: Database, table: str) -> None:
    for tenant in ("elm", "oak"):
        assert communities(both, "a_api", table, tenant=tenant) == {tenant}


@pytest.mark.parametrize(
    "tenant",
    [None, "", "nobody", "elm' OR 'x'='x", "elm,oak", "%", "ELM"],
    ids=["unset", "empty", "unknown", "quoted", "two", "wildcard", "capitals"],
)
async def test_without_a_tenant_that_exists_nothing_is_seen(both: Database, tenant: str | None) -> None:
    for table in [*TENANT_TABLES, "rows_by_day"]:
        assert communities(both, "a_api", table, tenant=tenant) == set()
    assert (
        both.run_as("a_api", "SELECT * FROM platebridge.community, platebridge.company", tenant=tenant) == []
    )


async def test_a_tenant_sees_its_own_community_and_company_alone(both: Database) -> None:
    query = "SELECT c.id, o.id FROM platebridge.community AS c, platebridge.company AS o"
    assert both.run_as("a_api", query, tenant="elm") == [("elm", "acme")]


THEIRS = "community = 'oak'"


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(
            f"UPDATE platebridge.entry SET verdict = 'deny' WHERE {THEIRS} RETURNING id", id="update"
        ),
        pytest.param(f"DELETE FROM platebridge.entry WHERE {THEIRS} RETURNING id", id="delete"),
        pytest.param(
            f"UPDATE platebridge.pod SET revoked_at = now() WHERE {THEIRS} RETURNING id", id="revoke"
        ),
        pytest.param(
            f"UPDATE platebridge.incident SET closed_by = 'x' WHERE {THEIRS} RETURNING id", id="close"
        ),
        pytest.param(f"SELECT * FROM platebridge.audit WHERE {THEIRS} FOR SHARE", id="lock"),
        pytest.param(
            f"SELECT 1 FROM platebridge.rows_by_day WHERE 1 / (CASE WHEN {THEIRS} THEN 0 ELSE 1 END) = 0",
            id="an error that tells",
        ),
        pytest.param(
            "SELECT e.* FROM platebridge.pod RIGHT JOIN platebridge.entry AS e ON true "
            "WHERE e.community = 'oak'",
            id="outer join",
        ),
        pytest.param(
            "WITH RECURSIVE r AS (SELECT community FROM platebridge.audit UNION SELECT 'oak') "
            "SELECT a.seq FROM r JOIN platebridge.audit AS a USING (community) WHERE a.community = 'oak'",
            id="recursion",
        ),
    ],
)
async def test_hostile_sql_of_a_tenant_reaches_no_row_of_another(both: Database, sql: str) -> None:
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        assert both.run_as("a_api", sql, tenant="elm") == []
    kept = both.run_as("postgres", f"SELECT verdict FROM platebridge.entry WHERE {THEIRS}")
    assert kept == [("allow",)]


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(
            "INSERT INTO platebridge.entry (community, key, plate, verdict, type) "
            "VALUES ('oak', 'X', 'X', 'allow', 'resident')",
            id="entry",
        ),
        pytest.param("UPDATE platebridge.entry SET community = 'oak'", id="move an entry"),
        pytest.param("UPDATE platebridge.site SET community = 'oak'", id="move a site"),
        pytest.param(
            "INSERT INTO platebridge.command (id, community, pod, gate, kind, asked_by, expires_at) "
            "VALUES ('cmd-x', 'oak', 'pod-oak', 'g', 'open', 'me', now())",
            id="open their gate",
        ),
        pytest.param(
            "INSERT INTO platebridge.command (id, community, pod, gate, kind, asked_by, expires_at) "
            "VALUES ('cmd-x', 'elm', 'pod-oak', 'g', 'open', 'me', now())",
            id="open their gate as one's own",
        ),
        pytest.param(
            "INSERT INTO platebridge.pod (id, community, site, name) VALUES ('pod-x', 'elm', 'south', 'X')",
            id="a pod at their site",
        ),
        pytest.param(
            "INSERT INTO platebridge.community (id, company, name) VALUES ('ash', 'acme', 'A')",
            id="community",
        ),
    ],
)
async def test_a_tenant_writes_nothing_that_is_or_leads_to_another_ones(both: Database, sql: str) -> None:
    refusals = (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.ForeignKeyViolation,
        psycopg.errors.RaiseException,
    )
    with pytest.raises(refusals):
        both.run_as("a_api", sql, tenant="elm")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", ["audit_unplaced", f"audit_{NOW:%Y_%m}", "rows_by_day_of_all"])
async def test_nobody_reads_a_month_or_the_statistics_of_all_past_the_policies(
    both: Database, role: str, table: str
) -> None:
    owner = {"rows_by_day_of_all": "stats"}.get(table, "migrator")
    if role == owner:
        assert len(communities(both, f"a_{role}", table)) in (0, 2)
        return
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        communities(both, f"a_{role}", table)


async def test_the_owner_sees_no_more_of_tenants_than_its_triggers_and_lookups_need(both: Database) -> None:
    needed = {"list_state", "entry", "entry_gone", "pod", "token", "pod_key", "pod_certificate"}
    for table in sorted({*TENANT_TABLES} - needed):
        assert communities(both, "a_migrator", table, tenant="elm") == set()


async def test_statistics_count_every_tenant_and_read_no_payload(both: Database) -> None:
    assert communities(both, "a_stats", "rows_by_day_of_all") == {"elm", "oak"}
    counted = both.run_as("a_api", "SELECT pod, kind, rows FROM platebridge.rows_by_day", tenant="elm")
    assert counted == [("pod-elm", "decision", 3)]
    for sql in ("SELECT payload FROM platebridge.audit", "SELECT * FROM platebridge.entry"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            both.run_as("a_stats", sql)


@pytest.mark.parametrize(
    ("role", "sql"),
    [
        ("api", "INSERT INTO platebridge.audit SELECT * FROM platebridge.audit"),
        ("api", "UPDATE platebridge.audit SET payload = NULL, salt = NULL"),
        ("api", "DELETE FROM platebridge.audit"),
        ("api", "UPDATE platebridge.pod_cursor SET seq = 0"),
        ("api", "UPDATE platebridge.list_state SET version = 0"),
        ("api", "UPDATE platebridge.command SET result = 'commanded'"),
        ("api", "SELECT platebridge.next_version('elm')"),
        ("api", "SELECT platebridge.audit_months()"),
        ("api", "CREATE TABLE platebridge.mine ()"),
        ("api", "REFRESH MATERIALIZED VIEW platebridge.rows_by_day_of_all"),
        ("api", "SET ROLE platebridge_bridge"),
        ("api", "ALTER TABLE platebridge.entry DISABLE ROW LEVEL SECURITY"),
        ("bridge", "UPDATE platebridge.audit SET kind = 'x'"),
        ("bridge", "DELETE FROM platebridge.audit"),
        ("bridge", "INSERT INTO platebridge.pod SELECT * FROM platebridge.pod"),
        ("bridge", "UPDATE platebridge.pod SET revoked_at = NULL"),
        ("bridge", "UPDATE platebridge.entry SET verdict = 'allow'"),
        ("bridge", "INSERT INTO platebridge.command SELECT * FROM platebridge.command"),
        ("bridge", "SELECT * FROM platebridge.entry"),
        ("bridge", "UPDATE platebridge.command SET session = 's1'"),
        ("bridge", "SELECT * FROM platebridge.token"),
        ("api", "UPDATE platebridge.command SET session = 's1'"),
        (
            "api",
            "INSERT INTO platebridge.command (community, pod, gate, kind, asked_by, expires_at, asked_at) "
            "VALUES ('elm', 'pod-elm', 'g', 'open', 'x', now(), now())",
        ),
        ("api", "INSERT INTO platebridge.move (portal, brokers) VALUES ('https://x', '{mqtts://x}')"),
        ("dispatch", "UPDATE platebridge.entry SET verdict = 'allow'"),
        ("dispatch", "INSERT INTO platebridge.command SELECT * FROM platebridge.command"),
        ("dispatch", "UPDATE platebridge.command SET expires_at = now()"),
        ("dispatch", "SELECT * FROM platebridge.audit"),
        ("dispatch", "SELECT * FROM platebridge.token"),
        ("dispatch", "INSERT INTO platebridge.move (portal, brokers) VALUES ('https://x', '{mqtts://x}')"),
        ("stats", "UPDATE platebridge.pod_cursor SET seq = 0"),
        ("stats", "CREATE TABLE platebridge.mine ()"),
    ],
)
async def test_a_role_has_no_right_beyond_its_work(both: Database, role: str, sql: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        both.run_as(f"a_{role}", sql, tenant="elm")


async def test_a_transaction_of_a_tenant_leaves_no_tenant_behind(both: Database) -> None:
    async with connect(both.dsn("a_api")) as conn:
        for tenant in ("elm", "oak"):
            async with as_tenant(conn, tenant):
                cursor = await conn.execute("SELECT DISTINCT community FROM platebridge.audit")
                assert await cursor.fetchall() == [(tenant,)]
            cursor = await conn.execute("SELECT count(*) FROM platebridge.audit")
            assert await cursor.fetchone() == (0,)
        with pytest.raises(ValueError, match="needs its community"):
            async with as_tenant(conn, ""):
                pass


async def test_every_table_of_the_schema_is_behind_its_policies(both: Database) -> None:
    open_tables = both.run_as(
        "postgres",
        "SELECT c.relname FROM pg_class AS c WHERE relnamespace = 'platebridge'::regnamespace "
        "AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND (relforcerowsecurity OR relispartition))",
    )
    assert {name for (name,) in open_tables} == {"migration", "store_setting"}


ADD = "INSERT INTO platebridge.entry (community, id, key, plate, verdict, type) VALUES "


def test_a_change_of_the_list_raises_its_version_once_a_transaction(cloud_database: Database) -> None:
    rows = [f"('elm', 'e{n}', 'K{n}', 'K {n}', 'allow', 'resident')" for n in range(50)]
    cloud_database.run_as("a_api", ADD + ", ".join(rows), tenant="elm")
    cloud_database.run_as("a_api", "UPDATE platebridge.entry SET label = 'x' WHERE id = 'e1'", tenant="elm")
    cloud_database.run_as("a_api", "DELETE FROM platebridge.entry WHERE id IN ('e2', 'e3')", tenant="elm")
    cloud_database.run_as(
        "a_api", "UPDATE platebridge.entry SET enabled = false WHERE id = 'e4'", tenant="elm"
    )
    query = "SELECT id, version FROM platebridge.{} WHERE version > 1 ORDER BY id"
    assert cloud_database.run_as("a_api", query.format("entry"), tenant="elm") == [("e1", 2), ("e4", 4)]
    assert cloud_database.run_as("a_api", query.format("entry_gone"), tenant="elm") == [("e2", 3), ("e3", 3)]
    state = "SELECT community, version FROM platebridge.list_state"
    assert cloud_database.run_as("a_bridge", state) == [("elm", 4)]


def test_versions_of_a_list_become_visible_in_their_order(cloud_database: Database) -> None:
    add = f"{ADD} ('elm', %s, 'K', 'K', 'allow', 'staff')".encode()
    conninfo = both_conninfo(cloud_database, "a_api")
    with psycopg.connect(conninfo) as first, psycopg.connect(conninfo) as second:
        for conn in (first, second):
            conn.execute("SET app.tenant = 'elm'")
        first.execute(add, ("a",))
        second.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):  # it waits for the first
            second.execute(add, ("b",))
        second.rollback()
        first.commit()
        second.execute("SET app.tenant = 'elm'")
        second.execute(add, ("b",))
    rows = cloud_database.run_as("a_dispatch", "SELECT id, version FROM platebridge.entry ORDER BY id")
    assert rows == [("a", 1), ("b", 2)]


def test_an_entry_that_comes_back_is_no_longer_gone(cloud_database: Database) -> None:
    add = f"{ADD} ('elm', 'e', 'K', 'K', 'deny', 'staff')"
    for sql in (add, "DELETE FROM platebridge.entry", add):
        cloud_database.run_as("a_api", sql, tenant="elm")
    assert cloud_database.run_as("a_dispatch", "SELECT id FROM platebridge.entry_gone") == []
    assert cloud_database.run_as("a_dispatch", "SELECT version FROM platebridge.entry") == [(3,)]
