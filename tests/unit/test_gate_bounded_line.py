"""One line and its pulse, step by step, with a driver that fails on command and a clock that stands still."""

import pytest

from pod.gate.bounded_line import MARGIN_NS, OFF_ATTEMPTS, RETRY_NS, BoundedLine
from pod.gate.drivers.line import Line

PULSE_NS = 500_000_000


class ScriptedLine(Line):
    """Raises where told to and remembers whether the relay is energised; no hardware can fail on command."""

    def __init__(self) -> None:
        self.active = False
        self.failing: set[str] = set()
        self.calls: list[str] = []

    def on(self, pulse_id: str) -> None:
        self._step("on")
        self.active = True

    def off(self, pulse_id: str) -> None:
        self._step("off")
        self.active = False

    def release(self) -> None:
        self._step("release")
        self.active = False

    def _step(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise OSError(f"{name} is broken")


class Bench:
    """A bounded line with everything around it in reach."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.said: list[tuple[str, dict[str, object]]] = []
        self.limits_ns: list[int | None] = []
        self.driver = ScriptedLine()
        self.line = BoundedLine(
            "main",
            self.driver,
            pulse_ns=PULSE_NS,
            clock_ns=lambda: self.now_ns,
            say=lambda event, **fields: self.said.append((event, fields)),
            limit_changed=self._limit_changed,
        )

    def _limit_changed(self) -> None:
        self.limits_ns.append(self.line.limit_ns)
        self.driver.calls.append("limit")

    def run_until(self, end_ns: int) -> None:
        """Tick whenever something is due, as the guard does."""
        while self.line.due_ns is not None and self.line.due_ns <= end_ns:
            self.now_ns = self.line.due_ns
            self.line.tick()
        self.now_ns = end_ns

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.said]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_pulse_ends_after_its_time_and_not_before(bench: Bench) -> None:
    bench.line.begin("p")
    bench.run_until(PULSE_NS - 1)
    assert bench.driver.active
    bench.run_until(PULSE_NS)
    assert not bench.driver.active
    assert bench.events == ["on", "ending", "off"]
    assert bench.said[-1][1]["fault"] is None


def test_the_kernel_is_given_a_limit_before_the_line_is_touched_and_freed_of_it_at_rest(bench: Bench) -> None:
    bench.line.begin("p")
    assert bench.driver.calls == ["limit", "on"]
    bench.run_until(PULSE_NS)
    assert bench.limits_ns == [PULSE_NS + MARGIN_NS, None]


def test_a_line_in_a_pulse_refuses_another_and_takes_one_afterwards(bench: Bench) -> None:
    bench.line.begin("p")
    assert bench.line.refusal() == "a pulse is under way"
    bench.run_until(PULSE_NS)
    assert bench.line.refusal() is None


def test_a_failing_on_is_followed_by_off_at_once(bench: Bench) -> None:
    bench.driver.failing = {"on"}
    bench.line.begin("p")
    assert bench.driver.calls[-2:] == ["off", "limit"]
    assert bench.events == ["failed", "ending", "off"]
    assert bench.line.refusal() is None


def test_a_failing_off_latches_at_the_first_failure(bench: Bench) -> None:
    bench.line.begin("p")
    bench.driver.failing = {"off"}
    bench.run_until(PULSE_NS)
    assert bench.events == ["on", "ending", "off_failed"]
    bench.driver.failing = set()
    bench.run_until(PULSE_NS + RETRY_NS)
    assert not bench.driver.active
    assert bench.events[-1] == "off"
    assert "off is broken" in str(bench.line.refusal())


def test_an_off_that_keeps_failing_gives_the_line_back_within_the_margin(bench: Bench) -> None:
    bench.line.begin("p")
    bench.driver.failing = {"off"}
    bench.run_until(PULSE_NS + MARGIN_NS)
    assert bench.driver.calls.count("off") == OFF_ATTEMPTS
    assert not bench.driver.active
    assert bench.events.count("off_failed") == 1


def test_a_line_that_nothing_brings_to_rest_keeps_its_limit_for_the_kernel_to_enforce(bench: Bench) -> None:
    bench.line.begin("p")
    bench.driver.failing = {"off", "release"}
    bench.run_until(PULSE_NS + MARGIN_NS)
    assert bench.driver.active
    assert bench.line.limit_ns == PULSE_NS + MARGIN_NS
    assert "off" not in bench.events


def test_releasing_in_mid_pulse_switches_off_before_the_line_is_given_back(bench: Bench) -> None:
    bench.line.begin("p")
    bench.line.release()
    assert bench.driver.calls == ["limit", "on", "off", "limit", "release"]
    assert bench.said[-1][1]["fault"] == "the guard is stopping"


def test_releasing_goes_on_to_the_line_when_off_fails(bench: Bench) -> None:
    bench.line.begin("p")
    bench.driver.failing = {"off"}
    bench.line.release()
    assert not bench.driver.active


def test_a_release_that_fails_is_said_and_not_raised(bench: Bench) -> None:
    bench.driver.failing = {"release"}
    bench.line.release()
    assert bench.events == ["release_failed"]
