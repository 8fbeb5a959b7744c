"""Says how fast this machine is, so that absolute times are compared only where that makes sense."""

import time
from dataclasses import dataclass

import numpy as np

_ROUNDS = 7
_COMPARABLE = 0.20


@dataclass(frozen=True, slots=True)
class Calibration:
    """The loop's time here and on the machine the targets were set on."""

    measured_ms: float
    reference_ms: float

    @property
    def deviation(self) -> float:
        """0.25: this machine takes a quarter longer."""
        return self.measured_ms / self.reference_ms - 1

    @property
    def is_comparable(self) -> bool:
        return abs(self.deviation) <= _COMPARABLE


def calibrate(reference_ms: float) -> Calibration:
    """Times a fixed piece of work, half interpreter and half memory and arithmetic, on one core.

    Wall time, because a busy machine is a slow one; the best of some rounds, because any may be disturbed.
    """
    return Calibration(min(_round_ms() for _ in range(_ROUNDS)), reference_ms)


def _round_ms() -> float:
    values = np.arange(1_000_000, dtype=np.float32)
    started_s = time.perf_counter()
    total = 0
    for i in range(700_000):
        total += i & 7
    for _ in range(40):
        values = np.sqrt(values * values + 1)
    return (time.perf_counter() - started_s) * 1000
