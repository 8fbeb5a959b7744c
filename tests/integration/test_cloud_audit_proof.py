"""The cloud proves its audits by the chain; whoever changes a row in the database is found out."""

import asyncio
import json
from dataclasses import replace

import pytest
from cloud_database import NOW, Database, a_batch, a_hello, an_audit, an_upload, position
from typer.testing import CliRunner

from sync.cloud.audit_intake import Heard, take_in
from sync.cloud.bridge.upkeep import note_checkpoints
from sync.cloud.cli import app
from sync.cloud.database import DSN_VARIABLE, connect

ROWS = an_audit(40)


def verified(database: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setenv(DSN_VARIABLE, database.dsn("a_api").conninfo)
    done = CliRunner().invoke(app, ["audit", "verify", "elm"], catch_exceptions=False)
    return done.exit_code, done.output


def send(database: Database, *heard: tuple[str, Heard]) -> None:
    async def sent() -> None:
        async with connect(database.dsn("a_bridge")) as conn:
            await take_in(conn, heard, now=NOW)

    asyncio.run(sent())


def note(database: Database) -> int:
    async def noted() -> int:
        async with connect(database.dsn("a_bridge")) as conn:
            return await note_checkpoints(conn)

    return asyncio.run(noted())


def test_an_audit_as_it_was_sent_holds_and_its_head_is_the_pods(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud_database, *an_upload(ROWS))
    assert note(cloud_database) == 1
    assert note(cloud_database) == 0
    code, told = verified(cloud_database, monkeypatch)
    head = f"40:{ROWS[-1].link.hex()}"
    assert (code, told) == (0, f"pod-elm: OK: 40 rows verified; 1 checkpoints hold; head {head}\n")


def test_a_community_whose_pods_sent_nothing_is_told_so(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verified(cloud_database, monkeypatch) == (0, "No POD of elm sent anything yet.\n")


CHANGES = {
    "payload": ("UPDATE {t} SET payload = '{{}}' WHERE seq = 7", "the payload of row 7 was changed"),
    "time": ("UPDATE {t} SET ts_us = ts_us + 1 WHERE seq = 7", "row 7 does not follow"),
    "kind": ("UPDATE {t} SET kind = 'alarm' WHERE seq = 7", "row 7 does not follow"),
    "digest": ("UPDATE {t} SET digest = sha256('x') WHERE seq = 7", "row 7 does not follow"),
    "link": ("UPDATE {t} SET link = sha256('x') WHERE seq = 7", "row 7 does not follow"),
    "removed": ("DELETE FROM {t} WHERE seq = 7", "row 7 is missing"),
    "cut-off": ("DELETE FROM {t} WHERE seq > 38", "row 39 is missing"),
    "put-in": (
        "INSERT INTO {t} SELECT community, pod, line, 41, at, ts_us, kind, absent, salt, payload, digest, "
        "link, received_at FROM {t} WHERE seq = 40",
        "row 41 is there, and nobody acknowledged it",
    ),
}


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=CHANGES)
def test_a_change_in_the_database_is_found(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch, change: str, found: str
) -> None:
    send(cloud_database, *an_upload(ROWS))
    cloud_database.run_as("postgres", change.format(t="platebridge.audit"))
    code, told = verified(cloud_database, monkeypatch)
    assert code == 1
    assert f"pod-elm: BROKEN: {found}" in told


def test_an_audit_written_anew_contradicts_its_checkpoint(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud_database, *an_upload(ROWS))
    note(cloud_database)
    cloud_database.run_as("postgres", "DELETE FROM platebridge.audit; DELETE FROM platebridge.pod_cursor")
    send(cloud_database, *an_upload(an_audit(40, word="forged")))
    code, told = verified(cloud_database, monkeypatch)
    assert code == 1
    assert "row 40 is not the one that a checkpoint names" in told


def test_an_end_that_was_never_acknowledged_is_found(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud_database, *an_upload(ROWS))
    cloud_database.run_as("postgres", "UPDATE platebridge.pod_cursor SET head = sha256('x')")
    code, told = verified(cloud_database, monkeypatch)
    assert code == 1
    assert "row 40 is not the one that was acknowledged" in told


def test_rows_that_are_still_to_come_lost_or_without_payload_are_told_and_break_nothing(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [replace(row, salt=b"", payload=b"", absent="erased") if row.seq == 12 else row for row in ROWS]
    hello = a_hello(rows, oldest=position(rows, 10))
    early, now = a_batch(rows, 11, 20), a_batch(rows, 31, 40)
    send(cloud_database, ("pod-elm", hello), ("pod-elm", early), ("pod-elm", now))
    code, told = verified(cloud_database, monkeypatch)
    assert code == 0, told
    assert "20 rows verified, 1 without payload, older than row 11 dropped" in told


def test_rows_lost_between_others_are_told_and_any_other_that_is_missing_is_found(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud_database, ("pod-elm", a_hello(ROWS)), ("pod-elm", a_batch(ROWS, 1, 10)))
    hello = a_hello(ROWS, number=1, oldest=position(ROWS, 30))
    send(cloud_database, ("pod-elm", hello), ("pod-elm", a_batch(ROWS, 31, 40)))
    code, told = verified(cloud_database, monkeypatch)
    assert code == 0, told
    assert "20 rows verified, 20 lost by the POD" in told
    cloud_database.run_as("postgres", "DELETE FROM platebridge.audit WHERE seq IN (10, 31)")
    code, told = verified(cloud_database, monkeypatch)
    assert code == 1
    assert "row 10 is missing" in told


def test_a_pod_that_claims_to_have_lost_endless_rows_is_verified_all_the_same(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud_database, *an_upload(ROWS))
    far = position(ROWS, 40)._replace(seq=2**53 - 1)
    send(cloud_database, ("pod-elm", a_hello(ROWS, number=1, oldest=far)))
    code, told = verified(cloud_database, monkeypatch)
    assert code == 0, told
    assert f"{2**53 - 41} lost by the POD" in told


def test_the_newest_rows_are_shown_whatever_their_payload(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = replace(ROWS[2], payload=b"\xff not JSON")
    told = replace(ROWS[1], payload=json.dumps({"plate": "B\u202e1", "verdict": "deny"}).encode())
    send(cloud_database, *an_upload([ROWS[0], told, odd]))
    monkeypatch.setenv(DSN_VARIABLE, cloud_database.dsn("a_api").conninfo)
    done = CliRunner().invoke(app, ["audit", "list", "elm", "--limit", "2"], catch_exceptions=False)
    assert done.exit_code == 0
    first, second = done.output.splitlines()
    assert first.endswith("pod-elm  2  decision  B\ufffd1  deny")
    assert second.endswith("pod-elm  3  decision  ")
    lines = CliRunner().invoke(app, ["audit", "list", "elm", "--json"], catch_exceptions=False).output
    assert [json.loads(line)["seq"] for line in lines.splitlines()] == [1, 2, 3]
