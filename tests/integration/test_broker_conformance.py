"""A hostile POD tries everything against both real brokers, as they are shipped."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from broker_world import ELM, LONG_AGO, OAK, World, mosquitto_world, nats_world, until
from cloud_database import TWO_COMMUNITIES, CloudServer, a_database
from cryptography.hazmat.primitives.asymmetric import ec

from sync.cloud.brokers.access import MAX_PAYLOAD_BYTES
from sync.protocol import topics


@pytest.fixture(scope="module", params=["nats-server", "mosquitto"])
def world(request: pytest.FixtureRequest, cloud_server: CloudServer) -> Iterator[World]:
    make = nats_world if request.param == "nats-server" else mosquitto_world
    with a_database(cloud_server, TWO_COMMUNITIES) as database, make(database) as world:
        world.add_pod(ELM)
        world.add_pod(OAK, "oak", "south")
        yield world


UP = ("audit", "health", "reply", "presence")
DOWN = ("ack", "list", "cmd")


def test_a_pod_and_the_services_hear_what_each_is_to_hear(world: World) -> None:
    with world.pod(ELM) as pod, world.service("bridge") as bridge, world.service("dispatch") as dispatch:
        assert bridge.subscribe(*(f"v1/+/+/up/{channel}" for channel in ("audit", "health", "presence")))
        dispatch.subscribe("v1/+/+/up/reply")
        pod.subscribe(*(topics.down(ELM, channel) for channel in DOWN))
        for channel in UP:
            pod.publish(topics.up(ELM, channel), channel.encode())
        until(lambda: len(bridge.got) == 3 and len(dispatch.got) == 1)
        assert {payload for _, payload in bridge.got} == {b"audit", b"health", b"presence"}
        bridge.publish(topics.down(ELM, "ack"), b"ack")
        dispatch.publish(topics.down(ELM, "list"), b"list")
        dispatch.publish(topics.down(ELM, "cmd"), b"cmd")
        until(lambda: sorted(payload for _, payload in pod.got) == [b"ack", b"cmd", b"list"])


FOREIGN_WORDS = [
    *(topics.up(OAK, channel) for channel in UP),
    *(topics.down(OAK, channel) for channel in DOWN),
    *(topics.down(ELM, channel) for channel in DOWN),
    "$SYS/broker/uptime",
]


def test_a_pod_reaches_no_topic_but_its_own(world: World) -> None:
    with (
        world.pod(ELM) as hostile,
        world.pod(OAK) as victim,
        world.service("bridge") as bridge,
        world.service("dispatch") as dispatch,
    ):
        victim.subscribe(*(topics.down(OAK, channel) for channel in DOWN))
        hostile.subscribe(*(topics.down(ELM, channel) for channel in DOWN))
        bridge.subscribe(*(f"v1/+/+/up/{channel}" for channel in ("audit", "health", "presence")))
        dispatch.subscribe("v1/+/+/up/reply")
        for topic in FOREIGN_WORDS:
            for retain in (False, True):
                hostile.publish(topic, b"forged", retain=retain)
        with world.pod_again(hostile) as again:  # where the broker ended the connection
            again.publish(topics.up(ELM, "reply"), b"last")
            until(lambda: (topics.up(ELM, "reply"), b"last") in dispatch.got)
        assert b"forged" not in {payload for _, payload in (*bridge.got, *dispatch.got, *victim.got)}
        assert b"forged" not in {payload for _, payload in hostile.got}


def test_a_pod_hears_nothing_but_its_own(world: World) -> None:
    tried = ("#", "v1/#", "v1/+/+/down/+", topics.down(OAK, "cmd"), "v1/+/+/up/+", "$SYS/#")
    with world.service("dispatch") as dispatch, world.pod(OAK) as other:
        for one in tried:
            with world.pod(ELM) as hostile:
                hostile.subscribe(one)
                dispatch.publish(topics.down(OAK, "cmd"), b"secret")
                other.publish(topics.up(OAK, "audit"), b"secret")
                with world.pod_again(hostile) as again:  # what was said before came, had it been to come
                    again.subscribe(topics.down(ELM, "cmd"))
                    dispatch.publish(topics.down(ELM, "cmd"), b"last")
                    until(lambda again=again: (topics.down(ELM, "cmd"), b"last") in again.got)
                assert b"secret" not in {payload for _, payload in hostile.got}, one


def test_nobody_comes_in_by_another_name(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    world.certify(ELM, key, as_file="foreign", authority=world.other_authority())
    world.certify(ELM, world.keys[ELM], as_file="expired", now=datetime.now(UTC) - LONG_AGO)
    for certificate in ("foreign", "expired", None):
        with world.client(ELM, certificate=certificate, user=ELM) as client:
            assert not client.is_in, certificate


def test_a_message_that_is_too_large_reaches_nobody(world: World) -> None:
    with world.service("dispatch") as dispatch, world.pod(ELM) as hostile:
        dispatch.subscribe("v1/+/+/up/reply")
        hostile.publish(topics.up(ELM, "reply"), bytes(MAX_PAYLOAD_BYTES + 1))
        hostile.publish(topics.up(ELM, "reply"), b"last")
        until(lambda: dispatch.got or hostile.ended)  # nats-server ends the connection, mosquitto drops it
        with world.pod_again(hostile) as again:
            again.publish(topics.up(ELM, "reply"), b"last")
            until(lambda: dispatch.got)
        assert {payload for _, payload in dispatch.got} == {b"last"}


def test_a_revoked_pod_does_not_come_back(world: World) -> None:
    world.add_pod("pod-gone")
    with world.pod("pod-gone") as pod:
        world.revoke("pod-gone")
        if world.kind == "nats-server":
            until(lambda: pod.ended, 10, "for the kick")
    with world.client("pod-gone", certificate="pod-gone", user="pod-gone") as pod:
        assert not pod.is_in


def test_no_pod_and_no_stranger_comes_in_as_a_service(world: World) -> None:
    for name in ("bridge", "dispatch", "api"):
        with world.client(f"{name}-2", certificate=ELM, user=name) as client:
            if client.is_in:  # mosquitto takes the certificate's name, whatever else is said
                client.publish(topics.down(OAK, "cmd"), b"forged")
                assert world.kind == "mosquitto"
        world.certify(name, world.keys[ELM], as_file="self-made", authority=world.other_authority())
        with world.client(f"{name}-2", certificate="self-made", user=name) as client:
            assert not client.is_in


def test_a_will_is_published_only_where_its_pod_may_speak(world: World) -> None:
    with world.service("bridge") as bridge:
        bridge.subscribe("v1/+/+/up/presence")
        for topic, last in ((topics.up(OAK, "presence"), b"forged"), (topics.up(ELM, "presence"), b"gone")):
            with world.client(ELM, certificate=ELM, user=ELM, will=(topic, last)) as client:
                if client.is_in:
                    client.break_off()
        until(lambda: b"gone" in {payload for _, payload in bridge.got})
        assert b"forged" not in {payload for _, payload in bridge.got}


def test_a_client_id_of_another_pod_ends_nobody_elses_connection(world: World) -> None:
    with world.pod(OAK) as victim, world.client(OAK, certificate=ELM, user=ELM) as hostile:
        if world.kind == "nats-server":
            assert not hostile.is_in
        with world.service("dispatch") as dispatch:
            victim.subscribe(topics.down(OAK, "cmd"))
            dispatch.publish(topics.down(OAK, "cmd"), b"last")
            until(lambda: victim.topics())
        assert victim.is_in
        assert not hostile.got


@pytest.fixture(scope="module")
def nats(cloud_server: CloudServer) -> Iterator[World]:
    with a_database(cloud_server, TWO_COMMUNITIES) as database, nats_world(database) as world:
        world.add_pod(ELM)
        world.add_pod(OAK, "oak", "south")
        yield world


def test_a_pod_comes_in_over_a_websocket_by_its_own_token_or_key(nats: World) -> None:
    for password in (nats.jwt(ELM), nats.api_key(ELM)):
        with (
            nats.client(ELM, certificate=None, user=ELM, password=password, websocket=True) as pod,
            nats.service("dispatch") as dispatch,
        ):
            assert pod.is_in
            pod.subscribe(topics.down(ELM, "cmd"))
            dispatch.publish(topics.down(ELM, "cmd"), b"come")
            until(lambda pod=pod: pod.got)


def test_passwords_that_are_not_the_pods_let_nobody_in(nats: World) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    wrong = {
        "nothing": None,
        "garbage": "garbage",
        "another POD's token": nats.jwt(OAK),
        "a token of another key": nats.jwt(ELM, key=stranger),
        "a token for the portal": nats.jwt(ELM, audience="api"),
        "another POD's key": nats.api_key(OAK),
        "a key that nobody made": "pbk_" + "a" * 43,
    }
    for what, password in wrong.items():
        with nats.client(ELM, certificate=None, user=ELM, password=password, websocket=True) as pod:
            assert not pod.is_in, what
    for user in ("bridge", "dispatch", "admission", "overseer"):
        with nats.client(f"{user}-1", certificate=None, user=user, password="x", websocket=True) as client:
            assert not client.is_in, user


def test_a_certificate_of_another_key_than_the_pods_is_refused(nats: World) -> None:
    nats.certify(ELM, ec.generate_private_key(ec.SECP256R1()), as_file="other-key")
    with nats.client(ELM, certificate="other-key", user=ELM) as client:
        assert not client.is_in


def test_a_revoked_pods_websocket_ends_too(nats: World) -> None:
    nats.add_pod("pod-gone")
    key = nats.api_key("pod-gone")
    with nats.client("pod-gone", certificate=None, user="pod-gone", password=key, websocket=True) as pod:
        assert pod.is_in
        nats.revoke("pod-gone")
        until(lambda: pod.ended)
    with nats.client("pod-gone", certificate=None, user="pod-gone", password=key, websocket=True) as pod:
        assert not pod.is_in
