"""Promise 10 on the shipped POD: each visit of a car is one pulse, however many cameras see it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, list_plates, until

CAMERAS = ("street", "yard")

APART = timedelta(seconds=4)
"""Rows further apart than this are of different visits, of which there is one every 8 s."""


@pytest.mark.proof(10)
def test_two_cameras_at_one_gate_that_see_the_same_car_give_one_pulse_a_visit_and_the_next_visit_its_own(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    wanted = often(2, 12)
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    pod = RunningPod(tmp_path, str(gate_clips.visits()), loop=True, sections={"gate": {"pause_s": 1}})
    config = json.loads(pod.config.read_text())
    config["cameras"] = [camera | {"name": name} for camera in config["cameras"] for name in CAMERAS]
    config["access"] |= {"still_after_start_s": 0}
    pod.config.write_text(json.dumps(config))
    with pod:
        until(lambda: len(visits(pod)) > wanted, 30 + 20 * wanted, what="the visits")
        assert pod.stop() == 0
    whole = visits(pod)[:wanted]  # the last may be cut short by the stop
    assert all({row["camera"] for row in rows} == set(CAMERAS) for rows in whole), whole
    # An intent that found the gate just pulsed has no pulse on the line.
    given = {edge.pulse for edge in pod.pulses()}
    pulses = [sum(row.get("pulse") in given for row in rows) for rows in whole]
    told = {row["reason"] for rows in whole for row in rows if "pulse" not in row}
    assert told == {"gate_already_open"}
    assert len(given) == len(pod.pulses()), "one pulse, one id"
    prove(
        attempts=2 * wanted,
        losses=sum(count != 1 for count in pulses),
        visits=wanted,
        pulses=sum(pulses),
    )


def visits(pod: RunningPod) -> list[list[dict[str, object]]]:
    """What was decided, the rows of one passing of the car together, oldest first."""
    found: list[list[dict[str, object]]] = []
    latest: datetime | None = None
    for row in pod.rows():
        if row.kind not in ("decision", "intent") or row.payload is None:
            continue
        if latest is None or row.at - latest > APART:
            found.append([])
        found[-1].append(row.payload)
        latest = row.at
    return found
