"""A device that times its pulse, step by step: a test ends its requests, and its clock stands still."""

import threading

import pytest

from pod.gate.timed_device import Answer, Device, Request, TimedDevice

PULSE_NS = 500_000_000
TIMEOUT_NS = 2_000_000_000


class ScriptedRequest(Request):
    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.answer: Answer = ("done", "")
        self.given_up: Answer = ("unknown", "no answer")

    def run(self) -> Answer:
        assert self.may_end.wait(10)
        return self.answer

    def give_up(self) -> Answer:
        return self.given_up


class ScriptedDevice(Device):
    timeout_ns = TIMEOUT_NS

    def __init__(self) -> None:
        self.requests: list[ScriptedRequest] = []

    def request(self, pulse_id: str) -> ScriptedRequest:
        self.requests.append(ScriptedRequest())
        return self.requests[-1]


class Bench:
    def __init__(self) -> None:
        self.now_ns = 0
        self.said: list[tuple[str, dict[str, object]]] = []
        self.woken = threading.Event()
        self.device = ScriptedDevice()
        self.line = TimedDevice(
            "web",
            self.device,
            pulse_ns=PULSE_NS,
            clock_ns=lambda: self.now_ns,
            say=lambda event, **fields: self.said.append((event, fields)),
            wake=self.woken.set,
        )

    def finish(self) -> None:
        """Let the newest request end, and take what it answered."""
        self.device.requests[-1].may_end.set()
        assert self.woken.wait(10)
        self.line.tick()

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.said]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_yes_is_on_and_the_end_of_its_time_is_off(bench: Bench) -> None:
    bench.line.begin("p")
    bench.finish()
    assert (bench.events, bench.line.due_ns) == (["on"], PULSE_NS)
    bench.now_ns = PULSE_NS
    bench.line.tick()
    assert bench.events == ["on", "off"]
    assert bench.said[1][1]["fault"] is None
    assert bench.line.refusal() is None


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        pytest.param(("not_sent", "no route"), "refused", id="not-sent"),
        pytest.param(("unknown", "cut"), "failed", id="unknown"),
    ],
)
def test_what_is_certain_is_refused_and_what_is_not_has_failed(
    bench: Bench, answer: Answer, event: str
) -> None:
    bench.line.begin("p")
    bench.device.requests[0].answer = answer
    bench.finish()
    assert bench.events == [event]
    assert bench.line.due_ns is None


def test_a_second_pulse_waits_for_the_first_to_be_over(bench: Bench) -> None:
    bench.line.begin("p")
    assert bench.line.refusal() == "a pulse is under way"
    bench.finish()
    assert bench.line.refusal() == "a pulse is under way"


def test_a_request_that_hangs_is_given_up_in_time_and_no_other_is_sent_beside_it(bench: Bench) -> None:
    bench.line.begin("p")
    bench.now_ns = TIMEOUT_NS
    bench.line.tick()
    assert bench.events == ["failed"]
    assert "has not ended" in str(bench.line.refusal())
    bench.device.requests[0].may_end.set()
    while bench.line.refusal() is not None:
        threading.Event().wait(0.001)
    bench.line.tick()
    assert bench.events == ["failed"], "an answer that comes after the end is no news"


def test_stopping_gives_a_request_up_and_ends_a_pulse_with_its_reason(bench: Bench) -> None:
    bench.line.begin("p")
    bench.device.requests[0].given_up = ("not_sent", "stopped")
    bench.line.release()
    assert bench.events == ["refused"]
    bench.device.requests[0].may_end.set()
    while bench.line.refusal() is not None:
        threading.Event().wait(0.001)
    bench.line.begin("q")
    bench.finish()
    bench.line.release()
    assert bench.events == ["refused", "on", "off"]
    assert "the guard is stopping" in str(bench.said[-1][1]["fault"])
