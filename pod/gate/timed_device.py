"""A gate behind a device that times the pulse itself: one request, in a thread of its own. No own I/O.

Runs inside the guard, so it imports next to nothing. It has the surface of `BoundedLine`. What the relay did
is not seen here: `on` is when the device said yes, and `off` is when its time must be over.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

Say = Callable[..., None]

Answer = tuple[Literal["done", "not_sent", "unknown"], str]
"""What became of a request, and why: `not_sent` is said only where it is certain."""


class Request(ABC):
    """One request for one pulse. `run` belongs to one thread, `give_up` to another."""

    @abstractmethod
    def run(self) -> Answer:
        """Send it once and wait for the answer. Bounded, but for what the system does not let one bound."""

    @abstractmethod
    def give_up(self) -> Answer:
        """Make sure that nothing is sent from now on; says whether something was."""


class Device(ABC):
    """What can be asked for a pulse.

    Attributes:
        timeout_ns: a request without an answer for this long is given up.
    """

    timeout_ns: int

    @abstractmethod
    def request(self, pulse_id: str) -> Request: ...


class TimedDevice:
    """Pulses of one device, one at a time.

    Attributes:
        due_ns: when `tick` has work to do; None while at rest.
        limit_ns: always None: the kernel can bound no pulse that the device times.
    """

    limit_ns: None = None

    def __init__(
        self,
        gate: str,
        device: Device,
        *,
        pulse_ns: int,
        clock_ns: Callable[[], int],
        say: Say,
        wake: Callable[[], None],
    ) -> None:
        self.due_ns: int | None = None
        self._gate = gate
        self._device = device
        self._pulse_ns = pulse_ns
        self._clock_ns = clock_ns
        self._say = say
        self._wake = wake
        self._pulse_id = ""
        self._request: Request | None = None
        self._answer: Answer | None = None
        self._answered_ns = 0
        self._thread: threading.Thread | None = None

    def refusal(self) -> str | None:
        """Why a pulse may not begin now; None when it may."""
        if self.due_ns is not None:
            return "a pulse is under way"
        if self._thread is not None and self._thread.is_alive():
            return "the last request was given up but has not ended; does the network answer?"
        return None

    def begin(self, pulse_id: str) -> None:
        """Send the request; later `tick` says `on`, `refused` or `failed`. `refusal` must have been None."""
        self._pulse_id, self._answer = pulse_id, None
        self._request = self._device.request(pulse_id)
        self.due_ns = self._clock_ns() + self._device.timeout_ns
        self._thread = threading.Thread(
            target=self._run, args=(self._request,), name=f"http-{self._gate}", daemon=True
        )
        self._thread.start()

    def tick(self) -> None:
        """Take the answer, give up a request that is too late, or end the pulse."""
        if self._request is not None and self._answer is not None:
            self._take(self._answer)
        elif self.due_ns is not None and self._clock_ns() >= self.due_ns:
            if self._request is not None:
                self._take(self._request.give_up())
            else:
                self._end(None)

    def withdraw(self, moved: str) -> None:
        """Send nothing any more, where nothing was sent yet; says `refused` then.

        Args:
            moved: why it is not certain any more that the gate is closed.
        """
        if self._request is not None and self._answer is None and self._request.give_up()[0] == "not_sent":
            self._request, self.due_ns = None, None
            self._say("refused", gate=self._gate, pulse=self._pulse_id, reason=moved, code="gate_not_closed")

    def release(self) -> None:
        """End what is under way; a request that was not sent yet never will be."""
        if self._request is not None:
            self._take(self._answer or self._request.give_up())
        if self.due_ns is not None:
            self._end("the guard is stopping; the device ends its pulse by itself")

    def _run(self, request: Request) -> None:
        answer = request.run()
        if request is self._request:
            self._answered_ns = self._clock_ns()
            self._answer = answer
            self._wake()

    def _take(self, answer: Answer) -> None:
        self._request, self.due_ns = None, None
        result, reason = answer
        if result == "done":
            self.due_ns = self._answered_ns + self._pulse_ns
            self._say("on", gate=self._gate, pulse=self._pulse_id, t_ns=self._answered_ns)
        else:
            kind = "refused" if result == "not_sent" else "failed"
            self._say(kind, gate=self._gate, pulse=self._pulse_id, reason=reason)

    def _end(self, fault: str | None) -> None:
        off_ns, self.due_ns = self.due_ns, None
        self._say("off", gate=self._gate, pulse=self._pulse_id, t_ns=off_ns, fault=fault)
