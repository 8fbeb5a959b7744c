"""The shipped `platebridge pod run` before a real camera: it opens, writes down why, and survives kill -9."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import gate_clips
import pytest
from camera_fixtures import Proxy, needs_gstreamer
from promises import Prove
from running_pod import PULSE_MS, RunningPod, list_plates, until

from models.render.camera_process import CameraProcess
from pod.store.audit import verify
from pod.store.connection import connect_reader

PULSE_LIMIT_MS = PULSE_MS + 100
KILLS = 12
KILLS_TO_PROVE = 40
STARTS = 3
STARTS_TO_PROVE = 8
FRESHNESS_LIMIT_S = 2.0


def on_times_ms(pod: RunningPod) -> list[float]:
    """How long each pulse lasted that has ended by an edge."""
    times, on_ns = [], 0
    for edge in pod.edges():
        if edge.state == "on":
            on_ns = edge.t_mono_ns
        elif on_ns:
            times.append((edge.t_mono_ns - on_ns) / 1e6)
            on_ns = 0
    return times


def assert_audit_is_whole(pod: RunningPod) -> None:
    conn = connect_reader(pod.data_dir / "pod.db")
    try:
        result = verify(conn)
    finally:
        conn.close()
    assert result.ok, result


@needs_gstreamer
def test_a_listed_plate_before_a_real_camera_pulses_the_gate_and_the_audit_says_why(tmp_path: Path) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with (
        CameraProcess({"gate": [gate_clips.drive_up()]}) as camera,
        RunningPod(tmp_path, camera.url("gate")) as pod,
    ):
        until(lambda: pod.payloads("outcome"), what="an outcome")
        health = json.loads(pod.get("healthz"))
        page = pod.get("").decode()
        metrics = pod.get("metrics").decode()
        assert pod.stop() == 0
    (intent, *_), (outcome, *_) = pod.payloads("intent"), pod.payloads("outcome")
    assert (intent["plate"], intent["reason"], outcome["result"]) == (gate_clips.PLATE, "listed", "pulsed")
    assert next(edge.pulse for edge in pod.pulses()) == intent["pulse"]
    assert max(on_times_ms(pod)) <= PULSE_LIMIT_MS
    assert health["status"] == "ok"
    assert "Open commanded" in page
    assert 'platebridge_gate_pulses_total{gate="main",result="pulsed"} 1.0' in metrics
    assert [row.kind for row in pod.rows()][-1] == "pod_stopped"
    assert_audit_is_whole(pod)


@needs_gstreamer
def test_an_unlisted_plate_is_recorded_once_and_opens_nothing(tmp_path: Path) -> None:
    with (
        CameraProcess({"gate": [gate_clips.drive_up()]}) as camera,
        RunningPod(tmp_path, camera.url("gate")) as pod,
    ):
        until(lambda: pod.payloads("decision"), what="a decision")
    assert [(d["plate"], d["reason"]) for d in pod.payloads("decision")] == [(gate_clips.PLATE, "not_listed")]
    assert pod.pulses() == []


def test_told_to_stop_while_it_starts_it_stops_in_order(tmp_path: Path) -> None:
    with RunningPod(tmp_path, str(gate_clips.standing()), loop=True) as pod:
        until(lambda: [row for row in pod.rows() if row.kind == "pod_started"], what="the first row")
        assert pod.stop() == 0
    assert pod.rows()[-1].kind == "pod_stopped"


def test_a_plate_listed_while_the_pod_runs_opens_without_a_restart(tmp_path: Path) -> None:
    with RunningPod(tmp_path, str(gate_clips.drive_up()), loop=True) as pod:
        until(lambda: pod.address, what="the pod's start")
        list_plates(tmp_path / "data", [gate_clips.PLATE])
        until(pod.pulses, timeout_s=45, what="a pulse")


@pytest.mark.proof(2)
def test_a_listed_car_that_stands_there_at_every_start_opens_nothing(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    starts = often(STARTS, STARTS_TO_PROVE)
    for _ in range(starts):
        with RunningPod(tmp_path, str(gate_clips.standing()), loop=True) as pod:
            seen = len(pod.payloads("decision"))
            until(lambda before=seen: len(pod.payloads("decision")) > before, what="a decision")
    assert {d["reason"] for d in pod.payloads("decision")} == {"not_moved"}
    prove(attempts=starts, losses=len(pod.pulses()))


@pytest.mark.proof(1)
@pytest.mark.proof(4)
@pytest.mark.proof(5)
def test_killed_at_any_moment_it_loses_no_committed_decision_and_leaves_no_line_active(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    pod = RunningPod(tmp_path, str(gate_clips.drive_up()), loop=True)
    moments = random.Random(20)
    known: list[tuple[int, bytes]] = []
    kills_in_pulse = 0
    kills = often(KILLS, KILLS_TO_PROVE)
    for attempt in range(kills):
        pulses = len(pod.pulses())
        pod.start()
        if attempt % 2:
            # Half of the kills wait for the car, so that they fall around intent, edge and outcome.
            until(lambda before=pulses: len(pod.pulses()) > before, timeout_s=60, what="a pulse")
            time.sleep(moments.uniform(0, PULSE_MS / 1000))
        else:
            time.sleep(moments.uniform(0.2, 6.0))
        kills_in_pulse += pod.line_is_active()
        pod.kill()
        until(lambda: not pod.line_is_active(), timeout_s=PULSE_LIMIT_MS / 1000, what="the line at rest")
        rows = [(row.seq, row.link) for row in pod.rows()]
        assert rows[: len(known)] == known, "a committed row changed or went missing"
        known = rows
        assert_audit_is_whole(pod)
    intents = {intent["pulse"] for intent in pod.payloads("intent")}
    pulses_seen = pod.pulses()
    assert kills_in_pulse >= 1, "no kill fell into a pulse: the test proved nothing"
    assert {edge.pulse for edge in pulses_seen} <= intents, "a pulse without a committed intent"
    assert max(on_times_ms(pod)) <= PULSE_LIMIT_MS
    prove(
        attempts=len(pulses_seen),
        faults=kills,
        kills_in_a_pulse=kills_in_pulse,
        rows=len(known),
        longest_on_ms=round(max(on_times_ms(pod)), 1),
    )


@needs_gstreamer
@pytest.mark.proof(11)
def test_frames_that_the_network_held_back_and_then_burst_open_nothing(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    bursts = often(1, 3)
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    sent = tmp_path / "sent.jsonl"
    with (
        CameraProcess({"gate": [gate_clips.passing()]}, log=sent) as camera,
        Proxy(camera.port) as proxy,
        RunningPod(tmp_path, f"rtsp://127.0.0.1:{proxy.port}/gate") as pod,
    ):
        # The control: the same car, not held back, is opened for.
        until(pod.pulses, timeout_s=60, what="the control pulse")
        pulses = len(pod.pulses())
        for _ in range(bursts):
            wait_for_clip_time(sent, gate_clips.PASSING_FROM_S - 0.5)
            proxy.hold()
            wait_for_clip_time(sent, gate_clips.PASSING_TO_S + FRESHNESS_LIMIT_S + 0.5)
            proxy.release()
            wait_for_clip_time(sent, gate_clips.PASSING_TO_S + FRESHNESS_LIMIT_S + 3.5)
        metrics = pod.get("metrics").decode()
        opened = len(pod.pulses()) - pulses
        assert counted(metrics, 'platebridge_camera_source_total{camera="entry",count="units_late"}') > 30
        assert counted(metrics, 'platebridge_camera_source_total{camera="entry",count="sessions"}') == 1
    prove(attempts=bursts, faults=bursts, losses=opened)


def counted(metrics: str, name: str) -> float:
    return next(float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if line.startswith(name))


def wait_for_clip_time(sent: Path, clip_s: float) -> None:
    """Wait until the camera has sent the frame at this time of its clip, in this loop or the next."""
    clip_frames = round((gate_clips.PASSING_TO_S + gate_clips.EMPTY_S) * gate_clips.FPS)
    wanted = round(clip_s * gate_clips.FPS)
    start = _frames_sent(sent)
    target = start + (wanted - start) % clip_frames
    until(lambda: _frames_sent(sent) >= target, what=f"clip time {clip_s} s")


def _frames_sent(log: Path) -> int:
    return len(log.read_bytes().splitlines()) if log.exists() else 0
