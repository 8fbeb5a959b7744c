"""A change of the cloud's list is in force on a POD within two seconds, whatever was missed before."""

import asyncio
import contextlib
import time

import psycopg
import pytest
from cloud_database import Database
from dispatch_broker import Mosquitto
from dispatch_world import StandInPod, add, dispatching, receipt, remove, until

from sync.cloud.dispatch import list_desk, notes
from sync.protocol.lists import digest_of_list
from sync.protocol.up import ListState
from sync_drill.disks import PodDisk


def many(database: Database, count: int, *, community: str = "elm") -> None:
    """Put many entries on a list at once."""
    database.run_as(
        "a_api",
        "INSERT INTO platebridge.entry (community, id, key, plate, verdict, type) "
        f"SELECT '{community}', 'n' || n, 'AB1', 'AB1', 'allow', 'resident' "
        f"FROM generate_series(1, {count}) AS n",
        tenant=community,
    )


async def test_an_entry_of_the_portal_is_in_force_on_a_pod_within_two_seconds(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        add(cloud_database, "a")
        added_s = time.monotonic()
        await until(lambda: pod.plates == {"a"})
        assert time.monotonic() - added_s < 2
        await until(lambda: receipt(cloud_database) == pod.newest())
        remove(cloud_database, "a")
        add(cloud_database, "b", "c")
        await until(lambda: pod.plates == {"b", "c"})
        assert [channel for channel, _ in pod.frames] == ["list"] * len(pod.frames)
        assert pod.side.replica.spoiled == 0


async def test_more_changes_than_a_delta_holds_arrive_as_a_whole_list_within_two_seconds(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address) as dispatch, pod.online(mosquitto.address):
        many(cloud_database, 1001)
        added_s = time.monotonic()
        await until(lambda: len(pod.plates) == 1001)
        assert time.monotonic() - added_s < 2
        assert dispatch.counters.chunks_told == 3


async def test_pods_get_what_is_enabled_and_of_their_own_community_alone(
    cloud_database: Database, mosquitto: Mosquitto
):
    elm, oak = StandInPod(cloud_database), StandInPod(cloud_database, "pod-oak")
    add(cloud_database, "off", "on", "local")
    cloud_database.run_as(
        "a_api", "UPDATE platebridge.entry SET enabled = false WHERE id = 'off'", tenant="elm"
    )
    cloud_database.run_as(
        "a_api",
        "UPDATE platebridge.entry SET owner = 'pod', pod = 'pod-elm' WHERE id = 'local'",
        tenant="elm",
    )
    add(cloud_database, "theirs", community="oak")
    async with (
        dispatching(cloud_database, mosquitto.address),
        elm.online(mosquitto.address),
        oak.online(mosquitto.address),
    ):
        await until(lambda: elm.plates == {"on"} and oak.plates == {"theirs"})
        cloud_database.run_as("a_api", "UPDATE platebridge.entry SET enabled = true", tenant="elm")
        await until(lambda: elm.plates == {"off", "on"})
        cloud_database.run_as("a_api", "UPDATE platebridge.entry SET enabled = false", tenant="elm")
        await until(lambda: elm.plates == set())
        assert oak.plates == {"theirs"}


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(ListState(version=1, digest=b"\1" * 32), id="a_version_with_another_digest"),
        pytest.param(ListState(version=900, digest=b"\1" * 32), id="a_newer_list_than_the_restored_database"),
        pytest.param(ListState(version=0, digest=b"\1" * 32), id="a_list_that_nobody_made"),
    ],
)
async def test_a_pod_with_a_list_that_the_database_does_not_know_gets_the_whole_one(
    cloud_database: Database, mosquitto: Mosquitto, listed: ListState
):
    add(cloud_database, "a")
    add(cloud_database, "b")
    pod = StandInPod(cloud_database, disk=PodDisk(entries={"stale": "{}"}, listed=listed))
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: pod.plates == {"a", "b"})
        assert pod.disk.listed == pod.newest()


async def test_a_pod_whose_list_is_forgotten_gets_the_whole_one(
    cloud_database: Database, mosquitto: Mosquitto
):
    add(cloud_database, "a", "b")
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: receipt(cloud_database) == pod.newest())
    remove(cloud_database, "a")
    cloud_database.run_as(
        "postgres", "DELETE FROM platebridge.list_version; DELETE FROM platebridge.entry_gone"
    )
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: pod.plates == {"b"})


