"""Whatever a POD sends, it is contained, noted for people, and felt by no other POD."""

import pytest
from cloud_database import Database
from dispatch_broker import Mosquitto
from dispatch_world import StandInPod, add, dispatching, receipt, until

from sync.cloud.dispatch import notes
from sync.mqtt import BrokerAddress, LinkBusyError, MqttLink, connect
from sync.protocol import topics
from sync.protocol.framing import Versions, unpack
from sync.protocol.lists import EMPTY
from sync.protocol.up import ListState, Receipt, WantList, encode_up

POD, TOPIC = "pod-elm", topics.up("pod-elm", "reply")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "INCIDENTS_EVERY_S", 0.1)


def hostile(mosquitto: Mosquitto):
    """A POD that speaks for itself."""
    return connect(BrokerAddress.parse(mosquitto.address), client_id="hostile")


def incidents(database: Database) -> list[tuple]:
    return database.run_as("a_dispatch", "SELECT pod, kind, reason FROM platebridge.incident ORDER BY id")


async def still_serves(database: Database, mosquitto: Mosquitto) -> None:
    """Another POD has its list as ever."""
    add(database, "fence", community="oak")
    other = StandInPod(database, "pod-oak")
    async with other.online(mosquitto.address):
        await until(lambda: other.plates == {"fence"})


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\1", id="a_header_that_is_cut_off"),
        pytest.param(b"\1\0" + b"\xff" * 100, id="garbage"),
        pytest.param(b"\1\1" + b"\xff" * 100, id="garbage_as_deflated"),
        pytest.param(b"\1\2" + b"\x05kid-1" + b"\0" * 90, id="a_signature_of_nobody"),
        pytest.param(b'\1\0{"t":"hello"}', id="a_message_of_another_channel"),
        pytest.param(b'\1\0{"t":"want_list","session":"s","number":-1}', id="a_field_out_of_its_bounds"),
        pytest.param(b"\1\0" + b"[" * 100_000, id="very_deep"),
        pytest.param(b"\1\0" + b"x" * 300_000, id="oversized"),
    ],
)
async def test_a_message_that_cannot_be_used_is_an_incident_and_nothing_else(
    cloud_database: Database, mosquitto: Mosquitto, frame: bytes
):
    async with dispatching(cloud_database, mosquitto.address) as dispatch, hostile(mosquitto) as link:
        link.publish(TOPIC, frame)
        await until(lambda: incidents(cloud_database))
        assert [one[:2] for one in incidents(cloud_database)] == [(POD, "poison")]
        assert dispatch.counters.dropped_bad == 1
        await still_serves(cloud_database, mosquitto)


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param(TOPIC.replace(topics.shard_of(POD), "s99"), id="a_shard_that_is_not_its_own"),
        pytest.param("v1/s01/POD/up/reply", id="no_id_of_a_pod"),
        pytest.param(topics.up("pod-nobody", "reply"), id="a_pod_that_was_never_issued"),
    ],
)
async def test_a_topic_of_nobody_changes_nothing(cloud_database: Database, mosquitto: Mosquitto, topic: str):
    pod = topic.split("/")[2]
    told = encode_up(Receipt(listed=EMPTY), pod=pod)
    want = encode_up(WantList(session="s", number=1, has=EMPTY), pod=pod)
    async with dispatching(cloud_database, mosquitto.address), hostile(mosquitto) as link:
        link.publish(topic, told)
        link.publish(topic, want)
        await still_serves(cloud_database, mosquitto)
        rows = cloud_database.run_as("a_dispatch", "SELECT pod FROM platebridge.receipt")
        assert {pod for (pod,) in rows} <= {"pod-oak"}


async def test_a_message_of_another_version_is_answered_with_those_spoken_here(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        assert pod.link is not None
        pod.link.publish(TOPIC, b"\7\0{}")
        await until(lambda: pod.side.cloud_speaks == (1,))
        assert unpack(pod.frames[0][1], pod=POD) == Versions((1,))


async def test_a_receipt_with_the_largest_numbers_is_noted(cloud_database: Database, mosquitto: Mosquitto):
    listed = ListState(version=2**53 - 1, digest=b"\xff" * 32)
    told = Receipt(listed=listed, refused_count=2**53 - 1)
    async with dispatching(cloud_database, mosquitto.address), hostile(mosquitto) as link:
        link.publish(TOPIC, encode_up(told, pod=POD))
        await until(lambda: receipt(cloud_database) == listed)


async def test_a_pod_that_asks_for_its_whole_list_without_end_is_made_to_wait(
    cloud_database: Database, mosquitto: Mosquitto
):
    add(cloud_database, "a")
    has = ListState(version=9, digest=b"\1" * 32)
    async with dispatching(cloud_database, mosquitto.address) as dispatch, hostile(mosquitto) as link:
        for number in range(1, 13):
            want = WantList(session="s", number=number, has=has)
            link.publish(TOPIC, encode_up(want, pod=POD))
            await until(lambda: dispatch.counters.chunks_told + dispatch.counters.dropped_full == number)  # noqa: B023  # awaited here
        assert dispatch.counters.chunks_told == 4
        await until(lambda: incidents(cloud_database))
        assert [one[:2] for one in incidents(cloud_database)] == [(POD, "flood")]
        await still_serves(cloud_database, mosquitto)


async def test_a_pod_that_floods_is_cut_to_its_pace_and_others_are_served(
    cloud_database: Database, mosquitto: Mosquitto
):
    async with dispatching(cloud_database, mosquitto.address) as dispatch, hostile(mosquitto) as link:
        flood(link, 3000)
        await still_serves(cloud_database, mosquitto)
        await until(lambda: dispatch.counters.dropped_flood > 1000)
        assert dispatch.counters.wants < 300
        await until(lambda: incidents(cloud_database))
        assert {one[:2] for one in incidents(cloud_database)} == {(POD, "flood")}


def flood(link: MqttLink, count: int) -> None:
    """As many questions as the connection takes."""
    for number in range(1, count + 1):
        try:
            link.publish(TOPIC, encode_up(WantList(session="s", number=number, has=EMPTY), pod=POD))
        except LinkBusyError:
            return
