"""Whatever one thing fails, the line falls in time: real processes, real signals, a real trace of edges."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from gate_fixtures import (
    HERE,
    LIMIT_MS,
    PULSE_MS,
    Recorder,
    a_gate,
    guard_with,
    is_active,
    is_gone,
    is_replaced,
    on_times_ms,
    pulses,
    until,
)
from promises import Prove

from pod.domain.errors import GateError
from pod.gate.edge_trace import read_edges, trace_path
from pod.gate.pulse import NotPulsedError

KILLS = 30
GUARD_KILLS = 10
KILLS_TO_PROVE = 200
RESTARTS = 3
RESTARTS_TO_PROVE = 40


@dataclass(frozen=True)
class Pod:
    """A pod process that pulses its gate once, with its guard. Both may be dead by now."""

    pid: int
    guard_pid: int
    run_dir: Path

    def kill(self) -> int:
        """End the pod; CLOCK_MONOTONIC in nanoseconds when the guard was seen to be gone, too."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        until(lambda: is_gone(self.guard_pid))
        return time.monotonic_ns()


@pytest.fixture(scope="module")
def start_pod() -> Iterator[Callable[[Path], Pod]]:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "gate_pod.py"), str(PULSE_MS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    requests, answers = server.stdin, server.stdout

    def start(run_dir: Path) -> Pod:
        requests.write(f"{run_dir}\n")
        pid, guard_pid = answers.readline().split()
        return Pod(int(pid), int(guard_pid), run_dir)

    yield start
    server.kill()
    server.wait()
    requests.close()
    answers.close()


@pytest.mark.proof(1)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["SIGKILL", "SIGSTOP"])
def test_a_pod_killed_or_stopped_at_any_moment_never_leaves_the_line_on(
    start_pod: Callable[[Path], Pod],
    tmp_path: Path,
    number: signal.Signals,
    prove: Prove,
    often: Callable[[int, int], int],
) -> None:
    moments = random.Random(20_260)
    during = 0
    worst_ms = 0.0
    kills = often(KILLS, KILLS_TO_PROVE)
    for attempt in range(kills):
        run_dir = tmp_path / str(attempt)
        pod = start_pod(run_dir)
        until(lambda at=run_dir: bool(pulses(at)))
        time.sleep(moments.uniform(0, PULSE_MS * 1.1) / 1000)  # The moment of the signal is what is tried.
        during += is_active(run_dir)
        os.kill(pod.pid, number)
        until(lambda at=run_dir: not is_active(at))
        fell_ns = time.monotonic_ns()
        pod.kill()
        times = on_times_ms(run_dir, dead_ns=fell_ns)
        assert len(times) == 1
        assert not is_active(run_dir)
        worst_ms = max(worst_ms, *times)
    assert during >= kills // 2
    prove(attempts=kills, faults=kills, losses=worst_ms > LIMIT_MS, in_a_pulse=during, longest_on_ms=worst_ms)


@pytest.mark.proof(1)
def test_sigkill_of_the_guard_at_any_moment_releases_the_line_and_is_reported(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    moments = random.Random(20_261)
    during = 0
    worst_ms = 0.0
    kills = often(GUARD_KILLS, KILLS_TO_PROVE)
    for attempt in range(kills):
        run_dir, recorder = tmp_path / str(attempt), Recorder()
        client = recorder.start(run_dir)
        try:
            client.pulse("main", "p", on_end=recorder.ends.append)
            time.sleep(moments.uniform(0, PULSE_MS * 1.1) / 1000)  # The moment of the kill is what is tried.
            during += is_active(run_dir)
            guard_pid = client.pid
            assert guard_pid is not None
            os.kill(guard_pid, signal.SIGKILL)
            until(lambda seen=recorder: bool(seen.ends))
            until(lambda running=client, killed=guard_pid: is_replaced(running, killed))
            assert not is_active(run_dir)
            assert len(pulses(run_dir)) == 1, "the next guard pulsed by itself"
            worst_ms = max(worst_ms, recorder.ends[0].on_for_ms)
        finally:
            client.close()
    assert during >= kills // 2
    prove(attempts=kills, faults=kills, losses=worst_ms > LIMIT_MS, in_a_pulse=during, longest_on_ms=worst_ms)


FROZEN_LIMIT_MS = PULSE_MS + 200
"""The promise leaves a frozen guard to the relay: the pod ends it 80 ms after a pulse should have ended, and
a loaded machine may keep the pod itself waiting for longer than the other 20."""


@pytest.mark.proof(1)
def test_a_guard_frozen_in_mid_pulse_is_ended_by_the_pod(tmp_path: Path, prove: Prove) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path)
    try:
        client.pulse("main", "p", on_end=recorder.ends.append)
        frozen = client.pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: not is_active(tmp_path))
        dead_ns = time.monotonic_ns()
        until(lambda: bool(recorder.ends))
        [on_ms] = on_times_ms(tmp_path, dead_ns=dead_ns)
        assert PULSE_MS < on_ms <= FROZEN_LIMIT_MS
        prove(attempts=1, faults=1, longest_on_ms_of_a_frozen_guard=on_ms)
        assert recorder.ends[0].error is not None
        until(lambda: is_replaced(client, frozen))
        assert len(pulses(tmp_path)) == 1
    finally:
        client.close()


