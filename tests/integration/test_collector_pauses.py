"""Collecting a running POD's garbage holds up its cameras for milliseconds only."""

import re
import sys
from pathlib import Path

import gate_clips
from running_pod import RunningPod, until

TROUBLED_POD = Path(__file__).with_name("troubled_pod.py")


def test_once_a_pod_runs_a_full_collection_costs_a_fraction_of_what_it_cost_before(tmp_path: Path) -> None:
    program = (sys.executable, TROUBLED_POD, "collects_often")
    with RunningPod(tmp_path, str(gate_clips.standing()), loop=True, program=program) as pod:
        until(lambda: pod.address, what="the start")
        seen = len(collections(pod))
        until(lambda: len(collections(pod)) >= seen + 6, what="collections")
        assert pod.stop() == 0
    times_s = collections(pod)
    before_s, after_s = max(times_s[:seen]), min(times_s[seen + 1 :])
    assert after_s < before_s / 4, f"{1000 * before_s:.0f} ms before, {1000 * after_s:.0f} ms after"


def collections(pod: RunningPod) -> list[float]:
    """How long each took, of the processor's time, oldest first."""
    return [float(found) for found in re.findall(r"collected in (\S+) s", pod.log.read_text())]
