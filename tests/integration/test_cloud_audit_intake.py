"""Audit rows of PODs come into the database once and in order, whoever brings them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cloud_database import NOW, Database, a_batch, an_audit, us

from sync.cloud.audit_cursor import AuditBatch
from sync.cloud.audit_intake import Taken, take_batches
from sync.cloud.audit_months import keep_months, keep_months_as_of, set_months_kept
from sync.cloud.database import connect


async def taken(database: Database, *batches: AuditBatch, now: datetime = NOW) -> list[Taken]:
    async with connect(database.dsn("a_bridge")) as conn:
        return await take_batches(conn, batches, now=now)


def held(database: Database, pod: str = "pod-elm") -> list[int]:
    return [
        n
        for (n,) in database.run_as(
            "postgres", f"SELECT seq FROM platebridge.audit WHERE pod = '{pod}' ORDER BY seq"
        )
    ]


async def test_rows_of_many_pods_are_stored_at_once_and_acknowledged_through_the_last(
    cloud_database: Database,
) -> None:
    elm, oak = an_audit(30), an_audit(20, word="oak")
    told = await taken(cloud_database, a_batch(elm, 1, 30), a_batch(oak, 1, 20, pod="pod-oak"))
    assert told == [
        Taken("pod-elm", "stored", 30, elm[-1].link, 30),
        Taken("pod-oak", "stored", 20, oak[-1].link, 20),
    ]
    rows = cloud_database.run_as(
        "postgres", "SELECT community, pod, count(*) FROM platebridge.audit GROUP BY 1, 2"
    )
    assert sorted(rows) == [("elm", "pod-elm", 30), ("oak", "pod-oak", 20)]


async def test_a_row_comes_back_as_it_was_sent_to_the_last_byte(cloud_database: Database) -> None:
    (row,) = an_audit(1)
    odd = replace(row, salt=bytes(range(256)), payload=b'{"a":"\\u0000"}\x00\xff', kind="gate_état")
    await taken(cloud_database, a_batch([odd], 1, 1))
    query = "SELECT seq, ts_us, kind, salt, payload, digest, link, absent FROM platebridge.audit"
    (got,) = cloud_database.run_as("postgres", query)
    assert got == (odd.seq, odd.ts_us, odd.kind, odd.salt, odd.payload, odd.digest, odd.link, "")


async def test_a_row_without_its_payload_keeps_its_place_in_the_chain(cloud_database: Database) -> None:
    rows = an_audit(3)
    rows[1] = replace(rows[1], salt=None, payload=None, absent="erased")
    await taken(cloud_database, a_batch(rows, 1, 3))
    assert cloud_database.run_as("postgres", "SELECT seq FROM platebridge.audit WHERE absent = 'erased'") == [
        (2,)
    ]


async def test_rows_that_come_again_are_acknowledged_and_stored_once(cloud_database: Database) -> None:
    rows = an_audit(30)
    await taken(cloud_database, a_batch(rows, 1, 20))
    for first, last, outcome, through in [
        (1, 20, "repeated", 20),
        (5, 9, "repeated", 20),
        (11, 30, "stored", 30),
    ]:
        (told,) = await taken(cloud_database, a_batch(rows, first, last))
        assert (told.outcome, told.through, told.head) == (outcome, through, rows[through - 1].link)
    assert held(cloud_database) == list(range(1, 31))


async def test_rows_behind_a_gap_are_not_acknowledged_and_not_stored(cloud_database: Database) -> None:
    rows = an_audit(30)
    await taken(cloud_database, a_batch(rows, 1, 10))
    (told,) = await taken(cloud_database, a_batch(rows, 12, 30))
    assert (told.outcome, told.through, told.rows) == ("gap", 10, 0)
    assert held(cloud_database) == list(range(1, 11))


@pytest.mark.parametrize(
    ("first", "last"), [(5, 8), (10, 10), (11, 15), (1, 30)], ids=["older", "newest", "next", "whole"]
)
async def test_the_same_row_with_another_link_is_a_fork_that_stores_nothing_and_is_counted(
    cloud_database: Database, first: int, last: int
) -> None:
    await taken(cloud_database, a_batch(an_audit(10), 1, 10))
    other = an_audit(30, word="restored")
    good = a_batch(an_audit(5), 1, 5, pod="pod-oak")
    for _ in range(3):
        forked, fine = await taken(cloud_database, a_batch(other, first, last), good)
        assert (forked.outcome, forked.through, forked.head) == ("fork", 10, an_audit(10)[-1].link)
        assert fine.through == 5
    assert held(cloud_database) == list(range(1, 11))
    incidents = "SELECT community, pod, kind, seq, times FROM platebridge.incident"
    assert cloud_database.run_as("postgres", incidents) == [("elm", "pod-elm", "fork", 10, 3)]


async def test_a_pod_that_is_unknown_or_revoked_is_acknowledged_nothing(cloud_database: Database) -> None:
    await taken(cloud_database, a_batch(an_audit(5), 1, 5))
    cloud_database.run_as("postgres", "UPDATE platebridge.pod SET revoked_at = now() WHERE id = 'pod-elm'")
    told = await taken(
        cloud_database, a_batch(an_audit(9), 6, 9), a_batch(an_audit(5), 1, 5, pod="pod-nobody")
    )
    assert [(one.outcome, one.through, one.head) for one in told] == [("unknown_pod", 0, b"")] * 2
    assert held(cloud_database) == list(range(1, 6))
    assert held(cloud_database, "pod-nobody") == []


async def test_two_bridges_that_bring_the_same_rows_store_each_once(cloud_database: Database) -> None:
    audits = {"pod-elm": an_audit(200), "pod-oak": an_audit(200, word="oak")}

    async def bridge(pods: list[str], step: int) -> None:
        async with connect(cloud_database.dsn("a_bridge")) as conn:
            for first in range(1, 201, step):
                batches = [a_batch(audits[pod], first, min(200, first + step + 7), pod=pod) for pod in pods]
                for told in await take_batches(conn, batches, now=NOW):
                    assert told.outcome in ("stored", "repeated", "gap")
                    assert told.head == audits[told.pod][told.through - 1].link

    # In opposite order, as what waits for each other in a circle would.
    pods = ["pod-elm", "pod-oak"]
    await asyncio.gather(*(bridge(pods[:: 1 - 2 * (n % 2)], 10 + n) for n in range(4)))
    for pod in pods:
        assert held(cloud_database, pod) == list(range(1, 201))


async def test_a_bridge_that_dies_before_its_commit_leaves_nothing(cloud_database: Database) -> None:
    rows = an_audit(10)

    async def die() -> None:
        async with connect(cloud_database.dsn("a_bridge")) as dying, dying.transaction():
            await take_batches(dying, [a_batch(rows, 1, 10)], now=NOW)
            cloud_database.run_as("postgres", f"SELECT pg_terminate_backend({dying.info.backend_pid}, 5000)")
            await dying.execute("SELECT 1")

    with pytest.raises(psycopg.OperationalError):
        await die()
    assert held(cloud_database) == []
    (told,) = await taken(cloud_database, a_batch(rows, 1, 10))
    assert told.rows == 10


@pytest.mark.parametrize(
    "ts_us",
    [
        pytest.param(0, id="1970"),
        pytest.param(us(datetime(2099, 1, 1, tzinfo=UTC)), id="2099"),
        pytest.param(us(NOW + timedelta(days=2)), id="the day after tomorrow"),
        pytest.param(-(2**63), id="the smallest number"),
        pytest.param(2**63 - 1, id="the largest number"),
    ],
)
async def test_a_time_that_cannot_be_is_kept_as_sent_and_placed_when_it_came(
    cloud_database: Database, ts_us: int
) -> None:
    rows = [replace(an_audit(1)[0], ts_us=ts_us)]
    await taken(cloud_database, a_batch(rows, 1, 1))
    assert cloud_database.run_as("postgres", "SELECT ts_us, at FROM platebridge.audit") == [(ts_us, NOW)]
    assert cloud_database.run_as("postgres", "SELECT count(*) FROM platebridge.audit_unplaced") == [(0,)]


async def test_late_rows_lie_in_the_month_they_tell_of(cloud_database: Database) -> None:
    weeks_ago = NOW - timedelta(days=70)
    await taken(cloud_database, a_batch(an_audit(3, at=weeks_ago), 1, 3))
    (month,) = {
        name
        for (name,) in cloud_database.run_as(
            "postgres", "SELECT tableoid::regclass::text FROM platebridge.audit"
        )
    }
    assert month == f"platebridge.audit_{weeks_ago:%Y_%m}"


async def test_rows_of_both_sides_of_a_months_end_lie_in_their_own_months(cloud_database: Database) -> None:
    start = NOW.replace(day=1, hour=0, minute=0, second=0)
    rows = [replace(row, ts_us=us(start) - 1 + n) for n, row in enumerate(an_audit(2))]
    await taken(cloud_database, a_batch(rows, 1, 2))
    before = start - timedelta(seconds=1)
    found = cloud_database.run_as(
        "postgres", "SELECT tableoid::regclass::text FROM platebridge.audit ORDER BY seq"
    )
    assert found == [(f"platebridge.audit_{before:%Y_%m}",), (f"platebridge.audit_{start:%Y_%m}",)]


async def test_rows_that_no_month_was_made_for_are_told_of_and_find_their_place_later(
    cloud_database: Database,
) -> None:
    later = NOW + timedelta(days=200)
    await taken(cloud_database, a_batch(an_audit(5, at=later), 1, 5), now=later)
    async with connect(cloud_database.dsn("a_bridge")) as conn:
        assert (await keep_months(conn)).unplaced == 5
    async with connect(cloud_database.dsn()) as conn:
        kept = await keep_months_as_of(conn, later)
    assert kept.unplaced == 0
    assert f"audit_{later:%Y_%m}" in kept.made
    assert held(cloud_database) == [1, 2, 3, 4, 5]
    assert await taken(cloud_database, a_batch(an_audit(6, at=later), 1, 6), now=later)
    assert held(cloud_database) == [1, 2, 3, 4, 5, 6]


async def test_months_are_dropped_when_their_time_is_over_and_older_rows_still_count_as_held(
    cloud_database: Database,
) -> None:
    old, rows = NOW - timedelta(days=100), an_audit(5, at=NOW - timedelta(days=100))
    await taken(cloud_database, a_batch(rows, 1, 5))
    async with connect(cloud_database.dsn()) as conn:
        await set_months_kept(conn, 1)
        kept = await keep_months(conn)
        again = await keep_months(conn)
    assert f"audit_{old:%Y_%m}" in kept.dropped
    assert (again.made, again.dropped) == ((), ())
    assert held(cloud_database) == []
    (told,) = await taken(cloud_database, a_batch(rows, 1, 4))
    assert (told.outcome, told.through) == ("repeated", 5)


def test_the_bridge_cannot_choose_the_moment_by_which_months_are_dropped(cloud_database: Database) -> None:
    for sql in (
        "SELECT platebridge.audit_months_as_of('2099-01-01')",
        "UPDATE platebridge.store_setting SET keep_months = 1",
        "DROP TABLE platebridge.audit_unplaced",
        "TRUNCATE platebridge.audit",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cloud_database.run_as("a_bridge", sql)