def test_a_guard_frozen_between_pulses_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pod.gate.guard_client.SILENCE_NS", 2_000_000_000)
    client = Recorder().start(tmp_path)
    try:
        frozen = client.pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: not client.alive)
        until(lambda: is_replaced(client, frozen) and client.alive)
        assert is_gone(frozen)
        assert pulses(tmp_path) == []
    finally:
        client.close()


def test_keys_pressed_at_the_pods_terminal_do_not_reach_the_guard(tmp_path: Path) -> None:
    client = Recorder().start(tmp_path)
    try:
        assert client.pid is not None
        assert os.getpgid(client.pid) != os.getpgid(0)
    finally:
        client.close()


def test_a_guard_outlives_no_pod_even_when_a_stranger_keeps_its_input_open(tmp_path: Path) -> None:
    script = (
        "import json, os, subprocess, sys, time\n"
        "guard = subprocess.Popen([sys.executable, '-I', '-m', 'pod.gate.guard'], stdin=subprocess.PIPE)\n"
        "gates = [{'name': 'main', 'driver': 'simulated', 'pulse_ms': 5000, 'trace': sys.argv[1]}]\n"
        "guard.stdin.write(json.dumps({'parent': os.getpid(), 'gates': gates}).encode() + b'\\n')\n"
        "guard.stdin.write(b'pulse main p %d\\n' % (time.monotonic_ns() + 900_000_000))\n"
        "guard.stdin.flush()\n"
        "leak = subprocess.Popen(['sleep', '60'], pass_fds=[guard.stdin.fileno()])\n"
        "print(guard.pid, leak.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    trace = tmp_path / "main.edges.jsonl"
    pod = subprocess.Popen([sys.executable, "-c", script, str(trace)], stdout=subprocess.PIPE, text=True)
    assert pod.stdout is not None
    ids = ""
    while len(ids.split()) != 2:  # The guard's own events share this pipe.
        ids = pod.stdout.readline()
    guard_pid, stranger_pid = map(int, ids.split())
    try:
        until(lambda: is_active(tmp_path))
        killed_ns = time.monotonic_ns()
        pod.kill()
        pod.wait()
        until(lambda: is_gone(guard_pid))
        assert not is_gone(stranger_pid)
        assert not is_active(tmp_path)
        assert (read_edges(trace)[-1].t_mono_ns - killed_ns) / 1e6 <= 100
    finally:
        os.kill(stranger_pid, signal.SIGKILL)
        pod.stdout.close()


@pytest.mark.parametrize("fault", ["on_raises_before", "on_raises_after"])
def test_a_driver_that_fails_to_switch_on_is_an_error_and_leaves_the_line_at_rest(
    tmp_path: Path, fault: str
) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, command=guard_with(fault))
    try:
        with pytest.raises(GateError, match="switching on failed") as caught:
            client.pulse("main", "p", on_end=recorder.ends.append)
        assert not isinstance(caught.value, NotPulsedError), "the line may have been touched"
        until(lambda: not is_active(tmp_path))
        assert all(on_ms <= LIMIT_MS for on_ms in on_times_ms(tmp_path, dead_ns=time.monotonic_ns()))
        assert client.state("main").condition == "ready"
        assert recorder.ends == []
    finally:
        client.close()


