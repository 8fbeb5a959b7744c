"""Contacts at a gate, read by a real guard: facts, alarms, and the step input that needs them."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gate_fixtures import PULSE_MS, is_replaced, pulses, until

from pod.config import GateConfig
from pod.domain.gate_facts import GateFact
from pod.gate.controller import GateController
from pod.gate.guard_client import GuardClient
from pod.gate.guard_gate import input_path
from pod.gate.pulse import NotPulsedError

ENDS = ("closed", "open")


def a_wired_gate(*shows: str, **settings: object) -> GateConfig:
    inputs = [{"shows": one, "driver": "simulated"} for one in shows]
    return GateConfig.model_validate(
        {"name": "main", "pulse_ms": PULSE_MS, "pause_s": 1, "inputs": inputs, **settings}
    )


class AlarmBoard:
    """Which alarms stand, as they were told."""

    def __init__(self) -> None:
        self.standing: dict[str, str] = {}

    def begin(self, code: str, subject: str, text: str) -> None:
        self.standing.setdefault(code, text)

    def end(self, code: str, subject: str) -> None:
        self.standing.pop(code, None)


class Bench:
    """A gate with contacts that a test moves, and all that is told of it."""

    def __init__(self, run_dir: Path, gate: GateConfig) -> None:
        self.run_dir = run_dir
        self.told: list[GateFact] = []
        self.alarms = AlarmBoard()
        self.client = GuardClient.start([gate], run_dir, on_fact=self.told.append, alarms=self.alarms)
        self.gate = GateController(gate, self.client)

    def show(self, **levels: bool) -> None:
        for shows, active in levels.items():
            show(self.run_dir, shows, active)

    def pulse(self, pulse_id: str = "p") -> None:
        self.gate.pulse(pulse_id, lambda end: None)

    @property
    def facts(self) -> list[str]:
        return [fact.fact for fact in self.told]


def show(run_dir: Path, shows: str, active: bool) -> None:
    """Move a simulated contact."""
    run_dir.mkdir(exist_ok=True)
    input_path(run_dir, "main", shows).write_text("1" if active else "0")


@contextmanager
def bench(run_dir: Path, gate: GateConfig) -> Iterator[Bench]:
    made = Bench(run_dir, gate)
    try:
        yield made
    finally:
        made.client.close()


def test_commanded_moved_and_opened_are_told_apart_as_they_happen(tmp_path: Path) -> None:
    show(tmp_path, "closed", True)
    with bench(tmp_path, a_wired_gate(*ENDS, "presence")) as gate:
        until(lambda: gate.gate.facts.position == "closed")
        gate.show(presence=True)
        until(lambda: gate.gate.facts.presence is True)
        gate.pulse()
        until(lambda: "commanded" in gate.facts)
        assert "moved" not in gate.facts
        gate.show(closed=False)
        until(lambda: "moved" in gate.facts)
        assert "opened" not in gate.facts
        gate.show(open=True)
        until(lambda: "opened" in gate.facts)
        assert gate.gate.facts.position == "open"
        assert gate.facts == ["vehicle_present", "commanded", "moved", "opened"]
        times = [fact.at_s for fact in gate.told]
        assert times == sorted(times)
        assert gate.alarms.standing == {}


def test_without_inputs_only_commanded_is_ever_said(tmp_path: Path) -> None:
    with bench(tmp_path, a_wired_gate()) as gate:
        gate.pulse()
        until(lambda: gate.facts == ["commanded"])
        assert gate.gate.facts.position == "not_wired"


@pytest.mark.parametrize("position", ["open", "moving", "unknown"])
def test_a_step_gate_that_is_not_certainly_closed_gets_no_pulse(tmp_path: Path, position: str) -> None:
    show(tmp_path, "closed", position == "unknown")
    show(tmp_path, "open", position in ("open", "unknown"))  # Closed and open at once tell nothing.
    with bench(tmp_path, a_wired_gate(*ENDS, input="step")) as gate:
        with pytest.raises(NotPulsedError) as caught:
            gate.pulse()
        assert caught.value.reason == "gate_not_closed"
        assert gate.gate.pause_left_s() == 0
        assert pulses(tmp_path) == []
        gate.show(closed=True, open=False)
        gate.pulse("q")
        assert [edge.pulse for edge in pulses(tmp_path)] == ["q"]


def test_a_step_gate_is_asked_where_it_is_at_the_moment_of_the_pulse(tmp_path: Path) -> None:
    show(tmp_path, "closed", True)
    with bench(tmp_path, a_wired_gate("closed", input="step")) as gate:
        until(lambda: gate.gate.facts.position == "closed")
        for attempt in range(20):
            gate.show(closed=False)  # The pod has not heard of it yet; the guard looks for itself.
            with pytest.raises(NotPulsedError, match="not closed"):
                gate.pulse(f"p{attempt}")
            gate.show(closed=True)
        assert pulses(tmp_path) == []


def test_a_step_gate_whose_contact_cannot_be_read_gets_no_pulse(tmp_path: Path) -> None:
    input_path(tmp_path, "main", "closed").mkdir()
    with bench(tmp_path, a_wired_gate("closed", input="step")) as gate:
        with pytest.raises(NotPulsedError, match="tells nothing") as caught:
            gate.pulse()
        assert caught.value.reason == "gate_not_closed"
        assert gate.gate.facts.position == "unknown"
        assert pulses(tmp_path) == []


def test_an_open_only_gate_is_pulsed_whatever_its_contacts_show(tmp_path: Path) -> None:
    with bench(tmp_path, a_wired_gate("closed")) as gate:
        gate.pulse()
        assert len(pulses(tmp_path)) == 1


def test_a_relay_that_sticks_is_an_alarm(tmp_path: Path) -> None:
    show(tmp_path, "closed", True)
    with bench(tmp_path, a_wired_gate("closed", open_within_s=1)) as gate:
        until(lambda: gate.gate.facts.position == "closed")
        gate.pulse()
        until(lambda: "gate_stuck" in gate.alarms.standing)
        assert "did not move within 1 s" in gate.gate.alarms["gate_stuck"]
        gate.show(closed=False)
        until(lambda: "gate_stuck" not in gate.alarms.standing)


def test_contacts_that_contradict_each_other_are_an_alarm(tmp_path: Path) -> None:
    show(tmp_path, "closed", True)
    show(tmp_path, "open", True)
    with bench(tmp_path, a_wired_gate(*ENDS)) as gate:
        until(lambda: "gate_contradiction" in gate.alarms.standing)
        assert gate.gate.facts.position == "unknown"
        gate.show(open=False)
        until(lambda: "gate_contradiction" not in gate.alarms.standing)


def test_a_gate_opened_by_others_is_an_alarm(tmp_path: Path) -> None:
    show(tmp_path, "closed", True)
    with bench(tmp_path, a_wired_gate("closed")) as gate:
        until(lambda: gate.gate.facts.position == "closed")
        gate.show(closed=False)
        until(lambda: "gate_forced" in gate.alarms.standing)
        assert gate.facts == ["moved", "forced"]


def test_while_the_guard_is_away_nothing_is_known_and_afterwards_no_fact_is_made_up(tmp_path: Path) -> None:
    show(tmp_path, "closed", True)
    with bench(tmp_path, a_wired_gate("closed")) as gate:
        until(lambda: gate.gate.facts.position == "closed")
        killed = gate.client.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(lambda: gate.gate.facts.position == "unknown")
        until(lambda: is_replaced(gate.client, killed) and gate.gate.facts.position == "closed")
        assert gate.told == []


def test_a_contact_that_comes_later_is_taken_without_a_restart(
    tmp_path: Path, quick_retakes: tuple[str, ...]
) -> None:
    broken = input_path(tmp_path, "main", "closed")
    broken.mkdir()
    gate = a_wired_gate("closed")
    client = GuardClient.start([gate], tmp_path, command=quick_retakes)
    try:
        assert client.facts("main").position == "unknown"
        broken.rmdir()
        broken.write_text("1")
        until(lambda: client.facts("main").position == "closed")
    finally:
        client.close()


def test_a_line_that_is_free_later_is_taken_without_a_restart_and_without_a_pulse(
    tmp_path: Path, quick_retakes: tuple[str, ...]
) -> None:
    gate = a_wired_gate()
    holder = GuardClient.start([gate], tmp_path)
    client = GuardClient.start([gate], tmp_path, command=quick_retakes)
    try:
        assert client.state("main").condition == "unavailable"
        assert "another process holds this line" in client.state("main").reason
        holder.close()
        until(lambda: client.state("main").condition == "ready")
        assert pulses(tmp_path) == []
        client.pulse("main", "p", on_end=lambda end: None)
        assert len(pulses(tmp_path)) == 1
    finally:
        holder.close()
        client.close()


@pytest.fixture
def quick_retakes() -> tuple[str, ...]:
    """The command of a guard that looks for missing lines with every beat."""
    script = "from pod.gate import guard; guard.RETAKE_NS = 0; guard.main()"
    return (sys.executable, "-c", script)


def test_a_contact_with_garbage_in_it_tells_nothing(tmp_path: Path) -> None:
    input_path(tmp_path, "main", "closed").write_text("perhaps")
    with bench(tmp_path, a_wired_gate("closed")) as gate:
        gate.pulse()
        until(lambda: gate.facts == ["commanded"])
        assert gate.gate.facts.position == "unknown"
