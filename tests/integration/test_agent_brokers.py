"""The POD's agent among several brokers, over TLS and WebSocket, and where its cloud moves or dies."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agent_world import POD, QUICK, PodAround, an_identity, syncing
from mqtt_world import Broker, NoBroker, a_broker, free_port, listens
from stand_in_cloud import StandInCloud, until

from sync.agent.agent import Agent
from sync.agent.identity_files import Identity
from sync.agent.pod_jwt import mint
from sync.mqtt import link as link_module
from sync.protocol.homes import Home, Homes


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with a_broker(tmp_path_factory.mktemp("near")) as running:
        yield running


@pytest.fixture(scope="module")
def far(near: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with a_broker(tmp_path_factory.mktemp("far"), near.authority) as running:
        yield running


def certified(folder: Path, broker: Broker, *addresses: str) -> Identity:
    """A POD with a certificate of this broker's authority."""
    files = broker.pod_files(POD)
    assert files.ca is not None
    assert files.certificate is not None
    assert files.key is not None
    return replace(
        an_identity(folder, *addresses),
        ca_path=files.ca,
        certificate_path=files.certificate,
        key_path=files.key,
    )


def agent_of(pod: PodAround) -> Agent:
    assert pod.agent is not None
    return pod.agent


def welcomed_by(pod: PodAround, broker: str) -> Callable[[], bool]:
    return lambda: agent_of(pod).state.phase == "welcomed" and agent_of(pod).state.broker == broker


def ordered(monkeypatch: pytest.MonkeyPatch, *brokers: str) -> None:
    """Have round trips come out in this order."""

    async def told(addresses: list[object]) -> dict[object, float]:
        return {one: float(brokers.index(str(one))) for one in addresses}

    monkeypatch.setattr("sync.agent.agent.round_trips_s", told)


def test_a_pod_whose_broker_dies_goes_on_at_another_and_returns(
    near: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "own").mkdir()
    with (
        a_broker(tmp_path / "own") as dying,
        StandInCloud(near.plain, POD) as second,
        syncing(tmp_path, dying.plain, near.plain, timing=replace(QUICK, nearer_s=0.5, silent_s=60)) as pod,
    ):
        ordered(monkeypatch, dying.plain, near.plain)
        with StandInCloud(dying.plain, POD) as first:
            second.disk = first.disk
            pod.append(2)
            until(welcomed_by(pod, dying.plain))
            until(lambda: len(first.rows) == len(pod.disk.audit))
        dying.kill()
        until(welcomed_by(pod, near.plain))
        pod.append(2)
        until(lambda: len(second.rows) == len(pod.disk.audit))
        dying.start()
        with StandInCloud(dying.plain, POD) as first:
            first.disk = second.disk
            until(welcomed_by(pod, dying.plain))
            pod.append(1)
            until(lambda: len(first.rows) == len(pod.disk.audit))
        assert pod.faults == []


def test_a_broker_that_nobody_listens_at_is_passed_over(near: Broker, tmp_path: Path):
    dead = f"mqtt://127.0.0.1:{free_port()}"
    with StandInCloud(near.plain, POD), syncing(tmp_path, dead, near.plain) as pod:
        until(welcomed_by(pod, near.plain))
        assert dead not in {state.broker for state in pod.states}


