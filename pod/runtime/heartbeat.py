"""Signs of life of the parts that the pod cannot do without. Thread-safe: beating is one assignment."""

import threading
import time
from collections.abc import Callable


class Heartbeat:
    """One part's sign of life; the part calls `beat` more often than its limit."""

    def __init__(self, name: str, limit_s: float, *, clock_s: Callable[[], float]) -> None:
        self.name = name
        self.limit_s = limit_s
        self._clock_s = clock_s
        self._last_s = clock_s()

    def beat(self) -> None:
        """Say that the part works; call it where work was done, not from a timer beside it."""
        self._last_s = self._clock_s()

    @property
    def age_s(self) -> float:
        """Seconds since the last beat."""
        return self._clock_s() - self._last_s

    @property
    def is_fresh(self) -> bool:
        return self.age_s <= self.limit_s


class Heartbeats:
    """The critical parts of one pod; a part counts from its registration on."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._beats: dict[str, Heartbeat] = {}

    def register(self, name: str, limit_s: float) -> Heartbeat:
        """Make a part critical; it counts as fresh for its first `limit_s`.

        Raises:
            ValueError: the name is registered already.
        """
        with self._lock:
            if name in self._beats:
                raise ValueError(f"heartbeat {name} is registered already")
            beat = self._beats[name] = Heartbeat(name, limit_s, clock_s=self._clock_s)
        return beat

    def stale(self) -> tuple[str, ...]:
        """Names of the parts that were silent for longer than their limit, sorted; empty when all is well."""
        return tuple(sorted(beat.name for beat in self._parts() if not beat.is_fresh))

    def _parts(self) -> list[Heartbeat]:
        with self._lock:
            return list(self._beats.values())
