"""Whether the device of an http gate takes connections: looked at now and then, never asked for anything."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pod.config import GateConfig
from pod.gate.drivers.http import HttpDevice
from pod.gate.drivers.line import fault_text
from pod.gate.guard_gate import guard_gate

log = logging.getLogger(__name__)

EVERY_S = 180.0
"""Between two looks at a device that was there."""

AGAIN_S = 30.0
"""Between two looks at one that was not."""

LONGEST_LOOK_S = 30.0
"""A look has a time limit, but for the look-up of a name; from here on that hangs."""


def device_fault(gate: GateConfig) -> str | None:
    """Why the device of an http gate takes no connection, with its mend; None where it does.

    May block for as long as the system takes to look its name up.
    """
    told = guard_gate(gate, Path())["http"]
    assert isinstance(told, dict)
    try:
        return HttpDevice(told, pulse_ms=gate.pulse_ms, gate=gate.name).reach()
    except OSError as error:
        return fault_text(error)


class DeviceWatch:
    """Looks at one device in a thread of its own, from `start` to `stop`. Any thread may call.

    Args:
        gate: has driver http.
        on_fault: told a bug that ended the thread, on that thread.
    """

    def __init__(self, gate: GateConfig, *, on_fault: Callable[[Exception], None]) -> None:
        self._gate = gate
        self._on_fault = on_fault
        self._found: str | None = None
        self._began_s: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"device-{gate.name}", daemon=True)

    @property
    def fault(self) -> str | None:
        """Why the device could not be reached at the last look; None where it could. Never waits."""
        began_s = self._began_s
        if began_s is not None and time.monotonic() - began_s > LONGEST_LOOK_S:
            return "the look-up of its name hangs; check the name server, or write its IP address"
        return self._found

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look no more; does not wait for a look that hangs."""
        self._stopping.set()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._look()
                self._stopping.wait(EVERY_S if self._found is None else AGAIN_S)
        except Exception as error:
            log.exception("gate %s: the watch over its device failed", self._gate.name)
            self._on_fault(error)

    def _look(self) -> None:
        self._began_s = time.monotonic()
        found = device_fault(self._gate)
        self._began_s = None
        if found != self._found:
            if found is None:
                log.info("gate %s: its device is reached again", self._gate.name)
            else:
                log.warning("gate %s: its device cannot be reached: %s", self._gate.name, found)
        self._found = found