async def test_a_database_that_was_restored_is_followed_back_and_on(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    tables = ("list_state", "list_version", "entry", "entry_gone", "receipt")
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        add(cloud_database, "a")
        await until(lambda: receipt(cloud_database) == pod.newest())
        cloud_database.run_as(
            "postgres", "".join(f"CREATE TABLE kept_{t} AS TABLE platebridge.{t};" for t in tables)
        )
        add(cloud_database, "forgotten")
        await until(lambda: "forgotten" in pod.plates)
    cloud_database.run_as(
        "postgres",
        "SET session_replication_role = replica;"
        + "".join(f"TRUNCATE platebridge.{t}; INSERT INTO platebridge.{t} TABLE kept_{t};" for t in tables),
    )
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: pod.plates == {"a"})
        assert pod.disk.went_back == 1
        add(cloud_database, "next")
        await until(lambda: pod.plates == {"a", "next"})


async def test_a_change_told_to_nobody_is_found_when_listening_comes_back(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address) as dispatch, pod.online(mosquitto.address):
        add(cloud_database, "a")
        await until(lambda: pod.plates == {"a"})
        # Every connection of the service dies, the listening one too, and the change is made right then.
        cloud_database.run_as(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'a_dispatch' "
            "AND datname = current_database()",
        )
        add(cloud_database, "b")
        await until(lambda: pod.plates == {"a", "b"})
        await dispatch.ready.wait()


