"""What the times of sent and shown frames say: latency and freezes. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

FREEZE_S = 0.3
_LATEST_S = 3.0
"""Older than this no frame can be: the clip begins anew every few seconds, and its numbers with it."""

_LEAST_READ = 0.95


@dataclass(frozen=True, slots=True)
class Sent:
    """One frame as the camera sent it; monotonic clock."""

    number: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame that the browser presented.

    Attributes:
        number: of the clip; None where the pixels say none.
        at_s: when its callback ran, on this machine's monotonic clock.
    """

    number: int | None
    at_s: float


def latencies_s(sent: Sequence[Sent], shown: Sequence[Shown]) -> list[float]:
    """From the camera sending a frame to the browser showing it, for each frame whose number can be read.

    Args:
        sent: in the order of time; a number comes again after longer than any latency.

    Raises:
        ValueError: the numbers of too many frames cannot be read, or say what was not sent.
    """
    times = [frame.at_s for frame in sent]
    found = []
    for frame in shown:
        newest = bisect_right(times, frame.at_s)
        oldest = bisect_right(times, frame.at_s - _LATEST_S)
        matching = (one.at_s for one in reversed(sent[oldest:newest]) if one.number == frame.number)
        sent_s = next(matching, None)
        if sent_s is not None:
            found.append(frame.at_s - sent_s)
    if not found or len(found) < _LEAST_READ * len(shown):
        raise ValueError(f"of {len(shown)} frames shown only {len(found)} say when they were sent")
    return found


def gaps_s(shown: Sequence[Shown]) -> list[float]:
    """Between each frame and the next one that shows something else."""
    changes = [frame.at_s for before, frame in pairwise(shown) if _differs(before, frame)]
    times = [shown[0].at_s, *changes] if shown else []
    return [after - before for before, after in pairwise(times)]


def _differs(before: Shown, after: Shown) -> bool:
    return before.number is None or before.number != after.number


def freezes(gaps: Sequence[float]) -> int:
    """How many gaps a viewer takes for a standing picture."""
    return sum(gap > FREEZE_S for gap in gaps)


def percentiles_ms(times_s: Sequence[float], name: str) -> dict[str, float]:
    """Median and 95th percentile as `{name}_p50_ms` and `{name}_p95_ms`.

    Raises:
        ValueError: there is no time.
    """
    if not times_s:
        raise ValueError(f"{name}: nothing was measured")
    return {
        f"{name}_p50_ms": 1000 * float(np.percentile(times_s, 50)),
        f"{name}_p95_ms": 1000 * float(np.percentile(times_s, 95)),
    }
