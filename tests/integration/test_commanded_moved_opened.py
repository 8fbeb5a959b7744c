"""Promise 18 at page and API of the shipped POD: commanded, moved and opened are said when they are so."""

import json
from collections.abc import Callable
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, list_plates, until

from pod.gate.guard_gate import input_path

TOLD, MOVED, OPENED = "Told to open", "Began to move", "Reached its open end"
MEASURED_ONLY = (MOVED, OPENED, "It is open.", "It is closed.", "The gate moved", "The gate is open")
"""What nobody can know without an input."""


def contact(pod: RunningPod, shows: str, active: bool) -> None:
    path = input_path(pod.data_dir / "run", "main", shows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1" if active else "0")


def gate(pod: RunningPod) -> tuple[str, set[str]]:
    """Its position by the API, and which of the facts it has told."""
    (answer,) = json.loads(pod.get("api/gates"))
    told = {fact for fact in (TOLD, MOVED, OPENED) if any(line.startswith(fact) for line in answer["facts"])}
    return answer["position"], told


def alarms(pod: RunningPod) -> set[str]:
    return {alarm["code"] for alarm in json.loads(pod.get("api/health"))["alarms"]}


def pages(pod: RunningPod) -> list[str]:
    """Every page and answer that tells of the gate."""
    cars = json.loads(pod.get("api/events"))
    paths = ["", "gate", "gate/now", "now", "health", "events", "api/gates", "api/events", "api/health"]
    paths += [f"approaches/{car['approach']}" for car in cars]
    return [pod.get(path).decode() for path in paths]


@pytest.mark.proof(18)
def test_without_an_input_no_page_and_no_answer_ever_says_more_than_commanded(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    pulses, looks, losses = often(1, 6), 0, 0
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with RunningPod(tmp_path, str(gate_clips.visits()), loop=True) as pod:
        until(lambda: pod.address, what="the start")
        while len(pod.payloads("outcome")) < pulses:
            position, told = gate(pod)
            said = pages(pod)
            looks += len(said) + 1
            losses += sum(any(word in page for word in MEASURED_ONLY) for page in said)
            losses += position != "not_wired" or not told <= {TOLD}
        until(lambda: gate(pod) == ("not_wired", {TOLD}), what="the command")
        said = pages(pod)
        losses += sum(any(word in page for word in MEASURED_ONLY) for page in said)
        assert "Open commanded" in said[0]
        assert all("No position input is wired" in page for page in said[1:3])
    prove(attempts=looks + len(said), losses=losses, pulses=pulses)


@pytest.mark.proof(18)
def test_with_inputs_each_fact_is_said_when_its_input_shows_it_and_contradictions_raise_alarms(
    tmp_path: Path, prove: Prove
) -> None:
    wired = [{"shows": shows, "driver": "simulated"} for shows in ("closed", "open")]
    gate_settings = {"inputs": wired, "pause_s": 300, "held_after_s": 10}
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    pod = RunningPod(tmp_path, str(gate_clips.visits()), loop=True, sections={"gate": gate_settings})
    contact(pod, "closed", True)
    seen = []

    def see(what: str, position: str, *facts: str, alarm: str = "") -> None:
        """Wait until it is said, and note whether anything was said too early on the way."""

        def is_said() -> bool:
            now, standing = gate(pod), alarms(pod)
            assert now[1] <= set(facts), f"{what}: said too early"
            return now == (position, set(facts)) and (alarm in standing if alarm else not standing)

        until(is_said, 60, what=what)
        seen.append(what)

    with pod:
        until(lambda: pod.address, what="the start")
        see("commanded alone", "closed", TOLD)
        contact(pod, "closed", False)
        see("moved", "moving", TOLD, MOVED)
        contact(pod, "open", True)
        see("opened", "open", TOLD, MOVED, OPENED)
        contact(pod, "closed", True)
        see("closed and open at once", "unknown", TOLD, MOVED, OPENED, alarm="gate_contradiction")
        contact(pod, "closed", False)
        see("the contradiction over", "open", TOLD, MOVED, OPENED)
        see("held open", "open", TOLD, MOVED, OPENED, alarm="gate_held")
        assert len(pod.pulses()) == 1
        assert pod.stop() == 0
    prove(attempts=len(seen), faults=2)
