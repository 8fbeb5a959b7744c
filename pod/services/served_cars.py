"""Which cars one gate has just opened for: two cameras that see one car pulse once. Thread-safe."""

import threading
import time
from collections.abc import Callable

SAME_CAR_S = 20.0
"""Within this time another camera that reads the same plate at this gate sees the same car. A car that comes
in, turns and leaves needs longer."""


class ServedCars:
    """The latest pulse for each plate at one gate, and the camera that asked for it."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._served: dict[str, tuple[str, float]] = {}

    def note(self, key: str, camera: str) -> None:
        """The gate was pulsed for this match key at the request of this camera."""
        now_s = self._clock_s()
        with self._lock:
            recent = {k: v for k, v in self._served.items() if now_s - v[1] < SAME_CAR_S}
            self._served = recent | {key: (camera, now_s)}

    def by_another(self, key: str, camera: str) -> bool:
        """Whether another camera had the gate opened for this plate just now."""
        with self._lock:
            served = self._served.get(key)
        return served is not None and served[0] != camera and self._clock_s() - served[1] < SAME_CAR_S
