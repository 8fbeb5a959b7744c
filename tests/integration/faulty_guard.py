"""The real guard with a driver that fails on purpose: `python faulty_guard.py FAULT`. Run by tests only.

The line underneath is the simulated one, so its trace tells what a relay would have done.
"""

import sys
import time
from collections.abc import Mapping

from pod.gate import guard
from pod.gate.drivers.line import Line
from pod.gate.drivers.simulated import SimulatedLine


class FaultyLine(Line):
    """Fails at the step that its name says; `N` failures of one step where the name ends in a number."""

    def __init__(self, gate: Mapping[str, object], fault: str) -> None:
        if fault == "take_raises":
            raise OSError("no such chip")
        self._line = SimulatedLine(str(gate["trace"]))
        self._fault = fault
        self._offs = 0

    def on(self, pulse_id: str) -> None:
        if self._fault == "on_raises_before":
            raise OSError("the line did not answer")
        self._line.on(pulse_id)
        if self._fault in ("on_raises_after", "on_and_off_raise", "on_raises_off_hangs"):
            raise OSError("the line answered nonsense")
        if self._fault == "on_answers_late":
            time.sleep(0.4)
        if self._fault == "on_hangs":
            time.sleep(3600)

    def off(self, pulse_id: str) -> None:
        self._offs += 1
        if self._fault in ("off_hangs", "on_raises_off_hangs"):
            time.sleep(3600)
        if self._fault in ("off_raises_always", "off_and_release_raise", "on_and_off_raise"):
            raise OSError("the line is stuck")
        if self._fault.startswith("off_raises_") and self._offs <= int(self._fault[-1]):
            raise OSError("the line is stuck")
        self._line.off(pulse_id)

    def release(self) -> None:
        if self._fault == "off_and_release_raise":
            raise OSError("the chip is gone")
        self._line.release()


if __name__ == "__main__":
    guard.DRIVERS["simulated"] = lambda gate: FaultyLine(gate, sys.argv[1])
    guard.main()
