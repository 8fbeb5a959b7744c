"""A command reaches its POD at most once, never late, and somebody hears what became of it."""

import asyncio
import subprocess
import sys
from collections import Counter

import pytest
from cloud_database import Database
from dispatch_broker import Mosquitto
from dispatch_world import DISPATCH, StandInPod, ask, dispatching, outcome, until

from sync.cloud.database import connect as connect_database
from sync.cloud.dispatch import command_desk
from sync.cloud.dispatch.notes import Notes
from sync.mqtt import BrokerAddress, connect
from sync.protocol import topics
from sync.protocol.up import Answer, Result, encode_up

WORKER = """
import asyncio, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sync.cloud.database import Dsn
from sync.cloud.dispatch.service import Dispatch
from sync.mqtt import BrokerAddress
from sync.protocol.framing import Signer
key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sys.argv[3]))
broker, signer = BrokerAddress.parse(sys.argv[2]), Signer("dispatch-1", key)
asyncio.run(Dispatch(Dsn.parse(sys.argv[1]), broker, signer=signer).run())
"""


async def test_a_gate_is_opened_once_and_the_portal_hears_of_it(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address) as dispatch, pod.online(mosquitto.address):
        command = ask(cloud_database)
        await until(lambda: outcome(cloud_database, command) == ("commanded", "by_hand"))
        assert pod.done == [command]
        await until(lambda: dispatch.counters.answers == 1)
        assert dispatch.counters.commands_told == 1


async def test_a_command_is_sent_until_its_pod_answers_and_runs_once(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database, is_mute=True)
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        command = ask(cloud_database)
        await until(lambda: len(pod.commands) >= 2)
        assert pod.commands[0] == pod.commands[1]
        assert outcome(cloud_database, command) == (None, "")
        pod.is_mute = False
        await until(lambda: outcome(cloud_database, command) == ("commanded", "by_hand"))
        assert pod.done == [command]


async def test_a_pod_that_comes_late_refuses_and_its_refusal_is_noted(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    pod.is_known()
    async with dispatching(cloud_database, mosquitto.address):
        command = ask(cloud_database, life_s=0.1)
        await asyncio.sleep(0.2)  # its life is over by the clock
        async with pod.online(mosquitto.address):
            await until(lambda: outcome(cloud_database, command) == ("refused", "command_expired"))
    assert pod.done == []


async def test_a_command_for_an_earlier_start_of_a_pod_is_refused_by_the_later_one(
    cloud_database: Database, mosquitto: Mosquitto
):
    StandInPod(cloud_database).is_known()
    async with dispatching(cloud_database, mosquitto.address) as dispatch:
        command = ask(cloud_database)
        await until(lambda: dispatch.counters.commands_told)
        pod = StandInPod(cloud_database)
        async with pod.online(mosquitto.address):
            await until(lambda: outcome(cloud_database, command) == ("refused", "other_session"))
    assert pod.done == []


async def test_a_command_waits_for_the_first_hello_of_its_pod(cloud_database: Database, mosquitto: Mosquitto):
    pod = StandInPod(cloud_database)
    cloud_database.run_as(
        "postgres", "INSERT INTO platebridge.pod_cursor (pod, community) VALUES ('pod-elm', 'elm')"
    )
    async with dispatching(cloud_database, mosquitto.address) as dispatch:
        command = ask(cloud_database)
        other = ask(cloud_database, pod="pod-oak", community="oak")
        async with StandInPod(cloud_database, "pod-oak").online(mosquitto.address):
            await until(lambda: outcome(cloud_database, other)[0] == "commanded")
        assert dispatch.counters.commands_told == 1
        async with pod.online(mosquitto.address):
            await until(lambda: outcome(cloud_database, command) == ("commanded", "by_hand"))


async def test_a_killed_dispatcher_leaves_commands_to_the_next_which_sends_the_same(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database, is_mute=True)
    arguments = [
        cloud_database.dsn("a_dispatch").conninfo,
        mosquitto.address,
        DISPATCH.key.private_bytes_raw().hex(),
    ]
    async with pod.online(mosquitto.address):
        with subprocess.Popen([sys.executable, "-c", WORKER, *arguments]) as worker:
            try:
                command = ask(cloud_database)
                await until(lambda: pod.commands)
            finally:
                worker.kill()
        assert outcome(cloud_database, command) == (None, "")
        pod.is_mute = False
        async with dispatching(cloud_database, mosquitto.address):
            await until(lambda: outcome(cloud_database, command) == ("commanded", "by_hand"))
    assert pod.done == [command]
    assert len(set(pod.commands)) == 1


async def test_a_broker_that_was_gone_does_not_hold_a_command_up(
    cloud_database: Database, own_mosquitto: Mosquitto
):
    broker, pod = own_mosquitto, StandInPod(cloud_database)
    async with dispatching(cloud_database, broker.address) as dispatch:
        broker.kill()
        await until(lambda: not dispatch.ready.is_set())
        pod.is_known()
        command = ask(cloud_database)
        broker.start()
        async with pod.online(broker.address):
            await until(lambda: outcome(cloud_database, command)[0] == "commanded")


async def test_a_pod_answers_for_its_own_commands_and_for_those_it_was_sent(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod, other = StandInPod(cloud_database, is_mute=True), StandInPod(cloud_database, "pod-oak")
    async with (
        dispatching(cloud_database, mosquitto.address),
        pod.online(mosquitto.address),
        other.online(mosquitto.address),
    ):
        command = ask(cloud_database)
        theirs = ask(cloud_database, pod="pod-oak", community="oak")
        await until(lambda: pod.commands and outcome(cloud_database, theirs)[0])
        lie = Answer(id=command, result="commanded", reason="by_hand")
        assert other.link is not None
        other.link.publish(topics.up("pod-oak", "reply"), encode_up(lie, pod="pod-oak"))
        again = ask(cloud_database, pod="pod-oak", community="oak")
        await until(lambda: outcome(cloud_database, again)[0])
        assert outcome(cloud_database, command) == (None, "")


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        pytest.param(["unknown", "commanded"], "commanded", id="an_outcome_after_none"),
        pytest.param(["commanded", "refused"], "commanded", id="a_second_outcome"),
        pytest.param(["commanded", "unknown"], "commanded", id="none_after_an_outcome"),
    ],
)
async def test_the_first_outcome_of_a_command_stands_and_unknown_is_none(
    cloud_database: Database, mosquitto: Mosquitto, told: list[Result], stands: Result
):
    pod = StandInPod(cloud_database, is_mute=True)
    async with dispatching(cloud_database, mosquitto.address) as dispatch, pod.online(mosquitto.address):
        command, apart = ask(cloud_database), ask(cloud_database)
        await until(lambda: len({*pod.done}) == 2)
        for is_apart in (False, True):  # within one message's time of each other, and one after the other
            for n, result in enumerate(told):
                answer = Answer(id=apart if is_apart else command, result=result, reason=f"r{n}")
                assert pod.link is not None
                pod.link.publish(topics.up(pod.pod, "reply"), encode_up(answer, pod=pod.pod))
                if is_apart and n == 0:
                    await until(lambda: outcome(cloud_database, apart) == (told[0], "r0"))
        pod.is_mute = False
        fence = ask(cloud_database)
        await until(lambda: outcome(cloud_database, fence)[0] == "commanded")
        assert outcome(cloud_database, command)[0] == outcome(cloud_database, apart)[0] == stands
        assert dispatch.counters.dropped_bad == 0


