"""Lines of a kernel GPIO chip: the relay's, and inputs that tell what the gate does. Runs in the guard."""

import errno
import time
from collections.abc import Mapping
from datetime import timedelta

import gpiod
from gpiod.line import Clock, Direction, Edge, Value

from pod.gate.drivers.gpio_chip import BIASES, take_line
from pod.gate.drivers.line import Input, Line


class GpioLine(Line):
    """A relay on an output line.

    The line is requested as an output that is inactive, in one call: it never shows an edge to active. Before
    it is given back it is driven inactive, for kernels that leave a released line as it was.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        """Take the line and drive it inactive.

        Args:
            given: chip, line, active_low and bias, as in the configuration.

        Raises:
            OSError: the line cannot be had; the text names the mend.
        """
        self._offset_name = f"line {given['line']} of {given['chip']}"
        settings = gpiod.LineSettings(
            direction=Direction.OUTPUT,
            output_value=Value.INACTIVE,
            active_low=bool(given["active_low"]),
            bias=BIASES[str(given["bias"])],
        )
        self._request: gpiod.LineRequest | None = take_line(str(given["chip"]), str(given["line"]), settings)
        self._offset = self._request.offsets[0]

    def on(self, pulse_id: str) -> None:
        self._set(Value.ACTIVE)

    def off(self, pulse_id: str) -> None:
        self._set(Value.INACTIVE)

    def release(self) -> None:
        request, self._request = self._request, None
        if request is None:
            return
        try:
            request.set_value(self._offset, Value.INACTIVE)
        finally:
            request.release()

    def _set(self, value: Value) -> None:
        if self._request is None:
            raise OSError(errno.ENODEV, f"{self._offset_name} was given back")
        self._request.set_value(self._offset, value)


class GpioInput(Input):
    """A contact on an input line; the kernel stamps its edges and keeps its chatter away."""

    def __init__(self, given: Mapping[str, object]) -> None:
        """Take the line.

        Args:
            given: chip, line, active_low, bias and debounce_ms, as in the configuration.

        Raises:
            OSError: the line cannot be had; the text names the mend.
        """
        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.BOTH,
            active_low=bool(given["active_low"]),
            bias=BIASES[str(given["bias"])],
            debounce_period=timedelta(milliseconds=int(str(given["debounce_ms"]))),
            event_clock=Clock.MONOTONIC,
        )
        self._request = take_line(str(given["chip"]), str(given["line"]), settings)
        self._offset = self._request.offsets[0]
        self._since_ns = time.monotonic_ns()

    def fileno(self) -> int:
        return self._request.fd

    def read(self) -> tuple[bool, int]:
        if self._request.wait_edge_events(0):
            self._since_ns = self._request.read_edge_events()[-1].timestamp_ns
        return self._request.get_value(self._offset) is Value.ACTIVE, self._since_ns

    def release(self) -> None:
        if self._request:
            self._request.release()
