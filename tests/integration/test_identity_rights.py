"""Who may look up whose token it is, and how a POD is revoked and moved."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cloud_database import Database
from cryptography.hazmat.primitives.asymmetric import ec

from sync.cloud.database import connect
from sync.cloud.errors import IdentityError
from sync.cloud.identity.certificate_request import public_der
from sync.cloud.identity.standing import CHANNEL, move_to_site, revoke, revoked_certificates, standing_of
from sync.cloud.identity.tokens import holder_of, new_join_token

NOW = datetime.now(UTC)
LOOKUPS = ("token_holder('')", "pod_standing('pod-elm')", "pod_of_key('')", "revoked_certificates()")


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("role", ["bridge", "dispatch", "stats"])
def test_no_other_service_looks_tokens_and_keys_up(cloud_database: Database, role: str, lookup: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        cloud_database.run_as(f"a_{role}", f"SELECT platebridge.{lookup}")
    cloud_database.run_as("a_api", f"SELECT platebridge.{lookup}")


async def test_a_token_leads_to_its_community_and_its_digest_to_nothing(cloud_database: Database) -> None:
    async with connect(cloud_database.dsn("a_api")) as conn:
        token = await new_join_token(conn, "oak", site="south", now=NOW)
        holder = await holder_of(conn, token)
        assert holder is not None
        assert (holder.community, holder.kind, holder.pod, holder.is_revoked) == ("oak", "join", None, False)
        (kept,) = cloud_database.run_as("postgres", "SELECT hash FROM platebridge.token")
        assert await holder_of(conn, kept[0]) is None


@pytest.mark.parametrize(
    ("community", "site", "life_s"),
    [
        pytest.param("elm", "south", 60, id="a site of another community"),
        pytest.param("elm", "nowhere", 60, id="no site"),
        pytest.param("nobody", "north", 60, id="no community"),
        pytest.param("elm", "north", 0, id="no time"),
        pytest.param("elm", "north", 31 * 86400, id="too long"),
    ],
)
async def test_a_token_that_could_let_nobody_in_is_not_made(
    cloud_database: Database, community: str, site: str, life_s: float
) -> None:
    async with connect(cloud_database.dsn("a_api")) as conn:
        with pytest.raises(IdentityError):
            await new_join_token(conn, community, site=site, now=NOW, life_s=life_s)


async def test_a_revocation_is_told_at_once_and_is_for_good(cloud_database: Database) -> None:
    async with (
        connect(cloud_database.dsn("a_bridge")) as listener,
        connect(cloud_database.dsn("a_api")) as conn,
    ):
        await listener.execute(f"LISTEN {CHANNEL}".encode())
        await revoke(conn, "elm", "pod-elm", now=NOW)
        async with asyncio.timeout(10):
            async for notice in listener.notifies():
                assert notice.payload == "pod-elm"
                break
        await revoke(conn, "elm", "pod-elm", now=NOW + timedelta(hours=1))
        standing = await standing_of(conn, "pod-elm")
        assert standing is not None
        assert standing.is_revoked
    for sql in ("revoked_at = NULL", "revoked_at = now()"):
        with pytest.raises(psycopg.errors.RaiseException, match="stays revoked"):
            cloud_database.run_as("a_api", f"UPDATE platebridge.pod SET {sql}", tenant="elm")
    assert cloud_database.run_as("a_api", "SELECT revoked_at FROM platebridge.pod", tenant="elm") == [(NOW,)]


async def test_nobody_revokes_or_moves_a_pod_of_another_community(cloud_database: Database) -> None:
    async with connect(cloud_database.dsn("a_api")) as conn:
        with pytest.raises(IdentityError, match="no POD pod-oak"):
            await revoke(conn, "elm", "pod-oak", now=NOW)
        with pytest.raises(IdentityError, match="no POD pod-oak"):
            await move_to_site(conn, "elm", "pod-oak", site="north")
        with pytest.raises(IdentityError, match="no site south"):
            await move_to_site(conn, "elm", "pod-elm", site="south")


async def test_a_pod_moves_to_another_site_and_never_to_another_community(cloud_database: Database) -> None:
    cloud_database.run_as(
        "postgres",
        "INSERT INTO platebridge.site (community, id, name, time_zone) VALUES ('elm', 'west', 'West', 'UTC')",
    )
    async with connect(cloud_database.dsn("a_api")) as conn:
        await move_to_site(conn, "elm", "pod-elm", site="west")
    moved = cloud_database.run_as("a_api", "SELECT site FROM platebridge.pod", tenant="elm")
    assert moved == [("west",)]
    with pytest.raises(psycopg.Error, match="keeps its id and its community"):
        cloud_database.run_as(
            "postgres", "UPDATE platebridge.pod SET community = 'oak', site = 'south' WHERE id = 'pod-elm'"
        )


async def test_certificates_of_revoked_pods_are_listed_until_they_are_over(cloud_database: Database) -> None:
    cloud_database.run_as(
        "postgres",
        "INSERT INTO platebridge.pod_certificate (serial, community, pod, valid_until) VALUES "
        "(decode(repeat('01', 20), 'hex'), 'elm', 'pod-elm', now() + interval '1 day'), "
        "(decode(repeat('02', 20), 'hex'), 'elm', 'pod-elm', now() - interval '1 day'), "
        "(decode(repeat('03', 20), 'hex'), 'oak', 'pod-oak', now() + interval '1 day')",
    )
    async with connect(cloud_database.dsn("a_api")) as conn:
        assert await revoked_certificates(conn) == []
        await revoke(conn, "elm", "pod-elm", now=NOW)
        assert [one.serial for one in await revoked_certificates(conn)] == [int.from_bytes(b"\1" * 20)]


async def test_a_pod_is_known_by_its_key(cloud_database: Database) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    cloud_database.run_as(
        "postgres",
        "INSERT INTO platebridge.pod_key (pod, community, public_key) "
        f"VALUES ('pod-elm', 'elm', '\\x{public_der(key).hex()}')",
    )
    async with connect(cloud_database.dsn("a_api")) as conn:
        standing = await standing_of(conn, "pod-elm")
        assert standing is not None
        assert standing.key == key
        assert await standing_of(conn, "pod-nobody") is None
