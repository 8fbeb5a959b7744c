"""The interlock of a gate, over a real guard."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from promises import Prove

from pod.config import GateConfig
from pod.domain.errors import GateError
from pod.gate.controller import REST_S, GateController, rest_after_start_s
from pod.gate.edge_trace import read_edges, trace_path
from pod.gate.guard_client import GuardClient
from pod.gate.guard_process import GuardProcess
from pod.gate.pulse import GateBusyError, NotPulsedError, PulseEnd, PulseStarted

GATE = GateConfig(name="main", pulse_ms=50, pause_s=10)


class Clock:
    """A monotonic clock that runs ahead of the machine's by as much as a test wants."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


class Ends:
    """Collects the ends of pulses and lets a test wait for one."""

    def __init__(self) -> None:
        self.all: list[PulseEnd] = []
        self._came = threading.Event()

    def __call__(self, end: PulseEnd) -> None:
        self.all.append(end)
        self._came.set()

    def one(self) -> PulseEnd:
        assert self._came.wait(10)
        self._came.clear()
        return self.all[-1]


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[GuardClient]:
    client = GuardClient.start([GATE], tmp_path)
    yield client
    client.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def controller(guard: GuardClient, clock: Clock) -> GateController:
    return GateController(GATE, guard, clock_s=clock)


def test_a_pulse_has_one_on_and_one_off_and_the_length_asked_for(
    controller: GateController, tmp_path: Path
) -> None:
    ends = Ends()
    started = controller.pulse("p", ends)
    end = ends.one()
    assert (end.pulse_id, end.gate, end.error, end.on_s) == ("p", "main", None, started.on_s)
    assert 50 <= end.on_for_ms <= 150
    edges = [edge for edge in read_edges(trace_path(tmp_path, "main")) if edge.pulse == "p"]
    assert [edge.state for edge in edges] == ["on", "off"]


def test_the_pause_refuses_and_says_until_when(controller: GateController, clock: Clock) -> None:
    ends = Ends()
    started = controller.pulse("p", ends)
    ends.one()
    with pytest.raises(GateBusyError) as caught:
        controller.pulse("q", ends)
    assert caught.value.until_s == pytest.approx(started.on_s + GATE.pause_s)
    assert 9 < controller.pause_left_s() <= 10
    clock.ahead_s = GATE.pause_s
    assert controller.pause_left_s() == 0
    controller.pulse("q", ends)
    assert ends.one().pulse_id == "q"


@pytest.mark.proof(10)
def test_of_cameras_that_ask_at_once_one_gets_the_pulse(
    controller: GateController, tmp_path: Path, prove: Prove
) -> None:
    answers: list[object] = []
    together = threading.Barrier(8)

    def ask(camera: int) -> None:
        together.wait()
        try:
            answers.append(controller.pulse(f"p{camera}", Ends()))
        except GateError as error:
            answers.append(error)

    threads = [threading.Thread(target=ask, args=(camera,)) for camera in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(answer, PulseStarted) for answer in answers) == 1
    assert sum(isinstance(answer, GateBusyError) for answer in answers) == 7
    given = sum(edge.state == "on" for edge in read_edges(trace_path(tmp_path, "main")))
    prove(attempts=len(answers), losses=abs(given - 1))


def test_a_refusal_that_touched_nothing_starts_no_pause(
    controller: GateController, guard: GuardClient
) -> None:
    guard.close()
    with pytest.raises(NotPulsedError, match="stopping"):
        controller.pulse("p", Ends())
    assert controller.pause_left_s() == 0


