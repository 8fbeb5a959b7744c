"""The interlock of one gate: one pulse, then a pause, whoever asks. Thread-safe; cameras may share it."""

import threading
import time
from collections.abc import Callable, Mapping

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
        self, gate: GateConfig, guard: GuardClient, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._gate = gate
        self._guard = guard
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._busy_until_s = float("-inf")

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
            pause_s = max(self._gate.pause_s, self._gate.pulse_ms / 1000 + REST_S)
            try:
                started = self._guard.pulse(self._gate.name, pulse_id, on_end=on_end)
            except NotPulsedError:
                raise
            except GateError:
                self._busy_until_s = self._clock_s() + pause_s
                raise
            self._busy_until_s = started.on_s + pause_s
            return started
