"""Promise 12 on the shipped POD: whatever becomes of live video and of those who watch, cars are let in."""

import sys
from collections.abc import Callable
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, list_plates, until
from test_webrtc_benchmarks import go_absence

from benchmarks.webrtc_receivers import Receivers, build_receivers
from benchmarks.webrtc_storm import WebrtcStorm
from benchmarks.webrtc_whep import ViewingKey, WhepCamera
from pod.web.stream_key import own_key

TROUBLED_POD = Path(__file__).with_name("troubled_pod.py")
VISIT_S = 8.0
"""Of the clip `visits`: so often the car comes."""

LATE_S = 12.0
"""What is waited beyond the visits: less than two of them, so that one that opened nothing is found out."""


def open_latency(pod: RunningPod) -> tuple[float, float]:
    """From a car's frame to the relay's edge: the sum in milliseconds, and of how many."""
    lines = pod.get("metrics").decode().splitlines()
    name = "platebridge_open_latency_seconds"
    told = {line.split("{")[0]: float(line.split()[1]) for line in lines if line.startswith(name)}
    return 1000 * told.get(f"{name}_sum", 0.0), told.get(f"{name}_count", 0.0)


def mean_ms(pod: RunningPod, visits: int) -> float:
    """Wait for so many visits of the listed car from now; how long it took to let it in, at the mean."""
    before, (sum_ms, count) = len(pod.pulses()), open_latency(pod)
    until(lambda: len(pod.pulses()) >= before + visits, VISIT_S * visits + LATE_S, what="the car's pulses")
    until(lambda: open_latency(pod)[1] >= count + visits, what="the figures")
    later_ms, later = open_latency(pod)
    return round((later_ms - sum_ms) / (later - count), 1)


@pytest.mark.proof(12)
@pytest.mark.parametrize("trouble", ["live_hangs", "live_dies", "live_spins", "live_fails_at_every_packet"])
def test_whatever_becomes_of_live_video_the_gate_opens(
    trouble: str, tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    visits = often(1, 8)
    pod = RunningPod(
        tmp_path,
        str(gate_clips.visits()),
        loop=True,
        program=(sys.executable, TROUBLED_POD, trouble),
    )
    list_plates(pod.data_dir, [gate_clips.PLATE])
    with pod:
        until(lambda: pod.address, what="the start")
        took_ms = mean_ms(pod, visits)
        assert {row["state"] for row in pod.payloads("camera_state")} == {"playing"}
    prove(attempts=visits, faults=1, mean_ms=took_ms)


@pytest.mark.skipif(go_absence() != "", reason=go_absence() or "Go is here")
@pytest.mark.proof(12)
def test_viewers_who_storm_a_pod_and_vanish_keep_no_car_waiting(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    program, visits, key = build_receivers(), often(2, 8), ViewingKey()
    # A STUN server that never answers: each viewer's offer waits for it.
    live = key.settings | {"stun": "stun:192.0.2.1:3478"}
    pod = RunningPod(tmp_path, str(gate_clips.visits()), loop=True, sections={"live": live})
    list_plates(pod.data_dir, [gate_clips.PLATE])
    with pod, Receivers(program) as receivers:
        until(lambda: pod.address, what="the start")
        calm_ms = mean_ms(pod, visits)
        audience = f"site/{own_key(pod.data_dir).kid}"
        camera = WhepCamera(str(pod.address), "entry", audience=audience, key=key)
        with WebrtcStorm(camera, receivers) as storm:
            stormy_ms = mean_ms(pod, visits)
            storm.check()
        viewers = storm.opened
        assert {row["state"] for row in pod.payloads("camera_state")} == {"playing"}
        assert pod.stop() == 0
    prove(
        attempts=visits,
        faults=viewers,
        viewers=viewers,
        calm_ms=calm_ms,
        in_the_storm_ms=stormy_ms,
    )
