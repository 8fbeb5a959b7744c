"""Whether reads of 90 % confidence are right nine times in ten. Pure.

The expected calibration error is that of Guo et al. (ICML 2017): the mean distance of confidence and share
right over bins of equal width, each weighted by what is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """Reads of like confidence.

    Attributes:
        low: least confidence of the bin, `high` its upper edge; the last bin includes its own.
        n: reads in it; `right` those of them that are right.
        confidence: their mean confidence, 0..1; NaN where n is 0.
    """

    low: float
    high: float
    n: int
    right: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins from no confidence to full, and the expected calibration error, 0..1 (NaN without reads)."""

    bins: tuple[Bin, ...]
    expected_calibration_error: float


def reliability(
    confidences: Sequence[float] | npt.NDArray[np.floating],
    right: Sequence[bool] | npt.NDArray[np.bool_],
    *,
    bins: int = _BINS,
) -> Reliability:
    """Holds confidences against what came true.

    Args:
        confidences: shape (N,), 0..1; right: shape (N,).

    Raises:
        ValueError: not as many of one as of the other, or a confidence outside 0..1.
    """
    sure, hit = np.asarray(confidences, np.float64), np.asarray(right, np.bool_)
    if sure.shape != hit.shape or sure.ndim != 1:
        raise ValueError(f"confidences have shape {sure.shape}, right has {hit.shape}")
    if not ((sure >= 0) & (sure <= 1 + 1e-6)).all():
        raise ValueError("a confidence is not in 0..1")
    place = np.minimum((sure * bins).astype(np.intp), bins - 1)
    n = np.bincount(place, minlength=bins)
    hits = np.bincount(place, weights=hit, minlength=bins)
    sums = np.bincount(place, weights=sure, minlength=bins)
    mean = np.divide(sums, n, out=np.full(bins, np.nan), where=n > 0)
    error = float(np.abs(sums - hits).sum() / len(sure)) if len(sure) else float("nan")
    made = tuple(Bin(i / bins, (i + 1) / bins, int(n[i]), int(hits[i]), float(mean[i])) for i in range(bins))
    return Reliability(made, error)