async def test_a_command_that_nobody_answers_for_an_hour_is_unknown(
    cloud_database: Database, mosquitto: Mosquitto
):
    command, recent = ask(cloud_database), ask(cloud_database)
    cloud_database.run_as(
        "postgres",
        "UPDATE platebridge.command SET asked_at = now() - interval '3630 s', "
        f"expires_at = now() - interval '3610 s' WHERE id = '{command}'",
    )
    async with dispatching(cloud_database, mosquitto.address):
        await until(lambda: outcome(cloud_database, command) == ("unknown", "no_answer"))
    assert outcome(cloud_database, recent) == (None, "")


async def test_a_revoked_pod_is_sent_no_command_and_believed_no_answer(
    cloud_database: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(command_desk, "LOOK_EVERY_S", 0.1)
    pod = StandInPod(cloud_database, is_mute=True)
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        command = ask(cloud_database)
        await until(lambda: pod.commands)
        cloud_database.run_as(
            "a_api", "UPDATE platebridge.pod SET revoked_at = now() WHERE id = 'pod-elm'", tenant="elm"
        )
        late, before = ask(cloud_database), len(pod.commands)
        other = StandInPod(cloud_database, "pod-oak", is_mute=True)
        async with other.online(mosquitto.address):
            ask(cloud_database, pod="pod-oak", community="oak")
            await until(lambda: len(other.commands) >= 2)  # what is sent again was sent again by now
            assert len(pod.commands) == before
            answer = Answer(id=command, result="commanded", reason="by_hand")
            assert pod.link is not None
            pod.link.publish(topics.up(pod.pod, "reply"), encode_up(answer, pod=pod.pod))
            other.is_mute = False
            fence = ask(cloud_database, pod="pod-oak", community="oak")
            await until(lambda: outcome(cloud_database, fence)[0] == "commanded")
        assert outcome(cloud_database, command) == outcome(cloud_database, late) == (None, "")


async def test_a_command_kept_by_the_broker_is_not_obeyed_by_the_dispatch_or_repeated(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database, is_mute=True)
    async with dispatching(cloud_database, mosquitto.address) as dispatch, pod.online(mosquitto.address):
        command = ask(cloud_database)
        await until(lambda: pod.commands)
        answer = Answer(id=command, result="refused", reason="lockdown")
        topic = topics.up(pod.pod, "reply")
        assert pod.link is not None
        pod.link.publish(topic, encode_up(answer, pod=pod.pod), retain=True)
        await until(lambda: outcome(cloud_database, command)[0] == "refused")
        assert dispatch.counters.dropped_not_ours == 0
    cloud_database.run_as("postgres", "UPDATE platebridge.command SET result = NULL, answered_at = NULL")
    async with dispatching(cloud_database, mosquitto.address) as later:
        await until(lambda: later.counters.dropped_not_ours == 1)
        assert outcome(cloud_database, command)[0] is None
    async with connect(BrokerAddress.parse(mosquitto.address), client_id="cleaner") as link:
        link.publish(topic, b"", retain=True)


async def test_of_two_answers_that_wait_together_the_outcome_is_noted(cloud_database: Database):
    command, notes = ask(cloud_database), Notes(Counter())
    cloud_database.run_as("postgres", "UPDATE platebridge.command SET session = 's1'")
    for result in ("unknown", "commanded", "unknown", "refused"):
        notes.answer("pod-elm", Answer(id=command, result=result, reason=f"r_{result}"))
    async with connect_database(cloud_database.dsn("a_dispatch")) as conn, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(notes.write(conn, asyncio.Lock()))
        await until(lambda: outcome(cloud_database, command) == ("commanded", "r_commanded"))
        writing.cancel()
