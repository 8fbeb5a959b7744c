"""A pulse between its request and its end, as the guard's client keeps it."""

import threading
from dataclasses import dataclass, field

from pod.domain.errors import GateError
from pod.gate.pulse import OnEnd


@dataclass(slots=True)
class Flight:
    """A pulse between its request and its end.

    Attributes:
        due_ns: when the line must be at rest, or the guard is ended; None until the line is on, or the caller
            was told that the gate did not answer.
        abandoned: the caller was told that the gate did not answer.
    """

    pulse_id: str
    gate: str
    on_end: OnEnd
    answered: threading.Event = field(default_factory=threading.Event)
    on_ns: int | None = None
    due_ns: int | None = None
    error: GateError | None = None
    abandoned: bool = False
