"""One line and its pulse: on, off after a fixed time, and what to do when the driver fails. No own I/O.

Runs inside the guard, so it imports next to nothing.
"""

from collections.abc import Callable

from pod.gate.drivers.line import Line

MARGIN_NS = 70_000_000
"""After the pulse and this, the kernel ends the guard, which releases every line."""

RETRY_NS = 10_000_000
"""Between two attempts to bring a failing line to rest."""

OFF_ATTEMPTS = 3
"""Failures of `off` before the line is given back to the kernel instead."""

Say = Callable[..., None]
"""Called with an event's name and its fields."""


class BoundedLine:
    """A line that can only be pulsed, and for a time fixed beforehand.

    Attributes:
        due_ns: when `tick` has work to do; None while at rest.
        limit_ns: when the line must be at rest at the latest; None while at rest. `limit_changed` is called
            after every change and before the driver is touched: the owner lets the kernel enforce it.
        latched: why the line refuses pulses for good: an "off" failed. None while it is trusted.
    """

    def __init__(
        self,
        gate: str,
        line: Line,
        *,
        pulse_ns: int,
        clock_ns: Callable[[], int],
        say: Say,
        limit_changed: Callable[[], None],
    ) -> None:
        self.due_ns: int | None = None
        self.limit_ns: int | None = None
        self.latched: str | None = None
        self._gate = gate
        self._line = line
        self._pulse_ns = pulse_ns
        self._clock_ns = clock_ns
        self._say = say
        self._limit_changed = limit_changed
        self._pulse_id = ""
        self._fault: str | None = None
        self._failures = 0

    def refusal(self) -> str | None:
        """Why a pulse may not begin now; None when it may."""
        if self.latched is not None:
            return f"latched: {self.latched}"
        if self.limit_ns is not None:
            return "a pulse is under way"
        return None

    def begin(self, pulse_id: str) -> None:
        """Energise the line; says `on`, or `failed` when the driver raised. `refusal` must have been None."""
        self._pulse_id, self._fault, self._failures = pulse_id, None, 0
        self._set_limit(self._clock_ns() + self._pulse_ns + MARGIN_NS)
        try:
            self._line.on(pulse_id)
        except Exception as fault:
            self._say("failed", gate=self._gate, pulse=pulse_id, reason=f"switching on failed: {fault}")
            self._fault = f"switching on failed: {fault}"
            self.end()
            return
        on_ns = self._clock_ns()
        self.due_ns = on_ns + self._pulse_ns
        self._say("on", gate=self._gate, pulse=pulse_id, t_ns=on_ns)

    def tick(self) -> None:
        """Do what has come due: end the pulse, or try again to."""
        if self.due_ns is not None and self._clock_ns() >= self.due_ns:
            self.end()

    def end(self, cause: str | None = None) -> None:
        """Bring the line to rest now, if it is not. Says `off`, or `off_failed` and comes due again.

        Args:
            cause: why the pulse ends before its time, for the record.
        """
        if self.limit_ns is None:
            return
        self._fault = self._fault or cause
        if self._failures == 0:
            self._say("ending", gate=self._gate, pulse=self._pulse_id)
        try:
            if self._failures < OFF_ATTEMPTS:
                self._line.off(self._pulse_id)
            else:
                self._line.release()
        except Exception as fault:
            self._failures += 1
            self.due_ns = self._clock_ns() + RETRY_NS
            if self.latched is None:
                self.latched = self._fault = f"switching off failed: {fault}"
                self._say("off_failed", gate=self._gate, pulse=self._pulse_id, reason=self.latched)
            return
        off_ns = self._clock_ns()
        self.due_ns = None
        self._set_limit(None)
        self._say("off", gate=self._gate, pulse=self._pulse_id, t_ns=off_ns, fault=self._fault)

    def release(self) -> None:
        """End the pulse and give the line back; what still fails is left to the death of the process."""
        self.end("the guard is stopping")
        try:
            self._line.release()
        except Exception as fault:
            self._say("release_failed", gate=self._gate, reason=str(fault))

    def _set_limit(self, limit_ns: int | None) -> None:
        self.limit_ns = limit_ns
        self._limit_changed()
