"""Bounds and intervals for events that are hardly ever seen. Pure."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from models.evaluation.intervals import NOTHING, Interval

_STEPS = 60
"""Halvings of an interval; 60 leave less than a double can tell."""

_STUDENT_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""Two-sided 95 % points of Student's t by degrees of freedom; above nine that of nine, which is wider."""


def clopper_pearson(k: int, n: int, *, confidence: float = 0.95) -> Interval:
    """The exact two-sided interval of a share k / n (Clopper and Pearson, Biometrika 26, 1934).

    For independent examples. It covers at least as often as it says, also at k = 0, where Wilson's does not.

    Raises:
        ValueError: k is not in 0..n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no share")
    if n == 0:
        return NOTHING
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else _solve(lambda p: 1 - _at_most(k - 1, n, p), tail)
    high = 1.0 if k == n else _solve(lambda p: 1 - _at_most(k, n, p), 1 - tail)
    return low, high


def upper_bound(k: int, n: int, *, confidence: float = 0.95) -> float:
    """The one-sided bound: the share is below it, said with this confidence. NaN without examples.

    With k = 0 and 95 % it is close to 3 / n, the rule of three (Hanley and Lippman-Hand, JAMA 249, 1983).

    Raises:
        ValueError: k is not in 0..n.
    """
    return clopper_pearson(k, n, confidence=2 * confidence - 1)[1]


def chance_of_any(hits: int, space: float, *, listed: int) -> float:
    """That a list drawn from `space` equally likely plates holds at least one of `hits` certain ones.

    Exact for draws with replacement; without, the two differ by less than `listed / space`.
    """
    if hits <= 0:
        return 0.0
    return -math.expm1(listed * math.log1p(-min(hits / space, 1 - 1e-15)))


def intraclass_correlation(
    groups: Sequence[npt.NDArray[np.floating]],
) -> float:
    """How alike the values of one group are, against those of others: 1 copies, 0 as any (ANOVA estimator).

    Donner, International Statistical Review 54, 1986. Groups of one value tell nothing and are left out.
    NaN where fewer than two groups are left or nothing varies; below 0 counts as 0.
    """
    used = [np.asarray(group, np.float64) for group in groups if len(group) > 1]
    if len(used) < 2:
        return math.nan
    sizes = np.array([len(group) for group in used])
    total, count = int(sizes.sum()), len(used)
    mean = np.concatenate(used).mean()
    between = sum(len(group) * (group.mean() - mean) ** 2 for group in used) / (count - 1)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in used) / (total - count)
    typical = (total - (sizes**2).sum() / total) / (count - 1)
    spread = between + (typical - 1) * within
    return max(0.0, float((between - within) / spread)) if spread > 0 else math.nan


def jackknife_interval(estimate: float, left_out: Sequence[float]) -> Interval:
    """95 % interval of a positive rate from estimates that each leave one group of examples out.

    On the logarithm, so that it stays positive; groups count as independent (Efron and Stein, 1981). NaN
    where any of the estimates is 0: then only a bound can be given.
    """
    count = len(left_out)
    if count < 2 or estimate <= 0 or min(left_out) <= 0:
        return NOTHING
    logs = np.log(np.asarray(left_out, np.float64))
    error = math.sqrt((count - 1) / count * float(((logs - logs.mean()) ** 2).sum()))
    factor = math.exp(_STUDENT_975[min(count - 1, 9)] * error)
    return estimate / factor, estimate * factor


def _at_most(k: int, n: int, p: float) -> float:
    """P(X <= k) of a binomial, summed from the logarithms of its terms."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return 1.0 if k >= n else 0.0
    terms = [
        math.lgamma(n + 1)
        - math.lgamma(i + 1)
        - math.lgamma(n - i + 1)
        + i * math.log(p)
        + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    ]
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def _solve(rising: Callable[[float], float], value: float) -> float:
    """Where a function that rises over [0, 1] takes a value."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2
