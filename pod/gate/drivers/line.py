"""What the guard asks of a driver: one output line that is either at rest or active."""

from abc import ABC, abstractmethod


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
