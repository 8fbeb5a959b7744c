"""The pod's side of the guard: its signs of life, and what becomes of a guard it does not understand."""

import itertools
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from gate_fixtures import Recorder, a_gate, guard_with, is_gone, is_replaced, pulses, until
from mutations import spoilt
from promises import Prove

from pod.domain.errors import GateError
from pod.gate.guard_client import GuardClient


def guard_that_says(answer: str = "") -> tuple[str, ...]:
    """The command of a stand-in that takes every gate, answers each request so, and ends with its input.

    Args:
        answer: the line it says, or after an @ the file of what it says.
    """
    script = (
        "import pathlib, sys\n"
        "sys.stdin.readline()\n"
        "what = sys.argv[1].encode()\n"
        "what = pathlib.Path(sys.argv[1][1:]).read_bytes() if what[:1] == b'@' else what\n"
        """print('{"event": "ready", "gates": {}}', flush=True)\n"""
        "for request in sys.stdin:\n"
        "    sys.stdout.buffer.write(what + b'\\n')\n"
        "    sys.stdout.buffer.flush()\n"
    )
    return (sys.executable, "-c", script, answer)


def test_the_client_gives_signs_of_life_while_its_guard_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pod.gate.guard_client.BEAT_S", 0.02)
    beats: list[None] = []
    client = GuardClient.start(
        [a_gate()], tmp_path, beat=lambda: beats.append(None), command=guard_that_says()
    )
    try:
        heard = len(beats)
        until(lambda: len(beats) > heard + 10)
    finally:
        client.close()


def test_the_client_gives_signs_of_life_while_it_waits_to_start_a_guard_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pod.gate.guard_client.BEAT_S", 0.02)
    monkeypatch.setattr("pod.gate.guard_client.backoff_delays_s", lambda *_: itertools.repeat(60.0))
    beats: list[None] = []
    client = GuardClient.start([a_gate()], tmp_path, beat=lambda: beats.append(None))
    try:
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)
        until(lambda: client.state("main").condition == "down")
        heard = len(beats)
        until(lambda: len(beats) > heard + 10)
    finally:
        client.close()


@pytest.mark.parametrize(
    "event",
    [
        pytest.param("{}", id="no kind"),
        pytest.param('{"event": "error"}', id="no reason"),
        pytest.param('{"event": "ready", "gates": 5}', id="gates that are a number"),
    ],
)
def test_an_event_of_a_shape_the_client_does_not_know_ends_guard_and_pod(tmp_path: Path, event: str) -> None:
    faults: list[Exception] = []
    client = GuardClient.start(
        [a_gate()],
        tmp_path,
        on_fault=faults.append,
        command=guard_that_says(event),
    )
    try:
        with pytest.raises(GateError):
            client.pulse("main", "p", on_end=lambda end: None)
        until(lambda: bool(faults))
        assert not client.alive
        assert client.state("main").condition == "down"
    finally:
        client.close()


def test_the_end_of_a_pulse_that_was_reported_too_late_is_still_told(tmp_path: Path) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, a_gate(pulse_ms=600), command=guard_with("on_answers_late"))
    try:
        with pytest.raises(GateError, match="no answer within"):
            client.pulse("main", "p", on_end=recorder.ends.append)
        until(lambda: bool(recorder.ends))
    finally:
        client.close()
    (end,) = recorder.ends
    assert (end.pulse_id, len(pulses(tmp_path))) == ("p", 1)
    assert str(end.error).startswith("the pulse was reported after its caller had given up")


