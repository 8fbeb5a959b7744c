"""The shipped POD and what its gate really does: facts and alarms in the audit, on the page and in health."""

import json
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, list_plates, until

from pod.gate.guard_gate import input_path


def contact(pod: RunningPod, shows: str, active: bool) -> None:
    path = input_path(pod.data_dir / "run", "main", shows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1" if active else "0")


def a_pod(folder: Path, **gate: object) -> RunningPod:
    list_plates(folder / "data", [gate_clips.PLATE])
    return RunningPod(folder, str(gate_clips.drive_up()), loop=True, sections={"gate": gate})


def facts(pod: RunningPod) -> list[object]:
    return [row["fact"] for row in pod.payloads("gate_fact")]


def alarms(pod: RunningPod) -> list[tuple[object, object]]:
    return [(row["alarm"], row["state"]) for row in pod.payloads("alarm") if row["subject"] == "main"]


def wired(*shows: str) -> list[dict[str, str]]:
    return [{"shows": one, "driver": "simulated"} for one in shows]


@pytest.mark.proof(18)
def test_without_contacts_the_pod_says_commanded_and_nothing_more(tmp_path: Path, prove: Prove) -> None:
    with a_pod(tmp_path) as pod:
        until(lambda: "commanded" in facts(pod), timeout_s=60, what="a pulse")
        page = pod.get("gate").decode()
        health = json.loads(pod.get("healthz"))
    assert "No position input is wired" in page
    assert health["status"] == "ok"
    told = facts(pod)
    prove(attempts=len(told), losses=sum(fact != "commanded" for fact in told))


@pytest.mark.proof(18)
def test_commanded_and_stuck_then_moved_and_opened_are_told_apart(tmp_path: Path, prove: Prove) -> None:
    pod = a_pod(tmp_path, inputs=wired("closed", "open"), open_within_s=1, pause_s=300)
    contact(pod, "closed", True)
    with pod:
        until(lambda: ("gate_stuck", "raised") in alarms(pod), timeout_s=60, what="the alarm")
        assert facts(pod) == ["commanded"]
        health = json.loads(pod.get("healthz"))
        assert health["status"] == "degraded"
        assert any("did not move within 1 s" in part["sentence"] for part in health["parts"])
        contact(pod, "closed", False)
        until(lambda: "moved" in facts(pod), what="the movement")
        contact(pod, "open", True)
        until(lambda: "opened" in facts(pod), what="the open end")
        until(lambda: ("gate_stuck", "cleared") in alarms(pod), what="the end of the alarm")
        assert "It is open." in pod.get("gate").decode()
    told = facts(pod)
    prove(attempts=len(told), losses=told != ["commanded", "moved", "opened"])


def test_a_step_gate_that_is_open_gets_no_pulse_and_the_audit_says_why(tmp_path: Path) -> None:
    pod = a_pod(tmp_path, input="step", inputs=wired("closed"))
    with pod:
        until(
            lambda: [row for row in pod.payloads("decision") if row["reason"] == "gate_not_closed"],
            timeout_s=60,
            what="a refusal",
        )
        assert pod.pulses() == []
        contact(pod, "closed", True)
        until(pod.pulses, timeout_s=60, what="a pulse")
