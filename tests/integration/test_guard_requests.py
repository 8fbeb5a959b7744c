"""The guard's own interface: it takes one kind of request, says no to all else, and survives what it may."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from gate_fixtures import LIMIT_MS, PULSE_MS, is_active, on_times_ms, pulses, until
from mutations import mutated
from promises import Prove

Event = dict[str, object]


class RawGuard:
    """A guard spoken to over its pipes."""

    def __init__(self, run_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-m", "pod.gate.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
        trace = str(run_dir / "main.edges.jsonl")
        gates = [{"name": "main", "driver": "simulated", "pulse_ms": PULSE_MS, "trace": trace}]
        self.write(json.dumps({"parent": os.getpid(), "gates": gates}).encode() + b"\n")
        assert self.read("ready")["gates"] == {"main": None}

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def ask(self, pulse_id: str, gate: str = "main", valid_ms: int = 200) -> None:
        self.write(f"pulse {gate} {pulse_id} {time.monotonic_ns() + valid_ms * 1_000_000}\n".encode())

    def read(self, *kinds: str) -> Event:
        """The next event of one of these kinds."""
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            assert line, "the guard ended"
            event: Event = json.loads(line)
            if event["event"] in kinds:
                return event

    def end(self) -> int:
        """End of input; the exit status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(5)
        self.process.stdout.close()
        return code


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[RawGuard]:
    raw = RawGuard(tmp_path)
    yield raw
    raw.process.kill()
    raw.process.wait()


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(b"hold main p {valid}", id="hold"),
        pytest.param(b"close main p {valid}", id="close"),
        pytest.param(b"on main p {valid}", id="on"),
        pytest.param(b"off main p {valid}", id="off"),
        pytest.param(b"", id="empty"),
        pytest.param(b"pulse main p", id="no validity"),
        pytest.param(b"pulse main p {valid} 5000", id="a length"),
        pytest.param(b"pulse main p -1", id="a negative validity"),
        pytest.param(b"pulse main  {valid}", id="an empty id"),
        pytest.param(b"pulse main " + b"p" * 65 + b" {valid}", id="a long id"),
        pytest.param("pulse main é {valid}".encode(), id="not ascii"),
        pytest.param(b"\x00\xff\xfe", id="bytes"),
        pytest.param(b"x" * 100_000, id="an endless line"),
    ],
)
def test_anything_but_a_pulse_is_answered_with_an_error_and_changes_nothing(
    guard: RawGuard, tmp_path: Path, request_line: bytes
) -> None:
    valid_until = str(time.monotonic_ns() + 200_000_000).encode()
    guard.write(request_line.replace(b"{valid}", valid_until) + b"\n")
    assert guard.read("error", "refused", "on")["event"] == "error"
    assert pulses(tmp_path) == []
    guard.ask("after")
    assert guard.read("error", "refused", "on")["event"] == "on"