def test_a_pulse_asked_for_while_the_guard_is_told_to_stop_says_so(
    controller: GateController, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(process: GuardProcess, request: bytes) -> None:
        raise BrokenPipeError("the guard is stopping")

    monkeypatch.setattr(GuardProcess, "send", stopping)
    with pytest.raises(NotPulsedError, match=r"takes no requests \(the guard is stopping\)"):
        controller.pulse("p", Ends())


class SilentGuard(GuardClient):
    """Takes a request and never answers, as a guard on an overloaded machine."""

    def pulse(self, gate: str, pulse_id: str, *, on_end: object) -> PulseStarted:
        raise GateError("no answer")


def test_a_pause_as_short_as_the_pulse_still_lets_the_line_rest_between_two(tmp_path: Path) -> None:
    gate = GateConfig(name="main", pulse_ms=1000, pause_s=1)
    guard = GuardClient.start([gate], tmp_path)
    try:
        controller, ends = GateController(gate, guard), Ends()
        controller.pulse("p", ends)
        end = ends.one()
        with pytest.raises(GateBusyError) as caught:
            controller.pulse("q", ends)
        assert caught.value.until_s - end.off_s > REST_S - 0.15
    finally:
        guard.close()


def test_a_request_whose_fate_is_unknown_starts_the_pause(tmp_path: Path) -> None:
    guard = SilentGuard.start([GATE], tmp_path)
    controller = GateController(GATE, guard)
    with pytest.raises(GateError, match="no answer"):
        controller.pulse("p", Ends())
    assert controller.pause_left_s() > 9
    guard.close()


@pytest.mark.parametrize("pulse_id", ["", "two words", "ümlaut", "x" * 65, "line\nbreak"], ids=repr)
def test_an_id_that_would_break_the_guards_line_is_refused(
    controller: GateController, tmp_path: Path, pulse_id: str
) -> None:
    with pytest.raises(NotPulsedError, match="pulse id"):
        controller.pulse(pulse_id, Ends())
    assert all(edge.state == "off" for edge in read_edges(trace_path(tmp_path, "main")))


def test_a_listener_that_fails_does_not_end_the_guard(controller: GateController, clock: Clock) -> None:
    called = threading.Event()

    def broken(end: PulseEnd) -> None:
        called.set()
        raise RuntimeError("the store is gone")

    controller.pulse("p", broken)
    assert called.wait(10)
    clock.ahead_s = GATE.pause_s
    ends = Ends()
    controller.pulse("q", ends)
    assert ends.one().error is None


@pytest.mark.proof(17)
def test_the_interface_offers_nothing_but_a_pulse(prove: Prove) -> None:
    offered = {name for name in dir(GateController) if not name.startswith("_")}
    told = {"name", "state", "facts", "alarms", "pause_left_s", "longest_answer_s"}
    assert offered - told == {"pulse"}
    prove(attempts=len(offered))


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WHOLE_S = GATE.pause_s + 0.25
"""The pause, and how late a pulse may follow its intent."""


@pytest.mark.parametrize(
    ("ago_s", "doubt", "left_s"),
    [
        pytest.param(None, "", 0.0, id="never-asked"),
        pytest.param(0.0, "", WHOLE_S, id="just-asked"),
        pytest.param(4.0, "", WHOLE_S - 4.0, id="in-the-pause"),
        pytest.param(60.0, "", 0.0, id="long-ago"),
        pytest.param(-60.0, "", WHOLE_S, id="asked-in-the-future"),
        pytest.param(60.0, "nobody keeps the clock", WHOLE_S, id="clock-in-doubt"),
        pytest.param(None, "nobody keeps the clock", 0.0, id="never-asked-and-clock-in-doubt"),
    ],
)
def test_what_is_left_of_the_pause_is_served_after_a_start(
    guard: GuardClient, ago_s: float | None, doubt: str, left_s: float
) -> None:
    asked_at = None if ago_s is None else NOW - timedelta(seconds=ago_s)
    assert rest_after_start_s(GATE, guard, asked_at, now=NOW, doubt=doubt) == pytest.approx(left_s)


def test_a_gate_that_rests_at_the_start_takes_no_pulse_before_its_time(
    guard: GuardClient, clock: Clock
) -> None:
    gate = GateController(GATE, guard, rest_s=5.0, clock_s=clock)
    with pytest.raises(GateBusyError):
        gate.pulse("p", Ends())
    clock.ahead_s = 5.1
    ends = Ends()
    gate.pulse("q", ends)
    assert ends.one().error is None