def test_a_guard_that_lives_and_never_tells_of_a_pulse_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pod.gate.guard_client.SILENCE_NS", 1_000_000_000)
    script = (
        "import sys, threading\n"
        "sys.stdin.readline()\n"
        """print('{"event": "ready", "gates": {}}', flush=True)\n"""
        "over = threading.Event()\n"
        "threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()\n"
        "while not over.wait(0.1):\n"
        """    print('{"event": "beat", "inputs": {}}', flush=True)\n"""
    )
    client = Recorder().start(tmp_path, command=(sys.executable, "-c", script))
    try:
        forgetful = client.pid
        assert forgetful is not None
        with pytest.raises(GateError, match="no answer within"):
            client.pulse("main", "p", on_end=lambda end: None)
        until(lambda: is_replaced(client, forgetful))
        with pytest.raises(GateError, match="no answer within"):  # and not that p is under way
            client.pulse("main", "p", on_end=lambda end: None)
    finally:
        client.close()


def test_a_guard_that_becomes_ready_while_the_client_closes_is_ended_too(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys, time\n"
        "sys.stdin.readline()\n"
        "first, second = map(pathlib.Path, sys.argv[1:])\n"
        "if first.exists():\n"
        "    second.with_suffix('.new').write_text(str(os.getpid()))\n"
        "    second.with_suffix('.new').rename(second)\n"
        "    time.sleep(0.5)\n"  # The client is closing by then.
        "first.touch()\n"
        """print('{"event": "ready", "gates": {}}', flush=True)\n"""
        "sys.stdin.read()\n"
    )
    first, second = tmp_path / "first", tmp_path / "second"
    command = (sys.executable, "-c", script, str(first), str(second))
    client = GuardClient.start([a_gate()], tmp_path / "run", command=command)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    until(second.exists)
    client.close()
    assert is_gone(int(second.read_text()))


def test_gates_work_in_a_process_with_many_open_descriptors(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    recorder = Recorder()
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1050):
            stack.enter_context(Path(os.devnull).open("rb"))
        client = recorder.start(tmp_path)
        stack.callback(client.close)
        client.pulse("main", "p", on_end=recorder.ends.append)
        until(lambda: bool(recorder.ends))
    assert recorder.ends[0].error is None


EVENTS = tuple(
    json.dumps(event).encode()
    for event in (
        {"event": "on", "gate": "main", "pulse": "p", "t_ns": 1},
        {"event": "off", "gate": "main", "pulse": "p", "t_ns": 2, "fault": None},
        {"event": "ending", "gate": "main", "pulse": "p"},
        {"event": "refused", "gate": "main", "pulse": "p", "reason": "late"},
        {"event": "failed", "gate": "main", "pulse": "p", "reason": "busy"},
        {"event": "off_failed", "gate": "main", "pulse": "p", "reason": "stuck"},
        {"event": "beat", "inputs": {"main": {"closed": True}}},
        {"event": "input", "gate": "main", "input": "open", "active": None, "t_ns": 3, "reason": "cut"},
        {"event": "taken", "gate": "main"},
        {"event": "error", "reason": "what"},
    )
)


@pytest.mark.proof(21)
def test_whatever_a_guard_says_a_pulse_ends_in_an_answer_and_a_client_that_gives_up_says_so(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    """What is no event is passed over; an event of a shape that the client does not know ends it, told."""
    guards, attempts, gave_up = often(8, 100), 0, 0
    lines = [line.replace(b"\n", b" ") for line in spoilt(EVENTS, guards * 5)]
    for n in range(guards):
        faults: list[Exception] = []
        said = tmp_path / f"said{n}"
        said.write_bytes(b"\n".join(lines[5 * n : 5 * n + 5]) + b"\n")
        client = GuardClient.start(
            [a_gate()], tmp_path / f"run{n}", on_fault=faults.append, command=guard_that_says(f"@{said}")
        )
        try:
            attempts += 5
            with suppress(GateError):
                client.pulse("main", "p", on_end=lambda end: None)
            until(lambda c=client, f=faults: bool(f) or c.alive)
            gave_up += bool(faults)
        finally:
            client.close()
        assert faults or client.state("main").condition in ("down", "latched")
    assert gave_up > 0
    prove(attempts=attempts, faults=attempts, guards=guards, gave_up=gave_up)