@pytest.mark.proof(1)
@pytest.mark.proof(3)
@pytest.mark.parametrize(
    "fault", ["off_raises_1", "off_raises_2", "off_raises_always", "off_and_release_raise", "off_hangs"]
)
def test_an_off_that_fails_is_retried_in_time_latches_the_gate_and_raises_the_alarm(
    tmp_path: Path, fault: str, prove: Prove
) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, a_gate(), command=guard_with(fault))
    try:
        client.pulse("main", "p", on_end=recorder.ends.append)
        until(lambda: not is_active(tmp_path))
        assert on_times_ms(tmp_path, dead_ns=time.monotonic_ns())[0] <= LIMIT_MS
        until(lambda: bool(recorder.ends))
        assert recorder.ends[0].error is not None
        assert client.state("main").condition == "latched"
        until(lambda: "gate_latched" in recorder.alarms)
        assert "check the relay and its wiring" in recorder.alarms["gate_latched"]
        until(lambda: client.alive)
        for attempt in range(10):
            with pytest.raises(NotPulsedError, match="run `platebridge gate unlatch main`"):
                client.pulse("main", f"q{attempt}", on_end=recorder.ends.append)
        assert [state.condition for state in recorder.states].count("latched") == 1
        prove(attempts=10, faults=1, losses=len(pulses(tmp_path)) - 1)
    finally:
        client.close()


def test_a_gate_stays_latched_when_its_guard_is_started_again(tmp_path: Path) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, command=guard_with("off_raises_1"))
    try:
        client.pulse("main", "p", on_end=recorder.ends.append)
        until(lambda: bool(recorder.ends))
        killed = client.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(lambda: is_replaced(client, killed))
        with pytest.raises(NotPulsedError, match="gate unlatch main"):
            client.pulse("main", "q", on_end=recorder.ends.append)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("fault", "latches"),
    [
        pytest.param("on_hangs", False, id="on_hangs"),
        pytest.param("on_and_off_raise", True, id="on_and_off_raise"),
        pytest.param("on_raises_off_hangs", True, id="on_raises_off_hangs"),
    ],
)
def test_a_driver_that_goes_wrong_while_switching_on_loses_the_line_in_time(
    tmp_path: Path, fault: str, latches: bool
) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, command=guard_with(fault))
    try:
        first = client.pid
        with pytest.raises(GateError) as caught:
            client.pulse("main", "p", on_end=recorder.ends.append)
        assert not isinstance(caught.value, NotPulsedError)
        until(lambda: not is_active(tmp_path))
        assert max(on_times_ms(tmp_path, dead_ns=time.monotonic_ns())) <= LIMIT_MS
        if fault.endswith("hangs"):
            assert first is not None
            until(lambda: is_replaced(client, first))
        until(lambda: client.state("main").condition == ("latched" if latches else "ready"))
    finally:
        client.close()


def test_a_line_that_cannot_be_taken_is_unavailable_and_says_why(tmp_path: Path) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, command=guard_with("take_raises"))
    try:
        assert client.state("main").condition == "unavailable"
        with pytest.raises(NotPulsedError, match="no such chip"):
            client.pulse("main", "p", on_end=recorder.ends.append)
    finally:
        client.close()


def test_a_guard_that_cannot_start_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="did not start"):
        Recorder().start(tmp_path, command=(sys.executable, "-c", "raise SystemExit('broken')"))


@pytest.mark.proof(2)
def test_starts_and_restarts_give_no_pulse(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    rounds = often(RESTARTS, RESTARTS_TO_PROVE)
    for _ in range(rounds):
        client = Recorder().start(tmp_path, a_gate("in"), a_gate("out"))
        killed = client.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(lambda running=client, gone=killed: is_replaced(running, gone) and running.alive)
        client.close()
    edges = [edge for gate in ("in", "out") for edge in read_edges(trace_path(tmp_path, gate))]
    assert len(edges) == rounds * 4, "each start drives each line to rest"
    prove(attempts=2 * rounds, faults=rounds, losses=sum(edge.state == "on" for edge in edges))


def test_closing_the_client_in_mid_pulse_cuts_the_pulse_and_reports_it(tmp_path: Path) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, a_gate(pulse_ms=5000))
    client.pulse("main", "p", on_end=recorder.ends.append)
    client.close()
    assert not is_active(tmp_path)
    assert [end.error for end in recorder.ends] == ["the guard is stopping"]
    assert recorder.ends[0].on_for_ms < 5000
    with pytest.raises(NotPulsedError):
        client.pulse("main", "q", on_end=recorder.ends.append)


def test_gates_of_one_guard_pulse_independently(tmp_path: Path) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, a_gate("in", 300), a_gate("out", 100))
    try:
        client.pulse("in", "p", on_end=recorder.ends.append)
        client.pulse("out", "q", on_end=recorder.ends.append)
        assert is_active(tmp_path, "in")
        until(lambda: len(recorder.ends) == 2)
        assert [end.gate for end in recorder.ends] == ["out", "in"]
        assert [end.error for end in recorder.ends] == [None, None]
    finally:
        client.close()
