"""What the guard asks of a driver: an output line that is at rest or active, an input that is read."""

from abc import ABC, abstractmethod

TAKE_TIMEOUT_S = 1.0
"""How long a new holder waits for the one before it to be gone."""


class Line(ABC):
    """One relay line. Constructing it takes the line and drives it to rest.

    Every method may raise whatever its hardware raises; the guard then assumes the worst. None may block for
    longer than a few milliseconds: the kernel ends a guard that overstays a pulse.
    """

    @abstractmethod
    def on(self, pulse_id: str) -> None:
        """Make the line active. If it raises, the line may be active all the same."""

    @abstractmethod
    def off(self, pulse_id: str) -> None:
        """Bring the line to rest. Safe to repeat. If it raises, the line may still be active."""

    @abstractmethod
    def release(self) -> None:
        """Give the line back to the kernel, which lets it fall to rest. Safe to repeat."""


class Input(ABC):
    """One input line: a contact or a loop detector. Constructing it takes the line."""

    @abstractmethod
    def fileno(self) -> int | None:
        """Readable when the input may have changed; None where it has to be asked now and then."""

    @abstractmethod
    def read(self) -> tuple[bool, int]:
        """Whether it is active now, and since when at the earliest: CLOCK_MONOTONIC in nanoseconds.

        Raises:
            OSError: the line is gone; nothing is known of it.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the line back. Safe to repeat."""
