"""Audit rows of PODs come into the database once and in order, whoever brings them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cloud_database import NOW, Database, a_batch, a_hello, an_audit, an_upload, position, us

from sync.cloud.audit_intake import Answered, Heard, take_in
from sync.cloud.audit_months import keep_months, keep_months_as_of, set_months_kept
from sync.cloud.database import connect
from sync.protocol.chain import Row, link_of
from sync.protocol.down import Ack, Probe, Refused, Welcome
from sync.protocol.up import Points


async def said(database: Database, *heard: tuple[str, Heard], now: datetime = NOW) -> list[Answered]:
    """What is answered to messages in one transaction."""
    async with connect(database.dsn("a_bridge")) as conn:
        return await take_in(conn, heard, now=now)


async def taken(database: Database, rows: Sequence[Row], *, now: datetime = NOW) -> None:
    """pod-elm says hello and sends these rows."""
    await said(database, *an_upload(rows), now=now)


def held(database: Database, pod: str = "pod-elm") -> list[int]:
    return [
        n
        for (n,) in database.run_as(
            "postgres", f"SELECT seq FROM platebridge.audit WHERE pod = '{pod}' ORDER BY seq"
        )
    ]


def incidents(database: Database) -> list[tuple]:
    return database.run_as(
        "postgres", "SELECT pod, kind, line, seq, times FROM platebridge.incident ORDER BY pod, kind, line"
    )


def link_after(before: Row, row: Row) -> bytes:
    """The link of a row that follows another than it did."""
    return link_of(before.link, row.seq, ts_us=row.ts_us, kind=row.kind, digest=row.digest)


def ends(answered: Answered) -> list[tuple[int, int]]:
    """First and last row of each stretch that is said to be held."""
    assert isinstance(answered.told, Ack | Welcome)
    return [(span[0] + 1, span[2]) for span in answered.told.spans]


async def test_rows_of_many_pods_are_stored_at_once_and_acknowledged_through_the_last(
    cloud_database: Database,
) -> None:
    elm, oak = an_audit(30), an_audit(20, word="oak")
    _, first, _, second = await said(cloud_database, *an_upload(elm), *an_upload(oak, pod="pod-oak"))
    assert (first.pod, first.rows, ends(first)) == ("pod-elm", 30, [(1, 30)])
    assert (second.pod, second.rows, ends(second)) == ("pod-oak", 20, [(1, 20)])
    rows = cloud_database.run_as(
        "postgres", "SELECT community, pod, count(*) FROM platebridge.audit GROUP BY 1, 2"
    )
    assert sorted(rows) == [("elm", "pod-elm", 30), ("oak", "pod-oak", 20)]


async def test_a_hello_is_welcomed_with_what_is_held_the_time_and_the_list(cloud_database: Database) -> None:
    insert = "INSERT INTO platebridge.entry (community, key, plate, verdict, type) VALUES "
    cloud_database.run_as("postgres", insert + "('elm', 'A1', 'A1', 'allow', 'resident')")
    rows = an_audit(3)
    await taken(cloud_database, rows)
    (answered,) = await said(cloud_database, ("pod-elm", a_hello(rows, session="session-2", number=7)))
    welcome = answered.told
    assert isinstance(welcome, Welcome)
    assert (welcome.session, welcome.number, welcome.time_s) == ("session-2", 7, NOW.timestamp())
    assert ends(answered) == [(1, 3)]
    state = cloud_database.run_as("postgres", "SELECT version, digest FROM platebridge.list_state")
    assert [(welcome.listed.version, welcome.listed.digest)] == state


async def test_an_older_hello_is_answered_with_nothing(cloud_database: Database) -> None:
    await said(cloud_database, ("pod-elm", a_hello(number=4)))
    (late,) = await said(cloud_database, ("pod-elm", a_hello(number=3)))
    assert late.told is None


async def test_a_row_comes_back_as_it_was_sent_to_the_last_byte(cloud_database: Database) -> None:
    (row,) = an_audit(1)
    odd = replace(row, salt=bytes(range(16)), payload=b'{"a":"\\u0000"}\x00\xff', kind="gate_état")
    await taken(cloud_database, [odd])
    query = "SELECT seq, ts_us, kind, salt, payload, digest, link, absent FROM platebridge.audit"
    (got,) = cloud_database.run_as("postgres", query)
    assert got == (odd.seq, odd.ts_us, odd.kind, odd.salt, odd.payload, odd.digest, odd.link, "")


async def test_a_row_without_its_payload_keeps_its_place_in_the_chain(cloud_database: Database) -> None:
    rows = an_audit(3)
    rows[1] = replace(rows[1], salt=b"", payload=b"", absent="erased")
    await taken(cloud_database, rows)
    query = "SELECT seq, salt, payload FROM platebridge.audit WHERE absent = 'erased'"
    assert cloud_database.run_as("postgres", query) == [(2, None, None)]


async def test_rows_that_come_again_are_acknowledged_and_stored_once(cloud_database: Database) -> None:
    rows = an_audit(30)
    await taken(cloud_database, rows[:20])
    for first, last, through, new in [(1, 20, 20, 0), (5, 9, 20, 0), (11, 30, 30, 10)]:
        (told,) = await said(cloud_database, ("pod-elm", a_batch(rows, first, last)))
        assert (ends(told), told.rows) == ([(1, through)], new)
    assert held(cloud_database) == list(range(1, 31))


async def test_what_happens_now_is_stored_before_the_backlog_and_each_row_once(
    cloud_database: Database,
) -> None:
    rows = an_audit(30)
    await said(cloud_database, ("pod-elm", a_hello(rows)))
    (told,) = await said(cloud_database, ("pod-elm", a_batch(rows, 21, 30)))
    assert ends(told) == [(1, 0), (21, 30)]
    (told,) = await said(cloud_database, ("pod-elm", a_batch(rows, 1, 25)))
    assert (ends(told), told.rows) == ([(1, 30)], 20)
    assert held(cloud_database) == list(range(1, 31))


async def test_two_messages_of_one_pod_in_a_transaction_follow_from_each_other(
    cloud_database: Database,
) -> None:
    rows = an_audit(30)
    heard = [("pod-elm", a_batch(rows, first, first + 9)) for first in (1, 11, 1, 21)]
    _, *told = await said(cloud_database, ("pod-elm", a_hello(rows)), *heard)
    assert [(ends(one)[0][1], one.rows) for one in told] == [(10, 10), (20, 10), (20, 0), (30, 10)]
    assert held(cloud_database) == list(range(1, 31))


async def test_rows_of_an_older_start_of_the_program_come_too_late(cloud_database: Database) -> None:
    rows = an_audit(10)
    await said(cloud_database, ("pod-elm", a_hello(rows, session="session-2")))
    (told,) = await said(cloud_database, ("pod-elm", a_batch(rows, 1, 10)))
    assert (ends(told), told.rows) == ([(1, 0)], 0)
    assert held(cloud_database) == []
    assert incidents(cloud_database) == []


async def test_rows_that_the_pod_has_no_more_are_told_lost_and_the_audit_goes_on_behind(
    cloud_database: Database,
) -> None:
    rows = an_audit(30)
    hello = a_hello(rows, oldest=position(rows, 12))
    await said(cloud_database, ("pod-elm", hello), ("pod-elm", a_batch(rows, 13, 30)))
    assert held(cloud_database) == list(range(13, 31))
    assert incidents(cloud_database) == [("pod-elm", "gap", 1, 1, 1)]
    (told,) = await said(cloud_database, ("pod-elm", a_hello(rows, number=1)))
    assert ends(told) == [(1, 30)]


@pytest.mark.parametrize(("first", "last"), [(10, 10), (11, 15), (1, 30)], ids=["newest", "next", "whole"])
async def test_the_same_row_with_another_link_is_a_fork_that_stores_nothing_and_is_counted(
    cloud_database: Database, first: int, last: int
) -> None:
    await taken(cloud_database, an_audit(10))
    other = an_audit(30, word="restored")
    for _ in range(3):
        forked, *_, fine = await said(
            cloud_database,
            ("pod-elm", a_batch(other, first, last)),
            *an_upload(an_audit(5), pod="pod-oak"),
        )
        assert (ends(forked), forked.rows) == ([(1, 10)], 0)
        assert ends(fine) == [(1, 5)]
    assert held(cloud_database) == list(range(1, 11))
    assert incidents(cloud_database) == [("pod-elm", "fork", 1, first, 3)]


async def parted(database: Database, rows: Sequence[Row], *, session: str, line: int) -> Answered:
    """The answer at the end of the search for where this audit parts from what is held."""
    await said(database, ("pod-elm", a_hello(rows, session=session)))
    asked = [100]
    for _ in range(10):
        points = [(seq, rows[seq - 1].link if seq <= len(rows) else None) for seq in asked]
        (answered,) = await said(database, ("pod-elm", Points(session=session, line=line, points=points)))
        if not isinstance(answered.told, Probe):
            return answered
        asked = answered.told.seqs
    pytest.fail("the search came to no end")


def restored(rows: Sequence[Row], kept: int, *, word: str) -> list[Row]:
    """An audit that goes on differently behind a row, for 20 rows."""
    after = list(rows[:kept])
    for row in an_audit(kept + 20, word=word)[kept:]:
        after.append(replace(row, link=link_after(after[-1], row)))
    return after


async def test_an_audit_that_was_restored_goes_on_as_a_new_line_from_the_last_shared_row(
    cloud_database: Database,
) -> None:
    first = an_audit(100)
    await taken(cloud_database, first)
    second = restored(first, 40, word="second")
    answered = await parted(cloud_database, second, session="session-2", line=1)
    assert isinstance(answered.told, Ack)
    assert (answered.told.line, ends(answered)) == (2, [(1, 40)])
    batch = a_batch(second, 41, 60, session="session-2", line=2)
    (stored,) = await said(cloud_database, ("pod-elm", batch))
    assert (ends(stored), stored.rows) == ([(1, 60)], 20)
    # Once more, at a row that lies on the first line and is the second's, too.
    third = restored(second, 30, word="third")
    answered = await parted(cloud_database, third, session="session-3", line=2)
    assert isinstance(answered.told, Ack)
    assert (answered.told.line, ends(answered)) == (3, [(1, 30)])
    lines = "SELECT line, min(seq), max(seq), count(*) FROM platebridge.audit GROUP BY line ORDER BY line"
    assert cloud_database.run_as("postgres", lines) == [(1, 1, 100, 100), (2, 41, 60, 20)]
    assert incidents(cloud_database) == [("pod-elm", "fork", 1, 40, 1), ("pod-elm", "fork", 2, 30, 1)]


async def test_a_pod_that_parted_too_often_is_refused_in_words(cloud_database: Database) -> None:
    await taken(cloud_database, an_audit(3))
    cloud_database.run_as("postgres", "UPDATE platebridge.pod_cursor SET line = 100000")
    other = [(row.seq, row.link) for row in an_audit(3, word="restored")]
    (told,) = await said(cloud_database, ("pod-elm", Points(session="session-1", line=100000, points=other)))
    assert isinstance(told.told, Refused)
    assert "let a person look" in told.told.reason


async def test_a_pod_that_is_unknown_or_revoked_is_acknowledged_nothing(cloud_database: Database) -> None:
    await taken(cloud_database, an_audit(5))
    cloud_database.run_as("postgres", "UPDATE platebridge.pod SET revoked_at = now() WHERE id = 'pod-elm'")
    told = await said(
        cloud_database,
        ("pod-elm", a_batch(an_audit(9), 6, 9)),
        *an_upload(an_audit(5), pod="pod-nobody"),
    )
    assert [(one.told, one.rows) for one in told] == [(None, 0)] * 3
    assert held(cloud_database) == list(range(1, 6))
    assert held(cloud_database, "pod-nobody") == []


async def test_two_bridges_that_bring_the_same_rows_store_each_once(cloud_database: Database) -> None:
    audits = {"pod-elm": an_audit(200), "pod-oak": an_audit(200, word="oak")}
    await said(cloud_database, *((pod, a_hello(rows)) for pod, rows in audits.items()))

    async def bridge(pods: list[str], step: int) -> None:
        async with connect(cloud_database.dsn("a_bridge")) as conn:
            for first in range(1, 201, step):
                heard = [(pod, a_batch(audits[pod], first, min(200, first + step + 7))) for pod in pods]
                for answered in await take_in(conn, heard, now=NOW):
                    assert isinstance(answered.told, Ack)
                    for *_, seq, link in answered.told.spans:
                        assert link == position(audits[answered.pod], seq).link

    # In opposite order, as what waits for each other in a circle would.
    pods = ["pod-elm", "pod-oak"]
    await asyncio.gather(*(bridge(pods[:: 1 - 2 * (n % 2)], 10 + n) for n in range(4)))
    for pod in pods:
        assert held(cloud_database, pod) == list(range(1, 201))


async def test_a_bridge_that_dies_before_its_commit_leaves_nothing(cloud_database: Database) -> None:
    rows = an_audit(10)

    async def die() -> None:
        async with connect(cloud_database.dsn("a_bridge")) as dying, dying.transaction():
            await take_in(dying, an_upload(rows), now=NOW)
            cloud_database.run_as("postgres", f"SELECT pg_terminate_backend({dying.info.backend_pid}, 5000)")
            await dying.execute("SELECT 1")

    with pytest.raises(psycopg.OperationalError):
        await die()
    assert held(cloud_database) == []
    _, told = await said(cloud_database, *an_upload(rows))
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
    await taken(cloud_database, rows)
    assert cloud_database.run_as("postgres", "SELECT ts_us, at FROM platebridge.audit") == [(ts_us, NOW)]
    assert cloud_database.run_as("postgres", "SELECT count(*) FROM platebridge.audit_unplaced") == [(0,)]


async def test_late_rows_lie_in_the_month_they_tell_of(cloud_database: Database) -> None:
    weeks_ago = NOW - timedelta(days=70)
    await taken(cloud_database, an_audit(3, at=weeks_ago))
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
    await taken(cloud_database, rows)
    before = start - timedelta(seconds=1)
    found = cloud_database.run_as(
        "postgres", "SELECT tableoid::regclass::text FROM platebridge.audit ORDER BY seq"
    )
    assert found == [(f"platebridge.audit_{before:%Y_%m}",), (f"platebridge.audit_{start:%Y_%m}",)]


async def test_rows_that_no_month_was_made_for_are_told_of_and_find_their_place_later(
    cloud_database: Database,
) -> None:
    later = NOW + timedelta(days=200)
    await taken(cloud_database, an_audit(5, at=later), now=later)
    async with connect(cloud_database.dsn("a_bridge")) as conn:
        assert (await keep_months(conn)).unplaced == 5
    async with connect(cloud_database.dsn()) as conn:
        kept = await keep_months_as_of(conn, later)
    assert kept.unplaced == 0
    assert f"audit_{later:%Y_%m}" in kept.made
    assert held(cloud_database) == [1, 2, 3, 4, 5]
    await taken(cloud_database, an_audit(6, at=later), now=later)
    assert held(cloud_database) == [1, 2, 3, 4, 5, 6]


async def test_months_are_dropped_when_their_time_is_over_and_older_rows_still_count_as_held(
    cloud_database: Database,
) -> None:
    old, rows = NOW - timedelta(days=100), an_audit(5, at=NOW - timedelta(days=100))
    await taken(cloud_database, rows)
    async with connect(cloud_database.dsn()) as conn:
        await set_months_kept(conn, 1)
        kept = await keep_months(conn)
        again = await keep_months(conn)
    assert f"audit_{old:%Y_%m}" in kept.dropped
    assert (again.made, again.dropped) == ((), ())
    assert held(cloud_database) == []
    (told,) = await said(cloud_database, ("pod-elm", a_batch(rows, 1, 4)))
    assert (ends(told), told.rows) == ([(1, 5)], 0)


def test_the_bridge_cannot_choose_the_moment_by_which_months_are_dropped(cloud_database: Database) -> None:
    for sql in (
        "SELECT platebridge.audit_months_as_of('2099-01-01')",
        "UPDATE platebridge.store_setting SET keep_months = 1",
        "DROP TABLE platebridge.audit_unplaced",
        "TRUNCATE platebridge.audit",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cloud_database.run_as("a_bridge", sql)
