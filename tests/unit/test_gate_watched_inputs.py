"""How the guard watches inputs: what it reports, how often, and what heals a lost report."""

import errno

import pytest

from pod.config import GateConfig
from pod.domain.gate_facts import GateFact
from pod.gate import watched_inputs
from pod.gate.drivers.line import Input
from pod.gate.gate_watch import GateWatch
from pod.gate.watched_inputs import CALM_NS, POLL_NS, WatchedInputs


class Contact(Input):
    """An input that shows what a test says; hardware that fails on command does not exist here."""

    def __init__(self) -> None:
        self.active = False
        self.fd: int | None = 7
        self.fault: OSError | None = None
        self.released = 0

    def fileno(self) -> int | None:
        return self.fd

    def read(self) -> tuple[bool, int]:
        if self.fault is not None:
            raise self.fault
        return self.active, 123

    def release(self) -> None:
        self.released += 1


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 10**12
        self.said: list[dict[str, object]] = []
        self.contact = Contact()
        self.take_fault: OSError | None = None
        monkeypatch.setitem(watched_inputs.DRIVERS, "gpio", lambda given: self.taken())
        self.inputs = WatchedInputs(clock_ns=lambda: self.now_ns, say=self.say)
        self.inputs.add("main", [{"shows": "closed", "driver": "gpio"}])

    def taken(self) -> Contact:
        if self.take_fault is not None:
            raise self.take_fault
        return self.contact

    def say(self, event: str, **fields: object) -> None:
        assert event == "input"
        self.said.append(fields)

    @property
    def levels(self) -> list[object]:
        return [fields["active"] for fields in self.said]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_a_change_is_reported_once_with_its_time(bench: Bench) -> None:
    assert bench.inputs.take_missing() is False
    bench.inputs.say_all()
    bench.now_ns += CALM_NS
    bench.contact.active = True
    bench.inputs.look()
    bench.inputs.look()
    assert bench.levels == [False, True]
    assert (bench.said[1]["input"], bench.said[1]["t_ns"], bench.said[1]["reason"]) == ("closed", 123, "")
    assert bench.inputs.due_ns is None
    assert bench.inputs.filenos() == [7]


def test_a_loose_wire_is_reported_seldom_and_its_last_level_is_never_lost(bench: Bench) -> None:
    bench.inputs.take_missing()
    bench.inputs.say_all()
    for change in range(1000):
        bench.now_ns += 1_000_000
        bench.contact.active = change % 2 == 0
        bench.inputs.look()
    assert len(bench.said) <= 1 + 1000 * 1_000_000 / CALM_NS
    bench.contact.active = bench.said[-1]["active"] is False
    bench.inputs.look()
    if bench.inputs.due_ns is not None:
        bench.now_ns = bench.inputs.due_ns
        bench.inputs.look()
    assert bench.levels[-1] is bench.contact.active


def test_an_input_that_cannot_tell_of_changes_is_asked_again_and_again(bench: Bench) -> None:
    bench.contact.fd = None
    bench.inputs.take_missing()
    bench.inputs.look()
    assert bench.inputs.due_ns == bench.now_ns + POLL_NS
    assert bench.inputs.filenos() == []


def test_an_input_that_fails_is_reported_as_unknown_given_back_and_taken_again(bench: Bench) -> None:
    bench.inputs.take_missing()
    bench.inputs.say_all()
    bench.contact.fault = OSError(errno.ENODEV, "No such device")
    bench.now_ns += CALM_NS
    bench.inputs.look()
    assert bench.levels == [False, None]
    assert bench.said[-1]["reason"] == "No such device"
    assert bench.contact.released == 1
    assert bench.inputs.level("main", "closed") is None
    bench.contact = Contact()
    bench.contact.active = True
    bench.inputs.take_missing()
    bench.now_ns += CALM_NS
    bench.inputs.look()
    assert bench.levels == [False, None, True]


def test_an_input_that_another_process_holds_is_worth_waiting_for(bench: Bench) -> None:
    bench.take_fault = OSError(errno.EBUSY, "held by lights")
    assert bench.inputs.take_missing() is True
    bench.take_fault = OSError(errno.ENODEV, "no chip")
    assert bench.inputs.take_missing() is False
    bench.inputs.say_all()
    assert (bench.said[0]["active"], bench.said[0]["reason"]) == (None, "no chip")


def test_a_change_whose_report_was_lost_is_told_by_the_next_beat() -> None:
    gate = GateConfig.model_validate({"name": "main", "inputs": [{"shows": "closed", "driver": "simulated"}]})
    told: list[GateFact] = []
    watch = GateWatch([gate], on_fact=told.append)
    watch.told({"event": "beat", "inputs": {"main": {"closed": True}}})
    watch.told({"event": "beat", "inputs": {"main": {"closed": True}}})
    watch.told({"event": "beat", "inputs": {"main": {"closed": False}}})
    assert [fact.fact for fact in told] == ["moved"]
    watch.told({"event": "beat", "inputs": {"main": {"closed": None}}})
    assert watch.facts("main").position == "unknown"


def test_an_input_that_this_pod_does_not_know_is_a_defect() -> None:
    with pytest.raises(ValueError, match="knows an input that this pod does not"):
        GateWatch([]).told({"event": "beat", "inputs": {"main": {"roof": True}}})