@pytest.mark.proof(17)
def test_no_words_make_the_guard_do_more_than_give_single_pulses_of_the_set_length(
    guard: RawGuard, tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    chance = random.Random(17)
    verbs = (
        *["pulse"] * 20,
        "PULSE",
        "hold",
        "close",
        "open",
        "on",
        "off",
        "keep",
        "bypass",
        "pulse pulse",
        "",
    )
    attempts = often(300, 5000)
    answered = {"on": 0, "refused": 0, "error": 0}
    for attempt in range(attempts):
        words = [chance.choice(verbs), chance.choice(("main", "main", "attic", "*", ""))]
        words.append(chance.choice((f"p{attempt}", f"p{attempt}", f"p{attempt - 1}", "", "a b")))
        words.append(str(time.monotonic_ns() + chance.choice((-1, 150, 150, 10**7)) * 1_000_000))
        words += chance.choice(([], [], [], [], ["60000"], ["hold"]))
        guard.write(" ".join(words).encode() + b"\n")
        answered[str(guard.read("on", "refused", "error")["event"])] += 1
    assert min(answered.values()) > 0, answered
    until(lambda: not is_active(tmp_path))
    times_ms = on_times_ms(tmp_path, dead_ns=time.monotonic_ns())
    assert len(times_ms) == len(pulses(tmp_path)) == answered["on"]
    lost = sum(not PULSE_MS <= on_ms <= LIMIT_MS for on_ms in times_ms)
    prove(attempts=attempts, losses=lost, pulses=answered["on"], longest_on_ms=max(times_ms))


def test_the_end_of_an_endless_line_is_no_request(guard: RawGuard, tmp_path: Path) -> None:
    guard.write(b"x" * 4096)  # Just what the guard reads at once.
    guard.ask("p")
    assert guard.read("error", "refused", "on")["event"] == "error"
    assert pulses(tmp_path) == []


def test_a_request_that_comes_too_late_is_refused(guard: RawGuard, tmp_path: Path) -> None:
    guard.process.send_signal(signal.SIGSTOP)
    guard.ask("p", valid_ms=1)
    time.sleep(0.005)  # The time that makes the request late.
    guard.process.send_signal(signal.SIGCONT)
    assert "too late" in str(guard.read("refused", "on")["reason"])
    assert pulses(tmp_path) == []


@pytest.mark.parametrize("valid_ms", [60_000, 10**300], ids=["a minute", "an endless number"])
def test_a_request_that_would_stay_valid_for_long_is_refused(guard: RawGuard, valid_ms: int) -> None:
    guard.ask("p", valid_ms=valid_ms)
    assert "too long" in str(guard.read("refused", "on")["reason"])


def test_a_pulse_is_given_once_however_often_it_is_asked_for(guard: RawGuard, tmp_path: Path) -> None:
    guard.ask("p")
    guard.read("on")
    guard.read("off")
    guard.ask("p")
    assert "before" in str(guard.read("refused", "on")["reason"])
    assert len(pulses(tmp_path)) == 1


def test_a_pulse_during_a_pulse_is_refused_and_does_not_lengthen_it(guard: RawGuard, tmp_path: Path) -> None:
    guard.ask("p")
    guard.read("on")
    guard.ask("q")
    assert "under way" in str(guard.read("refused", "on")["reason"])
    guard.read("off")
    [on_ms] = on_times_ms(tmp_path, dead_ns=time.monotonic_ns())
    assert PULSE_MS <= on_ms <= LIMIT_MS


def test_an_unknown_gate_is_refused(guard: RawGuard) -> None:
    guard.ask("p", gate="attic")
    assert "no such gate" in str(guard.read("refused", "on")["reason"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "terminal closed"])
def test_signals_to_a_whole_terminal_leave_the_guard_at_work(guard: RawGuard, number: signal.Signals) -> None:
    guard.ask("p")
    guard.read("on")
    guard.process.send_signal(number)
    assert guard.read("off")["fault"] is None
    guard.ask("q")
    guard.read("on")


def test_sigterm_in_mid_pulse_brings_the_line_to_rest_and_ends_the_guard(
    guard: RawGuard, tmp_path: Path
) -> None:
    guard.ask("p")
    guard.read("on")
    guard.process.send_signal(signal.SIGTERM)
    assert guard.read("off")["fault"] == "the guard is stopping"
    assert guard.process.wait(5) == 0
    assert not is_active(tmp_path)


def test_end_of_input_in_mid_pulse_brings_the_line_to_rest_and_ends_the_guard(
    guard: RawGuard, tmp_path: Path
) -> None:
    guard.ask("p")
    guard.read("on")
    assert guard.end() == 0
    assert not is_active(tmp_path)
    assert len(on_times_ms(tmp_path, dead_ns=time.monotonic_ns())) == 1


def test_a_parent_that_reads_nothing_delays_no_line(guard: RawGuard, tmp_path: Path) -> None:
    for _ in range(2000):  # Answers to these fill the pipe several times over.
        guard.write(b"garbage\n")
    guard.ask("p")
    until(lambda: is_active(tmp_path))
    guard.write(b"garbage\n" * 500)
    until(lambda: not is_active(tmp_path))
    [on_ms] = on_times_ms(tmp_path, dead_ns=time.monotonic_ns())
    assert on_ms <= LIMIT_MS
    event: Event = {}
    while "dropped" not in event:  # Reading again makes room, and the next event tells what was lost.
        guard.write(b"garbage\n")
        event = guard.read("error", "beat")
    assert int(str(event["dropped"])) > 0


def test_two_guards_cannot_hold_one_line(guard: RawGuard, tmp_path: Path) -> None:
    second = subprocess.run(
        [sys.executable, "-I", "-m", "pod.gate.guard"],
        input=json.dumps(
            {
                "parent": os.getpid(),
                "gates": [
                    {
                        "name": "main",
                        "driver": "simulated",
                        "pulse_ms": 100,
                        "trace": str(tmp_path / "main.edges.jsonl"),
                    }
                ],
            }
        ).encode()
        + b"\n",
        capture_output=True,
        timeout=20,
    )
    assert "another process holds this line" in json.loads(second.stdout.splitlines()[0])["gates"]["main"]


def test_the_guard_stays_small(guard: RawGuard, capsys: pytest.CaptureFixture[str]) -> None:
    process = psutil.Process(guard.process.pid)
    rss_mb = process.memory_info().rss / 1e6
    with capsys.disabled():
        print(f"\n  the guard uses {rss_mb:.1f} MB")
    assert rss_mb < 20
    assert process.num_threads() == 1
    loaded = {Path(part.path).name for part in process.memory_maps()}
    assert not [name for name in loaded if "numpy" in name or "pydantic" in name or "libav" in name]


@pytest.mark.proof(21)
def test_spoilt_requests_are_refused_or_give_single_pulses_and_the_guard_goes_on(
    guard: RawGuard, tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    chance = random.Random(21)
    attempts = often(1000, 20_000)
    answered = {"on": 0, "refused": 0, "error": 0}
    for attempt in range(attempts):
        request = f"pulse main p{attempt} {time.monotonic_ns() + 150_000_000}".encode()
        guard.write(mutated(request, chance).replace(b"\n", b" ") + b"\n")
        answered[str(guard.read("on", "refused", "error")["event"])] += 1
    guard.ask("after")
    guard.read("on", "refused")
    until(lambda: not is_active(tmp_path))
    times_ms = on_times_ms(tmp_path, dead_ns=time.monotonic_ns())
    assert len(times_ms) >= answered["on"]
    prove(
        attempts=attempts,
        faults=answered["refused"] + answered["error"],
        losses=sum(on_ms > LIMIT_MS for on_ms in times_ms),
        pulses=len(times_ms),
    )
