"""The bridge between a real broker and a real database: every row once, whatever PODs and workers do."""

import asyncio

import pytest
from bridge_world import UploadingPod, a_worker, bridging, kill
from cloud_database import Database
from dispatch_broker import Mosquitto
from dispatch_world import until

from sync.mqtt import BrokerAddress, MqttLink, connect
from sync.protocol import topics
from sync.protocol.framing import VERSION, pack
from sync.protocol.health import Health, Presence
from sync.protocol.up import encode_up


def held(database: Database, pod: str = "pod-elm") -> list[int]:
    query = f"SELECT seq FROM platebridge.audit WHERE pod = '{pod}' ORDER BY seq"
    return [n for (n,) in database.run_as("postgres", query)]


def incidents(database: Database) -> list[tuple]:
    return database.run_as("postgres", "SELECT pod, kind, times FROM platebridge.incident ORDER BY pod, kind")


def every_row(pod: UploadingPod) -> list[int]:
    return list(range(1, len(pod.disk.audit) + 1))


async def test_an_audit_is_stored_whole_and_in_order_and_confirmed_by_a_signed_answer(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    pod = UploadingPod()
    pod.decide(700)
    async with bridging(cloud_database, mosquitto.address) as bridge, pod.online(mosquitto.address):
        await until(lambda: held(cloud_database) == every_row(pod))
        pod.decide(3)
        await until(lambda: held(cloud_database) == every_row(pod))
        await until(lambda: bridge.counters.rows_stored == 703)
        assert pod.welcomes >= 1
        assert pod.side.dropped == 0, pod.side.last_fault
    async with bridging(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: pod.is_through)


async def test_a_worker_that_is_killed_is_replaced_within_seconds_and_nothing_is_lost(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    pods = [UploadingPod("pod-elm"), UploadingPod("pod-oak")]
    async with pods[0].online(mosquitto.address), pods[1].online(mosquitto.address):
        with a_worker(cloud_database, mosquitto.address) as first:
            with a_worker(cloud_database, mosquitto.address) as second:
                for _ in range(10):
                    for pod in pods:
                        pod.decide(50)
                    await asyncio.sleep(0.02)
                kill(first)
                for pod in pods:
                    pod.decide(50)
                for pod in pods:
                    await until(lambda pod=pod: held(cloud_database, pod.pod) == every_row(pod), 30)
                kill(second)
            for pod in pods:
                pod.decide(50)
            with a_worker(cloud_database, mosquitto.address):
                for pod in pods:
                    await until(lambda pod=pod: held(cloud_database, pod.pod) == every_row(pod), 30)
    assert [len(pod.disk.audit) for pod in pods] == [600, 600]


async def test_two_workers_share_the_pods_out(cloud_database: Database, mosquitto: Mosquitto) -> None:
    async with (
        bridging(cloud_database, mosquitto.address) as one,
        bridging(cloud_database, mosquitto.address) as other,
    ):
        await until(lambda: one.counters.shards_owned == other.counters.shards_owned == 32)


async def test_a_database_that_goes_away_holds_up_nothing_and_loses_nothing(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    pod = UploadingPod()
    async with bridging(cloud_database, mosquitto.address) as bridge, pod.online(mosquitto.address):
        pod.decide(20)
        await until(lambda: held(cloud_database) == every_row(pod))
        cloud_database.run_as(
            "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'a_bridge'"
        )
        pod.decide(20)
        await until(lambda: held(cloud_database) == every_row(pod))
        assert bridge.ready.is_set()


async def test_a_database_put_back_to_an_older_state_is_sent_what_it_forgot(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    pod = UploadingPod()
    pod.decide(30)
    async with bridging(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: held(cloud_database) == every_row(pod))
    ten = pod.disk.audit[9]
    cloud_database.run_as(
        "postgres",
        "DELETE FROM platebridge.audit WHERE seq > 10; "
        f"UPDATE platebridge.pod_cursor SET seq = 10, head = '\\x{ten.link.hex()}'",
    )
    async with bridging(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: held(cloud_database) == every_row(pod))


async def test_a_broker_that_is_killed_is_come_back_to(
    cloud_database: Database, own_mosquitto: Mosquitto
) -> None:
    pod = UploadingPod()
    async with bridging(cloud_database, own_mosquitto.address) as bridge:
        own_mosquitto.kill()
        await until(lambda: not bridge.ready.is_set())
        own_mosquitto.start()
        async with pod.online(own_mosquitto.address):
            pod.decide(20)
            await until(lambda: held(cloud_database) == every_row(pod), 30)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00garbage", id="garbage"),
        pytest.param(b"\x01\x01" + b"\xff" * 50, id="not-deflated"),
        pytest.param(bytes([VERSION, 0]) + b"[" * 20_000, id="deep-json"),
        pytest.param(b"\x01\x00" + b"x" * 2_000_000, id="oversized"),
    ],
)
async def test_a_message_that_nobody_can_use_is_quarantined_and_holds_up_nothing(
    cloud_database: Database, mosquitto: Mosquitto, payload: bytes
) -> None:
    pod = UploadingPod()
    async with bridging(cloud_database, mosquitto.address) as bridge, pod.online(mosquitto.address) as link:
        link.publish(topics.up("pod-elm", "audit"), payload)
        pod.decide(5)
        await until(lambda: held(cloud_database) == every_row(pod))
        await until(lambda: incidents(cloud_database) == [("pod-elm", "poison", 1)])
        assert bridge.counters.dropped_bad == 1
    found = cloud_database.run_as("postgres", "SELECT sample, reason FROM platebridge.incident")
    assert found[0][0] == payload[:4096]
    assert found[0][1]


async def test_a_message_of_an_unknown_version_is_answered_with_those_that_are_known(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    pod = UploadingPod()
    async with bridging(cloud_database, mosquitto.address), pod.online(mosquitto.address) as link:
        link.publish(topics.up("pod-elm", "audit"), b"\x63\x00{}")
        await until(lambda: pod.side.cloud_speaks == (VERSION,))


async def test_messages_under_other_names_and_shards_are_dropped_and_counted(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    pod = UploadingPod("pod-oak")
    frame = pack(b'{"t":"hello"}', pod="pod-oak")
    async with bridging(cloud_database, mosquitto.address) as bridge, pod.online(mosquitto.address) as link:
        link.publish("v1/s99/pod-oak/up/audit", frame)
        link.publish("v1/s00/POD/up/audit", frame)
        link.publish(topics.up("pod-oak", "health"), frame)
        await until(lambda: bridge.counters.dropped_bad == 3)
        pod.decide(2)
        await until(lambda: held(cloud_database, "pod-oak") == [1, 2])
        await until(lambda: incidents(cloud_database) == [("pod-oak", "poison", 1)])


async def test_a_pod_that_floods_is_held_back_and_the_others_are_served(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    calm = UploadingPod("pod-oak")
    async with (
        bridging(cloud_database, mosquitto.address) as bridge,
        calm.online(mosquitto.address),
        connect(BrokerAddress.parse(mosquitto.address), client_id="pod-elm") as link,
    ):
        told = encode_up(Presence(session="s", online=True), pod="pod-elm")
        for _ in range(1500):
            link.publish(topics.up("pod-elm", "presence"), told)
        calm.decide(40)
        await until(lambda: held(cloud_database, "pod-oak") == every_row(calm))
        await until(lambda: bridge.counters.dropped_flood >= 500)
        await until(lambda: ("pod-elm", "flood") in [(p, k) for p, k, _ in incidents(cloud_database)])


async def test_a_revoked_pod_is_ignored_at_once(cloud_database: Database, mosquitto: Mosquitto) -> None:
    pod = UploadingPod()
    async with bridging(cloud_database, mosquitto.address) as bridge, pod.online(mosquitto.address):
        pod.decide(5)
        await until(lambda: held(cloud_database) == every_row(pod))
        cloud_database.run_as(
            "postgres", "UPDATE platebridge.pod SET revoked_at = now() WHERE id = 'pod-elm'"
        )
        begun = bridge.counters.transactions
        pod.decide(5)
        await until(lambda: bridge.counters.transactions > begun)  # it may have begun before
        answers, transactions = bridge.counters.answers, bridge.counters.transactions
        pod.decide(5)
        await until(lambda: bridge.counters.transactions > transactions)
        assert bridge.counters.answers == answers
    assert held(cloud_database) == [1, 2, 3, 4, 5]


async def test_what_a_pod_says_of_itself_is_there_to_be_seen(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    health = Health(
        session="s1",
        versions={"platebridge": "1.2.3"},
        cameras=[],
        detections_per_hour=3.5,
        unread_approaches=1,
        backlog_rows=7,
        disk_free_bytes=10,
        disk_used=0.5,
        temperature_c=None,
        clock_doubt="",
        list_age_s=1.0,
        tailscale_state="",
        tailscale_ip="",
    )

    def seen() -> list[tuple]:
        query = "SELECT pod, health->>'backlog_rows', online, session FROM platebridge.pod_health"
        return cloud_database.run_as("a_api", query, tenant="elm")

    async with (
        bridging(cloud_database, mosquitto.address),
        connect(BrokerAddress.parse(mosquitto.address), client_id="pod-elm") as link,
    ):
        link.publish(topics.up("pod-elm", "health"), encode_up(health, pod="pod-elm"))
        await until(lambda: seen() == [("pod-elm", "7", False, "")])
        for session, online in (("s1", True), ("s2", True), ("s1", False)):
            told = encode_up(Presence(session=session, online=online), pod="pod-elm")
            link.publish(topics.up("pod-elm", "presence"), told)
        await until(lambda: seen() == [("pod-elm", "7", True, "s2")])
        gone = encode_up(Presence(session="s2", online=False), pod="pod-elm")
        link.publish(topics.up("pod-elm", "presence"), gone)
        await until(lambda: seen() == [("pod-elm", "7", False, "s2")])
    assert cloud_database.run_as("a_api", "SELECT * FROM platebridge.pod_health", tenant="oak") == []


async def test_a_late_will_says_nothing_of_a_newer_connection_though_the_bridge_is_new(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    def say(link: MqttLink, session: str, *, online: bool) -> None:
        told = encode_up(Presence(session=session, online=online), pod="pod-elm")
        link.publish(topics.up("pod-elm", "presence"), told)

    def seen() -> list[tuple]:
        return cloud_database.run_as("postgres", "SELECT session, online FROM platebridge.pod_health")

    async with connect(BrokerAddress.parse(mosquitto.address), client_id="pod-elm") as link:
        async with bridging(cloud_database, mosquitto.address):
            say(link, "s2", online=True)
            await until(lambda: seen() == [("s2", True)])
        async with bridging(cloud_database, mosquitto.address) as bridge:
            say(link, "s1", online=False)
            await until(lambda: bridge.counters.states == 1)
            assert seen() == [("s2", True)]


async def test_each_start_notes_where_audits_stand_and_makes_the_statistics_anew(
    cloud_database: Database, mosquitto: Mosquitto
) -> None:
    pod = UploadingPod()
    pod.decide(12)
    async with bridging(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        await until(lambda: held(cloud_database) == every_row(pod))
    checkpoints = "SELECT pod, line, seq, link FROM platebridge.audit_checkpoint"
    statistics = "SELECT kind, rows FROM platebridge.rows_by_day"
    async with bridging(cloud_database, mosquitto.address):
        await until(lambda: cloud_database.run_as("a_api", statistics, tenant="elm") == [("decision", 12)])
    link = pod.disk.audit[-1].link
    assert cloud_database.run_as("postgres", checkpoints) == [("pod-elm", 1, 12, link)]
    changed = "UPDATE platebridge.audit_checkpoint SET seq = 1"
    with pytest.raises(Exception, match="permission denied"):
        cloud_database.run_as("a_bridge", changed)
