"""Commands wait in bounds, end by their time, and what goes wrong around the agent is told and survived."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_world import POD, PodAround, an_identity, syncing
from dispatch_broker import Mosquitto, a_mosquitto
from stand_in_cloud import StandInCloud, until

from sync.agent.command_desk import WAITING, CommandDesk
from sync.protocol.down import Command
from sync.protocol.health import Health
from sync.protocol.homes import Homes
from sync.protocol.up import Answer


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with a_mosquitto(tmp_path_factory.mktemp("commands-broker")) as running:
        yield running


class Gate:
    """Carries out one command at a time, each once it is let."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = threading.Event()

    def carry_out(self, command: Command, *, before_s: float) -> Answer:
        self.begun.append(command.id)
        assert self.go.wait(10)
        if command.id == "broken":
            raise OSError("the disk is gone")
        return Answer(id=command.id, result="commanded", reason="remote")


def command(id: str) -> Command:
    return Command(id=id, session="s", gate="main", action="open", by="Ada", issued_s=0.0, expires_s=20.0)


def soon() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) + 20


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def answers() -> list[Answer]:
    return []


@pytest.fixture
def faults() -> list[Exception]:
    return []


@pytest.fixture
def desk(gate: Gate, answers: list[Answer], faults: list[Exception]) -> Iterator[CommandDesk]:
    desk = CommandDesk(gate, on_answer=answers.append, on_fault=faults.append)
    desk.start()
    yield desk
    gate.go.set()
    desk.stop()


def test_commands_wait_in_their_order_up_to_a_bound_and_more_are_counted(
    gate: Gate, desk: CommandDesk, answers: list[Answer]
):
    desk.carry_out(command("first"), before_s=soon())
    until(lambda: gate.begun)
    for at in range(WAITING + 3):
        desk.carry_out(command(f"c{at}"), before_s=soon())
        desk.carry_out(command(f"c{at}"), before_s=soon())
    gate.go.set()
    until(lambda: len(answers) == WAITING + 1)
    assert [one.id for one in answers] == ["first", *(f"c{at}" for at in range(WAITING))]
    assert desk.dropped == 6


def test_a_command_whose_time_is_over_when_its_turn_comes_is_not_begun(gate: Gate, desk: CommandDesk):
    desk.carry_out(command("first"), before_s=soon())
    until(lambda: gate.begun)
    desk.carry_out(command("late"), before_s=time.clock_gettime(time.CLOCK_BOOTTIME))
    gate.go.set()
    until(lambda: desk.late)
    assert gate.begun == ["first"]


def test_a_desk_that_is_stopped_begins_no_other_command(gate: Gate, desk: CommandDesk):
    desk.carry_out(command("first"), before_s=soon())
    until(lambda: gate.begun)
    for at in range(WAITING):
        desk.carry_out(command(f"c{at}"), before_s=soon())
    desk.stop()
    gate.go.set()
    desk._thread.join(10)
    assert gate.begun == ["first"]


def test_a_command_that_cannot_be_carried_out_is_told_and_the_next_goes_on(
    gate: Gate, desk: CommandDesk, answers: list[Answer], faults: list[Exception]
):
    gate.go.set()
    desk.carry_out(command("broken"), before_s=soon())
    desk.carry_out(command("next"), before_s=soon())
    until(lambda: answers)
    assert [str(fault) for fault in faults] == ["the disk is gone"]
    assert answers[0].id == "next"


class Troubled(PodAround):
    """A POD whose health cannot be told."""

    def health(self, *, session: str, backlog_rows: int) -> Health:
        raise OSError("no thermometer")


def test_a_health_that_cannot_be_told_is_a_fault_and_rows_go_up(broker: Mosquitto, tmp_path: Path):
    around = Troubled(Homes(an_identity(tmp_path).home))
    around.homes = Homes(an_identity(tmp_path, broker.address).home)
    with StandInCloud(broker.address, POD) as cloud, syncing(tmp_path, broker.address, around=around) as pod:
        pod.append(2)
        until(lambda: len(cloud.rows) == len(pod.disk.audit))
        until(lambda: [str(fault) for fault in pod.faults] == ["no thermometer"])


class Unsaving(PodAround):
    """A POD whose first reading of its homes fails, as by a disk in trouble."""

    tries = 0

    def load(self) -> Homes:
        self.tries += 1
        if self.tries == 1:
            raise OSError("the disk is in trouble")
        return self.homes


def test_a_disk_in_trouble_is_told_and_tried_again(broker: Mosquitto, tmp_path: Path):
    around = Unsaving(Homes(an_identity(tmp_path, broker.address).home))
    with StandInCloud(broker.address, POD), syncing(tmp_path, broker.address, around=around) as pod:
        until(lambda: pod.states and pod.states[-1].phase == "welcomed")
        assert [str(fault) for fault in pod.faults] == ["the disk is in trouble"]
        assert any(state.trouble == "the disk is in trouble" for state in pod.states)
