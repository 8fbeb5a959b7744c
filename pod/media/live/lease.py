"""How long a session may go on without being renewed, and how fast sessions may be opened. Pure."""

from dataclasses import dataclass

LONGEST_LEASE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A right to watch that ends by itself. Times are monotonic."""

    ends_s: float

    @classmethod
    def granted(cls, now_s: float, lease_s: float) -> "Lease":
        """A lease of `lease_s` from now.

        Raises:
            ValueError: not more than 0, or longer than `LONGEST_LEASE_S`.
        """
        if not 0 < lease_s <= LONGEST_LEASE_S:
            raise ValueError(f"a lease lasts more than 0 and at most {LONGEST_LEASE_S:.0f} s")
        return cls(now_s + lease_s)

    def left_s(self, now_s: float) -> float:
        return max(0.0, self.ends_s - now_s)


class SetupPace:
    """How many sessions may be opened: a few at once, then so many a second (a token bucket).

    Each costs a certificate, a DTLS handshake and connectivity checks, on the processor that reads plates.
    """

    def __init__(self, now_s: float, *, at_once: int, per_s: float) -> None:
        self._at_once, self._per_s = at_once, per_s
        self._left = float(at_once)
        self._filled_s = now_s

    def take(self, now_s: float) -> float:
        """Take one; 0 where there was one, else how long to wait for the next, in seconds."""
        self._left = min(self._at_once, self._left + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
        if self._left < 1:
            return (1 - self._left) / self._per_s
        self._left -= 1
        return 0.0
