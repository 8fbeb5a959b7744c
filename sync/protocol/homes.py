"""Where a POD finds its cloud, and how it moves without ever being lost between two places. Pure."""

from dataclasses import dataclass, replace

from sync.protocol.down import Rehome


@dataclass(frozen=True, slots=True)
class Home:
    """An address of the cloud."""

    portal: str
    brokers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Homes:
    """What a POD writes down about it.

    Attributes:
        current: the one that answered last.
        next: where the cloud said that it moves; kept beside the current one until it answers.
        number: of the last move; older ones are played back, and nothing.
    """

    current: Home
    next: Home | None = None
    number: int = 0

    def told(self, rehome: Rehome) -> "Homes":
        """The cloud moves; a later move replaces one that never came about."""
        if rehome.number <= self.number:
            return self
        return Homes(self.current, Home(rehome.portal, tuple(rehome.brokers)), rehome.number)

    def welcomed(self, home: Home) -> "Homes":
        """A signed welcome came by this address: only now is the old one let go."""
        return replace(self, current=home, next=None) if home == self.next else self

    def to_try(self, attempt: int) -> Home:
        """Where to connect: the new address first, then both in turn.

        Args:
            attempt: from 0, counts the attempts since the last welcome.
        """
        return self.current if self.next is None or attempt % 2 else self.next
