"""Whoever writes the cloud's audit anew is found: links, what was acknowledged, checkpoints."""

import pytest
from cloud_database import NOW, Database, a_hello, an_audit, an_upload, position

from sync.cloud.audit_intake import take_in
from sync.cloud.audit_proof import Proof, prove_audits
from sync.cloud.bridge.upkeep import note_checkpoints
from sync.cloud.database import connect
from sync.cloud.errors import CloudError


async def proved(database: Database, community: str = "elm") -> list[Proof]:
    async with connect(database.dsn("a_api")) as conn:
        return list(await prove_audits(conn, community))


async def uploaded(database: Database, rows: int = 20) -> None:
    """An audit of pod-elm, with a checkpoint at its end."""
    async with connect(database.dsn("a_bridge")) as conn:
        await take_in(conn, an_upload(an_audit(rows)), now=NOW)
        await note_checkpoints(conn)


async def test_an_audit_as_it_was_sent_is_proved_to_its_head(cloud_database: Database) -> None:
    await uploaded(cloud_database)
    (proof,) = await proved(cloud_database)
    assert (proof.pod, proof.rows, proof.first, proof.checkpoints) == ("pod-elm", 20, 1, 1)
    assert (proof.head, proof.broken) == (an_audit(20)[-1].position, "")


async def test_rows_that_the_pod_lost_are_told_and_break_nothing(cloud_database: Database) -> None:
    audit = an_audit(20)
    await uploaded(cloud_database, 5)
    async with connect(cloud_database.dsn("a_bridge")) as conn:
        hello = a_hello(audit, number=1, oldest=position(audit, 9))
        await take_in(conn, [("pod-elm", hello)], now=NOW)
        batch = an_upload(audit)[1:]
        await take_in(conn, batch, now=NOW)
    (proof,) = await proved(cloud_database)
    assert (proof.rows, proof.lost, proof.broken) == (16, 4, "")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param("UPDATE platebridge.audit SET payload = '{}' WHERE seq = 7", "payload", id="payload"),
        pytest.param("UPDATE platebridge.audit SET kind = 'other' WHERE seq = 7", "follow", id="kind"),
        pytest.param("DELETE FROM platebridge.audit WHERE seq = 7", "row 7 is missing", id="taken-away"),
        pytest.param("DELETE FROM platebridge.audit WHERE seq = 20", "row 20 is missing", id="cut-off"),
        pytest.param(
            "UPDATE platebridge.audit_checkpoint SET link = sha256('x')", "checkpoint", id="checkpoint"
        ),
        pytest.param(
            "UPDATE platebridge.pod_cursor SET head = sha256('x')",
            "acknowledged",
            id="acknowledged-otherwise",
        ),
    ],
)
async def test_an_audit_that_somebody_changed_is_found(
    cloud_database: Database, change: str, word: str
) -> None:
    await uploaded(cloud_database)
    cloud_database.run_as("postgres", change)
    (proof,) = await proved(cloud_database)
    assert word in proof.broken


async def test_a_community_sees_its_own_audits_alone(cloud_database: Database) -> None:
    await uploaded(cloud_database)
    assert await proved(cloud_database, "oak") == []
    with pytest.raises(CloudError, match="no community"):
        await proved(cloud_database, "none")
