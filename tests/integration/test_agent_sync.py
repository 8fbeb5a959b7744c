"""The POD's agent over a real mosquitto, with a cloud made of the protocol's own half."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_world import POD, PodAround, syncing
from dispatch_broker import Mosquitto, a_mosquitto
from stand_in_cloud import StandInCloud, until

from sync.agent.agent import Agent
from sync.protocol import topics


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with a_mosquitto(tmp_path_factory.mktemp("agent-broker")) as running:
        yield running


def is_equal(pod: PodAround, cloud: StandInCloud) -> bool:
    return [row.link for row in cloud.rows] == [row.link for row in pod.disk.audit]


def agent_of(pod: PodAround) -> Agent:
    assert pod.agent is not None
    return pod.agent


def test_rows_made_before_and_after_the_connection_reach_the_cloud_once_the_older_as_history(
    broker: Mosquitto, tmp_path: Path
):
    with StandInCloud(broker.address, POD) as cloud, syncing(tmp_path, broker.address) as pod:
        pod.append(3)
        until(lambda: pod.states and pod.states[-1].phase == "welcomed")
        until(lambda: is_equal(pod, cloud))
        before = len(pod.disk.audit)
        cloud.news.clear()
        pod.append(2)
        until(lambda: is_equal(pod, cloud))
        assert cloud.news == [before + 1, before + 2]
        assert pod.faults == []


def test_rows_made_while_the_broker_was_away_replay_as_history(tmp_path: Path):
    with a_mosquitto(tmp_path) as broker, syncing(tmp_path, broker.address) as pod:
        with StandInCloud(broker.address, POD) as cloud:
            until(lambda: agent_of(pod).state.phase == "welcomed")
            disk = cloud.disk
        broker.kill()
        until(lambda: pod.states[-1].trouble)
        pod.append(5)
        broker.start()
        with StandInCloud(broker.address, POD) as cloud:
            cloud.disk = disk
            until(lambda: is_equal(pod, cloud))
            assert cloud.news == []


def test_a_list_is_followed_and_its_newest_state_confirmed(broker: Mosquitto, tmp_path: Path):
    with StandInCloud(broker.address, POD) as cloud, syncing(tmp_path, broker.address) as pod:
        until(lambda: pod.listed_s)
        cloud.put("e1", "{}")
        until(lambda: pod.disk.entries == {"e1": "{}"})
        cloud.put("e1", None)
        until(lambda: pod.disk.entries == {})
        until(lambda: len(cloud.receipts) == 2)


def test_a_command_runs_once_however_often_it_comes(broker: Mosquitto, tmp_path: Path):
    with StandInCloud(broker.address, POD) as cloud, syncing(tmp_path, broker.address) as pod:
        until(lambda: pod.listed_s)
        pod.stall.clear()
        command = cloud.command()
        for _ in range(5):
            cloud.send(command)
        pod.stall.set()
        until(lambda: cloud.answers)
        cloud.send(command)
        until(lambda: len(cloud.answers) >= 2)  # a copy may have come after the first answer
        assert pod.done == [command.id]


def test_a_retained_command_is_ignored_and_not_even_answered(broker: Mosquitto, tmp_path: Path):
    def retained(pod: PodAround) -> None:
        cloud.command(session=agent_of(pod).session, retain=True)

    with StandInCloud(broker.address, POD) as cloud:
        try:
            with syncing(tmp_path, broker.address, before=retained) as pod:
                until(lambda: pod.listed_s)
                asked = cloud.command()
                until(lambda: [answer.id for answer in cloud.answers] == [asked.id])
                assert pod.done == [asked.id]
                assert pod.disk.spent.keys() == {asked.id}
                assert agent_of(pod).figures.retained == 1
        finally:
            cloud.send_bytes(topics.down(POD, "cmd"), b"", retain=True)


def test_presence_tells_of_a_pod_that_ends_and_of_one_that_is_here(broker: Mosquitto, tmp_path: Path):
    with StandInCloud(broker.address, POD) as cloud:
        with syncing(tmp_path, broker.address):
            until(lambda: cloud.presence is not None and cloud.presence.online)
            until(lambda: cloud.healths)
        until(lambda: cloud.presence is not None and not cloud.presence.online)
