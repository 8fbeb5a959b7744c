"""What the guard asks of a driver: an output line that is at rest or active, an input that is read."""

from abc import ABC, abstractmethod


class Line(ABC):
    """One relay line. Constructing it takes the line and drives it to rest.

    Constructing raises OSError with EBUSY where another holds the line: the guard asks again. Every method
    may raise whatever its hardware raises; the guard then assumes the worst. None may block for longer than a
    few milliseconds: the kernel ends a guard that overstays a pulse.
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
    """One input line: a contact or a loop detector. Constructing it takes the line, as with `Line`."""

    @abstractmethod
    def fileno(self) -> int | None:
        """Readable when the input may have changed; None where it has to be asked now and then."""

    @abstractmethod
    def read(self) -> tuple[bool, int]:
        """Whether it is active now, and since when: CLOCK_MONOTONIC in nanoseconds.

        Raises:
            OSError: the line is gone; nothing is known of it.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the line back. Safe to repeat."""


def fault_text(fault: BaseException) -> str:
    """What a fault says, without the number that Python puts before an OSError of our own words."""
    if isinstance(fault, OSError) and fault.filename is None and fault.strerror:
        return fault.strerror
    return str(fault) or repr(fault)
