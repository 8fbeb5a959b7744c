"""Keeps what is known of every gate, and tells of each new fact and of alarms that begin and end.

Signals come from one thread; what is known may be read from any.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, cast, get_args

from pod.config import GateConfig
from pod.domain.gate_alarms import CODES, alarms_of
from pod.domain.gate_facts import (
    GateFact,
    GateFacts,
    GateRules,
    Level,
    Shows,
    Signal,
    Tick,
    first_facts,
    observe,
)
from pod.gate.pulse import GateState

log = logging.getLogger(__name__)

OnFact = Callable[[GateFact], None]

RELAY_ANSWER_S = 0.5
"""A command by a relay line is told within this of the gate's first movement."""


class AlarmSink(Protocol):
    """Where alarms go; neither call may block."""

    def begin(self, code: str, subject: str, text: str) -> None: ...

    def end(self, code: str, subject: str) -> None: ...


class GateWatch:
    """The facts of all gates of a pod.

    Args:
        on_fact: told of each fact by the thread that brings the signals; must not block.
        alarms: where alarms begin and end; None where nobody listens.
    """

    def __init__(
        self,
        gates: Iterable[GateConfig],
        *,
        on_fact: OnFact | None = None,
        alarms: AlarmSink | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = {gate.name: rules_of(gate) for gate in gates}
        self._facts = {name: first_facts(rules) for name, rules in self._rules.items()}
        self._levels: dict[tuple[str, Shows], bool | None] = {}
        self._on_fact = on_fact
        self._alarms = alarms
        self._clock_s = clock_s

    def facts(self, gate: str) -> GateFacts:
        """What is known of one gate now; any thread."""
        return self._facts[gate]

    def alarms(self, gate: str) -> Mapping[str, str]:
        """Alarm code -> text of the alarms that stand by the facts; any thread."""
        return alarms_of(self._facts[gate], self._rules[gate])

    def signal(self, gate: str, signal: Signal) -> None:
        """Take in what happened to one gate."""
        rules = self._rules[gate]
        self._facts[gate], became = observe(self._facts[gate], signal, rules)
        if self._on_fact is not None:
            for fact in became:
                self._on_fact(GateFact(gate, fact, signal.at_s))
        if self._alarms is not None:
            standing = alarms_of(self._facts[gate], rules)
            for code in CODES:
                if code in standing:
                    self._alarms.begin(code, gate, standing[code])
                else:
                    self._alarms.end(code, gate)

    def level(self, gate: str, shows: Shows, active: bool | None, at_s: float | None = None) -> None:
        """An input shows this; told again without a change, it is no news."""
        if self._levels.get((gate, shows)) is not active:
            self.signal(gate, Level(self._clock_s() if at_s is None else at_s, shows, active))
            self._levels[gate, shows] = active  # after it: an unknown gate must not stay behind

    def told(self, event: Mapping[str, object]) -> None:
        """Take in what the guard says of inputs: `input`, a change of one, or `beat`, the levels of all."""
        if event["event"] == "input":
            shows, since_ns = _shows(event["input"]), int(str(event["t_ns"]))
            reason = event["reason"]
            if reason and self._levels.get((str(event["gate"]), shows), True) is not None:
                log.error("gate %s: its input %s tells nothing: %s", event["gate"], shows, reason)
            self.level(str(event["gate"]), shows, _active(event["active"]), since_ns / 1e9)
            return
        gates = event.get("inputs", {})
        assert isinstance(gates, dict)
        for gate, levels in gates.items():
            for name, active in levels.items():
                self.level(gate, _shows(name), _active(active))

    def blind(self) -> None:
        """Nothing is known of any input from now on, until its level is told."""
        for gate, shows in list(self._levels):
            self.level(gate, shows, None)

    def tick(self) -> None:
        """Time has passed; call it about every second."""
        for gate in self._rules:
            self.signal(gate, Tick(self._clock_s()))

    def state_changed(self, state: GateState) -> None:
        """A latched gate is an alarm for as long as this pod runs; a person unlatches it while none does."""
        if state.condition == "latched" and self._alarms is not None:
            self._alarms.begin("gate_latched", state.gate, f"It takes no more pulses: {state.reason}.")


def _shows(name: object) -> Shows:
    if name not in get_args(Shows):
        raise ValueError(f"the guard knows an input that this pod does not: {name!r}")
    return cast(Shows, name)


def _active(value: object) -> bool | None:
    return None if value is None else value is True


def rules_of(gate: GateConfig) -> GateRules:
    """What the configuration expects of a gate."""
    return GateRules(
        pulse_ms=gate.pulse_ms,
        wired=frozenset(one.shows for one in gate.inputs),
        open_within_s=gate.open_within_s,
        held_after_s=gate.held_after_s,
        answer_s=RELAY_ANSWER_S + (gate.http.timeout_ms / 1000 if gate.http is not None else 0.0),
        forced_alarm=gate.forced_alarm,
    )
