"""The inputs of all gates as the guard sees them: each level when it changes, and what is known of it now.

Runs inside the guard, so it imports next to nothing.
"""

import contextlib
import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pod.gate.drivers.line import Input, fault_text
from pod.gate.drivers.simulated import SimulatedInput

POLL_NS = 20_000_000
"""Between two looks at an input that cannot say by itself that it changed."""

CALM_NS = 50_000_000
"""An input is reported at most this often: a loose wire must not flood whoever listens."""


def _gpio_input(given: Mapping[str, object]) -> Input:
    from pod.gate.drivers.gpio import GpioInput  # Only a machine with GPIO needs its library.

    return GpioInput(given)


DRIVERS: dict[str, Callable[[Mapping[str, object]], Input]] = {
    "simulated": lambda given: SimulatedInput(str(given["file"])),
    "gpio": _gpio_input,
}
"""Driver name -> what takes an input, given its part of the guard's first line."""

Say = Callable[..., None]


@dataclass(slots=True)
class _Watched:
    """One input.

    Attributes:
        line: None while it could not be taken.
        said: the level last reported; None for unknown.
        calm_ns: not reported again before this.
    """

    gate: str
    shows: str
    given: Mapping[str, object]
    line: Input | None = None
    said: bool | None = None
    reason: str = ""
    calm_ns: int = 0


class WatchedInputs:
    """Takes inputs, reports `input` events (gate, input, active, t_ns, reason), and knows each level.

    Attributes:
        due_ns: when `look` has something to do by itself; None where an edge will tell.
    """

    def __init__(self, *, clock_ns: Callable[[], int], say: Say) -> None:
        self.due_ns: int | None = None
        self._clock_ns = clock_ns
        self._say = say
        self._inputs: list[_Watched] = []

    def add(self, gate: str, inputs: object) -> None:
        """Watch the inputs of one gate, each with `shows`, `driver` and the settings of the driver."""
        assert isinstance(inputs, list)
        for given in inputs:
            self._inputs.append(_Watched(gate, str(given["shows"]), given))

    def take_missing(self) -> bool:
        """Try to take what could not be taken yet; whether some input is only held by another process."""
        busy = False
        for one in self._inputs:
            if one.line is not None:
                continue
            try:
                one.line = DRIVERS[str(one.given["driver"])](one.given)
                one.reason = ""
            except Exception as fault:
                busy = busy or (isinstance(fault, OSError) and fault.errno == errno.EBUSY)
                one.reason = fault_text(fault)
        return busy

    def filenos(self) -> list[int]:
        """Descriptors that become readable when an input may have changed."""
        found = [one.line.fileno() for one in self._inputs if one.line is not None]
        return [fd for fd in found if fd is not None]

    def say_all(self) -> None:
        """Report every level, known or not."""
        for one in self._inputs:
            self._report(one, *self._read(one))

    def look(self) -> None:
        """Report what has changed."""
        now_ns = self._clock_ns()
        due_ns: list[int] = []
        for one in self._inputs:
            active, since_ns = self._read(one)
            if active is not one.said:
                if now_ns >= one.calm_ns:
                    self._report(one, active, since_ns)
                else:
                    due_ns.append(one.calm_ns)
            if one.line is not None and one.line.fileno() is None:
                due_ns.append(now_ns + POLL_NS)
        self.due_ns = min(due_ns, default=None)

    def levels(self) -> dict[str, dict[str, bool | None]]:
        """Gate -> what its inputs show now; None for an input of which nothing is known."""
        found: dict[str, dict[str, bool | None]] = {}
        for one in self._inputs:
            found.setdefault(one.gate, {})[one.shows] = one.said
        return found

    def level(self, gate: str, shows: str) -> bool | None:
        """What one input shows at this moment, read from its line; None where that is not known."""
        for one in self._inputs:
            if (one.gate, one.shows) == (gate, shows):
                return self._read(one)[0]
        return None

    def release(self) -> None:
        for one in self._inputs:
            if one.line is not None:
                one.line.release()

    def _read(self, one: _Watched) -> tuple[bool | None, int]:
        if one.line is not None:
            try:
                return one.line.read()
            except Exception as fault:
                one.reason = fault_text(fault)
                line, one.line = one.line, None
                _release(line)
        return None, self._clock_ns()

    def _report(self, one: _Watched, active: bool | None, since_ns: int) -> None:
        one.said = active
        one.calm_ns = self._clock_ns() + CALM_NS
        reason = one.reason if active is None else ""
        self._say("input", gate=one.gate, input=one.shows, active=active, t_ns=since_ns, reason=reason)


def _release(line: Input) -> None:
    with contextlib.suppress(Exception):  # It failed to be read; that is what is reported.
        line.release()
