"""How sure a share is, given how few examples it was measured on. Pure: random draws come from a seed."""

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]
"""Lower and upper bound, in the unit of the figure they enclose; both NaN where nothing was measured."""

NOTHING: Interval = (math.nan, math.nan)

_ROUNDS = 2000
_MOST_DRAWS = 4_000_000
"""Indices held at once, 32 MB."""


def wilson(k: float, n: float, *, confidence: float = 0.95) -> Interval:
    """The score interval of a share k / n (Wilson, JASA 22, 1927): good near 0 and 1, never outside [0, 1].

    For independent examples; where several belong together, use `bootstrap`.

    Raises:
        ValueError: k is not in 0..n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no share")
    if n == 0:
        return NOTHING
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, z2 = k / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At the ends the bound is exactly 0 or 1; rounding would put it a hair outside.
    return (0.0 if k == 0 else max(0.0, middle - half), 1.0 if k == n else min(1.0, middle + half))


def bootstrap(
    counts: Sequence[float] | npt.NDArray[np.floating],
    clusters: Sequence[Hashable],
    *,
    of: Sequence[float] | npt.NDArray[np.floating] | None = None,
    seed: int = 0,
    rounds: int = _ROUNDS,
    confidence: float = 0.95,
) -> Interval:
    """The percentile interval of sum(counts) / sum(of) where some examples are near copies of each other.

    Whole clusters (a picture, or all crops of one plate) are drawn with replacement, as many as there are
    (Field and Welsh, JRSS B 69, 2007). With differences as counts it is the paired bootstrap.

    Args:
        counts: one number per example: 1 or 0 for right or wrong, or a difference.
        clusters: what each example belongs to; as many.
        of: one weight per example; None: 1 each, which makes the figure a mean.
        seed: equal seeds give equal intervals.

    Returns:
        the interval; NaN without examples. With a single cluster both ends are the figure itself: one
        cluster tells nothing about others, so don't quote it.

    Raises:
        ValueError: the arguments are not of one length.
    """
    weights = [1.0] * len(counts) if of is None else of
    return _quantiles(_drawn_ratios(counts, weights, clusters, seed=seed, rounds=rounds), confidence)


def bootstrap_difference(
    ours: tuple[Sequence[float], Sequence[float]],
    theirs: tuple[Sequence[float], Sequence[float]],
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
) -> Interval:
    """The 95 % interval of sum(counts) / sum(of) of ours minus that of theirs, on the same draws.

    Args:
        ours: counts and `of`, as in `bootstrap`; `theirs` likewise, of the same examples in the same order.

    Raises:
        ValueError: the arguments are not of one length.
    """
    mine, yours = (_drawn_ratios(*side, clusters, seed=seed, rounds=_ROUNDS) for side in (ours, theirs))
    return _quantiles(mine - yours, 0.95)


def _drawn_ratios(
    counts: Sequence[float] | npt.NDArray[np.floating],
    weights: Sequence[float] | npt.NDArray[np.floating],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    rounds: int,
) -> npt.NDArray[np.float64]:
    """The ratio of each round, NaN where it drew no weight; equal seeds and clusters draw alike."""
    if not len(counts) == len(clusters) == len(weights):
        raise ValueError(
            f"{len(counts)} counts, {len(weights)} weights, {len(clusters)} clusters: not one length"
        )
    if not len(counts):
        return np.empty(0)
    places: dict[Hashable, int] = {}
    index = [places.setdefault(cluster, len(places)) for cluster in clusters]
    sums = np.zeros((2, len(places)))
    np.add.at(sums[0], index, np.asarray(counts, np.float64))
    np.add.at(sums[1], index, np.asarray(weights, np.float64))
    rng = np.random.default_rng(seed)
    ratios: list[npt.NDArray[np.float64]] = []
    at_once = max(1, _MOST_DRAWS // len(places))
    for start in range(0, rounds, at_once):
        drawn = rng.integers(len(places), size=(min(at_once, rounds - start), len(places)))
        top, bottom = sums[:, drawn].sum(axis=2)
        ratios.append(np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0))
    return np.concatenate(ratios)


def _quantiles(every: npt.NDArray[np.float64], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    if np.isnan(every).all():
        return NOTHING
    low, high = np.nanquantile(every, [tail, 1 - tail])
    return float(low), float(high)


def share_interval(
    counts: Sequence[float] | npt.NDArray[np.floating],
    clusters: Sequence[Hashable],
    *,
    of: Sequence[float] | npt.NDArray[np.floating] | None = None,
    seed: int = 0,
) -> Interval:
    """The interval of a share that is fit to be quoted: the wider of `bootstrap` and `wilson` by clusters.

    Where all examples are right the bootstrap draws nothing else and shrinks to a point; Wilson's, with each
    cluster counted as one example, does not.

    Args:
        as `bootstrap`; the counts lie in 0..`of`, so that their ratio is a share.
    """
    weights = np.ones(len(counts)) if of is None else np.asarray(of, np.float64)
    drawn = bootstrap(counts, clusters, of=weights, seed=seed)
    if math.isnan(drawn[0]):
        return NOTHING
    seen = len({cluster for cluster, weight in zip(clusters, weights, strict=True) if weight > 0})
    share = float(np.sum(counts) / np.sum(weights))
    low, high = wilson(share * seen, seen)
    return min(low, drawn[0]), max(high, drawn[1])
