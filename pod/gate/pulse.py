"""What is said about a pulse and about a gate. Pure data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pod.domain.errors import GateError

Condition = Literal["ready", "down", "unavailable", "latched"]


class NotPulsedError(GateError):
    """No pulse was given, and it is certain that the line was not touched.

    Attributes:
        reason: the code of a decision's reason, for the audit.
    """

    def __init__(self, message: str, reason: str = "gate_unavailable") -> None:
        super().__init__(message)
        self.reason = reason


class GateBusyError(NotPulsedError):
    """The gate is in the pause after its last pulse, or a pulse is under way.

    Attributes:
        until_s: monotonic clock, when the pause is over.
    """

    def __init__(self, message: str, until_s: float) -> None:
        super().__init__(message, "gate_already_open")
        self.until_s = until_s


@dataclass(frozen=True, slots=True)
class GateState:
    """Whether a gate can be pulsed, and if not, why and what mends it.

    Attributes:
        condition: ready; down, the guard is not running and is being started again; unavailable, the line
            could not be taken; latched, an "off" failed and there is no pulse until a person took that back.
        reason: a sentence for the operator; empty when ready.
    """

    gate: str
    condition: Condition
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PulseStarted:
    """The line went active.

    Attributes:
        on_s: monotonic clock, when the driver had switched the line.
    """

    pulse_id: str
    gate: str
    on_s: float


@dataclass(frozen=True, slots=True)
class PulseEnd:
    """The line is at rest again; once for every `PulseStarted`, and for a pulse reported too late.

    Attributes:
        off_s: monotonic clock, when the driver had switched; with an error, when the end became known.
        error: what went wrong; None for a pulse as asked.
    """

    pulse_id: str
    gate: str
    on_s: float
    off_s: float
    error: str | None = None

    @property
    def on_for_ms(self) -> float:
        return (self.off_s - self.on_s) * 1000


OnEnd = Callable[[PulseEnd], None]
OnState = Callable[[GateState], None]