async def test_a_change_that_nobody_told_of_is_found_by_looking(
    cloud_database: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(list_desk, "LOOK_EVERY_S", 0.3)
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        add(cloud_database, "a")
        await until(lambda: receipt(cloud_database) == pod.newest())
        conninfo = cloud_database.dsn().conninfo
        with psycopg.connect(conninfo) as conn:  # a lost notification: the function tells nobody for once
            conn.execute(
                "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'; "
                "ALTER FUNCTION platebridge.list_moves() SET search_path = public, pg_catalog"
            )
        add(cloud_database, "b")
        await until(lambda: pod.plates == {"a", "b"})


async def test_a_lost_delta_is_told_again(
    cloud_database: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(list_desk, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(list_desk, "AGAIN_S", 0.2)
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address) as dispatch:
        add(cloud_database, "a")
        await until(lambda: dispatch.counters.deltas_told)
        async with pod.online(mosquitto.address, greets=False):
            await until(lambda: pod.plates == {"a"})


async def test_a_broker_that_was_gone_brings_what_changed_meanwhile(
    cloud_database: Database, own_mosquitto: Mosquitto
):
    broker, pod = own_mosquitto, StandInPod(cloud_database)
    async with dispatching(cloud_database, broker.address) as dispatch:
        broker.kill()
        await until(lambda: not dispatch.ready.is_set())
        add(cloud_database, "a")
        broker.start()
        await until(dispatch.ready.is_set)
        async with pod.online(broker.address):
            await until(lambda: pod.plates == {"a"})


async def test_what_changed_while_the_broker_was_out_of_reach_is_told_once_it_is_back(
    cloud_database: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(list_desk, "LOOK_EVERY_S", 600)
    pod, writers = StandInPod(cloud_database), set()
    is_open = True

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_open:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", mosquitto.port)
            writers.update((writer, up_writer))
            with contextlib.suppress(OSError):
                await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
        writer.close()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(between, "127.0.0.1", 0) as proxy:
        address = f"mqtt://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with (
            dispatching(cloud_database, address) as dispatch,
            pod.online(mosquitto.address, greets=False),
        ):
            is_open = False
            for writer in writers:
                writer.close()
            await until(lambda: not dispatch.ready.is_set())
            add(cloud_database, "a")
            query = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'a_dispatch' AND state = 'active'"
            await until(lambda: cloud_database.run_as("postgres", query) == [(0,)])
            is_open = True
            await until(lambda: pod.plates == {"a"})


async def test_two_workers_share_the_pods_and_one_takes_over_from_the_other(
    cloud_database: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(list_desk, "LOOK_EVERY_S", 600)
    for n in range(6):
        cloud_database.run_as(
            "postgres",
            "INSERT INTO platebridge.pod (id, community, site, name) "
            f"VALUES ('pod-elm-{n}', 'elm', 'north', 'Elm {n}')",
        )
    pods = [StandInPod(cloud_database, f"pod-elm-{n}") for n in range(6)]
    async with asyncio.TaskGroup() as tasks:
        stop = asyncio.Event()

        async def stay(pod: StandInPod) -> None:
            async with pod.online(mosquitto.address):
                await stop.wait()

        async with dispatching(cloud_database, mosquitto.address) as first:
            for pod in pods:
                tasks.create_task(stay(pod))
            async with dispatching(cloud_database, mosquitto.address) as second:
                await until(lambda: first.counters.shards_owned == second.counters.shards_owned == 32)
                add(cloud_database, "a")
                await until(lambda: all(pod.plates == {"a"} for pod in pods))
                assert first.counters.deltas_told > 0
                assert second.counters.deltas_told > 0
                assert all(len(pod.frames) == 1 for pod in pods)
                both = (first, second)  # each hears of every POD, and notes what its own say
                await until(lambda: sum(one.counters.dropped_not_ours for one in both) >= 6)
                await until(lambda: sum(one.counters.receipts for one in both) >= 6)
                assert sum(one.counters.receipts for one in both) == 6
            gone_s = time.monotonic()
            add(cloud_database, "b")
            await until(lambda: all(pod.plates == {"a", "b"} for pod in pods))
            assert time.monotonic() - gone_s < 5
        stop.set()


async def test_a_revoked_pod_is_told_nothing_and_answered_nothing(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod, other = StandInPod(cloud_database), StandInPod(cloud_database, "pod-oak")
    async with (
        dispatching(cloud_database, mosquitto.address) as dispatch,
        pod.online(mosquitto.address),
        other.online(mosquitto.address),
    ):
        cloud_database.run_as(
            "a_api", "UPDATE platebridge.pod SET revoked_at = now() WHERE id = 'pod-elm'", tenant="elm"
        )
        add(cloud_database, "a")
        pod.greet()
        add(cloud_database, "a", community="oak")
        await until(lambda: other.plates == {"a"} and dispatch.counters.dropped_full == 1)
        assert dispatch.counters.wants == 1
        assert pod.frames == []
        assert receipt(cloud_database) is None


async def test_a_list_larger_than_a_pod_takes_is_an_incident_and_the_pod_keeps_what_it_has(
    cloud_database: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notes, "INCIDENTS_EVERY_S", 0.2)
    pod = StandInPod(cloud_database)
    add(cloud_database, "a")
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: receipt(cloud_database) == pod.newest())
        with psycopg.connect(cloud_database.dsn().conninfo) as conn:  # past the triggers that refuse it
            conn.execute("SET session_replication_role = replica")
            conn.execute(
                "INSERT INTO platebridge.entry "
                "(community, id, key, plate, verdict, type, document, hash, version) "
                "SELECT 'elm', 'x' || n, 'A', 'A', 'allow', 'staff', '{}', '\\x00', 2 "
                "FROM generate_series(1, 100000) AS n"
            )
            conn.execute(
                "UPDATE platebridge.list_state SET version = 2, entries = 100001 WHERE community = 'elm'"
            )
        pod.greet()
        query = "SELECT kind, reason FROM platebridge.incident"
        await until(lambda: cloud_database.run_as("a_dispatch", query))
        [(kind, reason)] = cloud_database.run_as("a_dispatch", query)
        assert kind == "list"
        assert "100001 entries: a POD takes 100000" in reason
        assert pod.plates == {"a"}


async def test_what_a_pod_refuses_is_noted_with_its_reason(cloud_database: Database, mosquitto: Mosquitto):
    class Refusing(PodDisk):
        def change(self, put, gone, to):
            super().change(put, gone, to)
            return {"a": "no\0such gate"}

    pod = StandInPod(cloud_database, disk=Refusing())
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        add(cloud_database, "a", "b")
        await until(lambda: receipt(cloud_database) == pod.newest())
    noted = cloud_database.run_as("a_dispatch", "SELECT refused_count, refused FROM platebridge.receipt")
    assert noted == [(1, [{"id": "a", "reason": "no\N{REPLACEMENT CHARACTER}such gate"}])]
    assert digest_of_list(pod.disk.entries.items()) == pod.newest().digest