def test_a_broker_that_takes_connections_and_says_nothing_keeps_no_pod(
    near: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT_S", 0.1)
    with NoBroker(listens) as mute, StandInCloud(near.plain, POD):
        dumb = f"mqtt://127.0.0.1:{mute.port}"
        ordered(monkeypatch, dumb, near.plain)
        with syncing(tmp_path, dumb, near.plain) as pod:
            until(welcomed_by(pod, near.plain))
            assert any("does not answer" in state.trouble for state in pod.states)


def test_a_broker_without_its_cloud_is_left_for_one_with_it(
    near: Broker, far: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ordered(monkeypatch, far.plain, near.plain)
    with StandInCloud(near.plain, POD), syncing(tmp_path, far.plain, near.plain) as pod:
        until(lambda: any("the cloud behind it does not answer" in one.trouble for one in pod.states))
        until(welcomed_by(pod, near.plain))


def test_a_pod_that_is_told_to_move_keeps_the_old_home_until_the_new_one_welcomes_it(
    near: Broker, far: Broker, tmp_path: Path
):
    timing = replace(QUICK, nearer_s=0.5)
    identity = certified(tmp_path, near, near.tls)
    with StandInCloud(near.plain, POD) as old, syncing(tmp_path, identity=identity, timing=timing) as pod:
        until(welcomed_by(pod, near.tls))
        old.rehome(1, [far.tls])
        moved = Home("https://new.example", (far.tls,))
        until(lambda: pod.homes.next == moved)
        until(lambda: any(far.tls in one.trouble and "does not answer" in one.trouble for one in pod.states))
        until(welcomed_by(pod, near.tls))  # nobody is there yet, and the old one is still good
        assert pod.homes == Homes(Home("https://old.example", (near.tls,)), moved, 1)
        with StandInCloud(far.plain, POD) as new:
            new.disk = old.disk
            until(welcomed_by(pod, far.tls))
            assert pod.homes == Homes(moved, None, 1)
            new.rehome(1, [near.tls])  # played back
            new.put("e1", "{}")
            until(lambda: pod.disk.entries)
            assert pod.homes == Homes(moved, None, 1)


def test_a_move_whose_address_no_pod_can_use_leaves_it_where_it_is(near: Broker, tmp_path: Path):
    with StandInCloud(near.plain, POD) as cloud, syncing(tmp_path, near.plain) as pod:
        until(welcomed_by(pod, near.plain))
        cloud.rehome(1, ["mqtts://hub.example:99999"])
        until(lambda: any("is no broker's address" in str(one) for one in pod.faults))
        until(welcomed_by(pod, near.plain))
        assert pod.homes.current.brokers == (near.plain,)


def _runs_for_ever(folder: Path, broker: str) -> None:
    with syncing(folder, broker):
        signal.pause()


def test_the_broker_tells_of_a_pod_that_was_killed(near: Broker, tmp_path: Path):
    with StandInCloud(near.plain, POD) as cloud:
        process = multiprocessing.get_context("spawn").Process(
            target=_runs_for_ever, args=(tmp_path, near.plain)
        )
        process.start()
        try:
            until(lambda: cloud.presence is not None and cloud.presence.online, timeout_s=30)
        finally:
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
        until(lambda: cloud.presence is not None and not cloud.presence.online)


def test_a_pod_syncs_over_tls_with_its_certificate(near: Broker, tmp_path: Path):
    with StandInCloud(near.plain, POD) as cloud:
        identity = certified(tmp_path, near, near.tls)
        with syncing(tmp_path, identity=identity) as pod:
            pod.append(2)
            until(lambda: len(cloud.rows) == len(pod.disk.audit))
            assert agent_of(pod).state.broker == near.tls


def test_a_broker_that_takes_no_token_is_shown_the_api_key_and_that_is_counted(near: Broker, tmp_path: Path):
    near.let_in(POD, "key")
    identity = certified(tmp_path, near, near.web)
    with StandInCloud(near.plain, POD), syncing(tmp_path, identity=identity) as pod:
        until(welcomed_by(pod, near.web))
        assert any("refuses this client" in state.trouble for state in pod.states)
        assert agent_of(pod).figures.by_api_key == 1
        assert agent_of(pod).figures.connections == 1


def test_a_broker_that_takes_tokens_is_shown_no_api_key(
    near: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    identity = certified(tmp_path, near, near.web)
    tokens = []

    def note(*given: object, **more: object) -> str:
        tokens.append(mint(*given, **more))  # type: ignore[arg-type]  # as given
        near.let_in(POD, tokens[-1])
        return tokens[-1]

    monkeypatch.setattr("sync.agent.credentials.mint", note)
    with StandInCloud(near.plain, POD), syncing(tmp_path, identity=identity) as pod:
        until(welcomed_by(pod, near.web))
        assert agent_of(pod).figures.by_api_key == 0
