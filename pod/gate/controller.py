"""The interlock of one gate: one pulse, then a pause, whoever asks. Thread-safe; cameras may share it."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from pod.config import GateConfig
from pod.domain.errors import GateError
from pod.domain.gate_facts import GateFacts
from pod.gate.guard_client import GuardClient
from pod.gate.pulse import GateBusyError, GateState, NotPulsedError, OnEnd, PulseStarted

REST_S = 0.5
"""The line rests for this long after a pulse, however short the pause: pulses in a row must not hold it."""


class GateController:
    """Momentary open requests to one gate; it can do nothing else."""

    def __init__(
        self,
        gate: GateConfig,
        guard: GuardClient,
        *,
        rest_s: float = 0.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            rest_s: how long the gate is not pulsed yet: what `rest_after_start_s` says.
        """
        self._gate = gate
        self._guard = guard
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._busy_until_s = clock_s() + rest_s if rest_s > 0 else float("-inf")

    @property
    def name(self) -> str:
        return self._gate.name

    @property
    def state(self) -> GateState:
        """Whether the gate can be pulsed at all; the pause does not count."""
        return self._guard.state(self._gate.name)

    @property
    def facts(self) -> GateFacts:
        """What is known of what the gate did: commanded, moved and opened are different facts."""
        return self._guard.facts(self._gate.name)

    @property
    def alarms(self) -> Mapping[str, str]:
        """Alarm code -> its text, for every alarm that stands by the facts."""
        return self._guard.alarms(self._gate.name)

    @property
    def longest_answer_s(self) -> float:
        """How long `pulse` may take at most, in seconds."""
        return self._guard.answer_timeout_s(self._gate.name)

    def pause_left_s(self) -> float:
        """Seconds until the gate may be pulsed again; 0 when it may. Never waits."""
        return max(0.0, self._busy_until_s - self._clock_s())

    def pulse(self, pulse_id: str, on_end: OnEnd) -> PulseStarted:
        """Pulse the gate once; the caller has made its intent durable before.

        The pause runs from the edge, and also from a request whose fate is unknown: doubt means closed. Two
        cameras that ask at once are served one after the other, so the second finds the pause.

        Args:
            pulse_id: never used before; 1 to 64 printable ASCII characters without spaces.
            on_end: called once, in another thread, when the line is at rest again; must not block. After a
                GateError too, with an error, where the line turned out to have been active.

        Raises:
            GateBusyError: in the pause; nothing was energised.
            NotPulsedError: nothing was energised, for another reason.
            GateError: the driver failed or the guard did not answer; the line may have been active.
        """
        with self._lock:
            if (left_s := self.pause_left_s()) > 0:
                raise GateBusyError(
                    f"gate {self.name} was pulsed moments ago; pause {left_s:.1f} s", self._busy_until_s
                )
            pause_s = _pause_s(self._gate)
            try:
                started = self._guard.pulse(self._gate.name, pulse_id, on_end=on_end)
            except NotPulsedError:
                raise
            except GateError:
                self._busy_until_s = self._clock_s() + pause_s
                raise
            self._busy_until_s = started.on_s + pause_s
            return started


def rest_after_start_s(
    gate: GateConfig, guard: GuardClient, asked_at: datetime | None, *, now: datetime, doubt: str
) -> float:
    """What is left, in seconds, of the pause after a pulse of a pod before this one.

    The pulse may have begun as late after its intent as the guard may take to answer. Where the clock says
    nothing sure, all of the pause is left.

    Args:
        asked_at: when the newest intent was written, aware UTC; None where there is none.
        now: aware UTC.
        doubt: why the clock cannot be believed; empty while it can.
    """
    if asked_at is None:
        return 0.0
    whole_s = _pause_s(gate) + guard.answer_timeout_s(gate.name)
    passed_s = (now - asked_at).total_seconds()
    return whole_s if doubt or passed_s < 0 else max(0.0, whole_s - passed_s)


def _pause_s(gate: GateConfig) -> float:
    return max(gate.pause_s, gate.pulse_ms / 1000 + REST_S)
