"""Which of two readers is better, asked on the same examples. Pure.

"Better" is only said where the difference's 95 % interval leaves out zero and McNemar's test agrees: with a
handful of examples the interval alone can shrink to a point.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from models.evaluation.intervals import Interval, bootstrap

Verdict = Literal["better", "worse", "not_told_apart"]

_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two readers on the same examples.

    Attributes:
        n: examples.
        only_ours: examples that only ours has right; `only_theirs` the other way round.
        difference: share that ours has right minus the share that theirs has, -1..1; NaN without examples.
        interval_95: of that difference, drawn by cluster.
        mcnemar_p: chance of votes this lopsided or more if both were equally good; exact, two-sided (McNemar,
            Psychometrika 12, 1947). A cluster has one vote, for the reader that has more of it right: its
            examples are near copies.
    """

    n: int
    only_ours: int
    only_theirs: int
    difference: float
    interval_95: Interval
    mcnemar_p: float

    @property
    def verdict(self) -> Verdict:
        """What may be said of ours."""
        low, high = self.interval_95
        if self.mcnemar_p > _CHANCE or low <= 0 <= high:
            return "not_told_apart"
        return "better" if low > 0 else "worse"


def paired(
    ours: Sequence[bool], theirs: Sequence[bool], clusters: Sequence[Hashable], *, seed: int = 0
) -> Pairing:
    """Holds two readers against each other.

    Args:
        ours: whether each example was right.
        theirs: the same examples in the same order.
        clusters: what each belongs to (its picture, or its plate's text).

    Raises:
        ValueError: the arguments are not of one length.
    """
    differences = [float(bool(a)) - float(bool(b)) for a, b in zip(ours, theirs, strict=True)]
    votes: dict[Hashable, float] = {}
    for cluster, difference in zip(clusters, differences, strict=True):
        votes[cluster] = votes.get(cluster, 0.0) + difference
    return Pairing(
        n=len(differences),
        only_ours=differences.count(1.0),
        only_theirs=differences.count(-1.0),
        difference=sum(differences) / len(differences) if differences else math.nan,
        interval_95=bootstrap(differences, clusters, seed=seed),
        mcnemar_p=mcnemar(sum(v > 0 for v in votes.values()), sum(v < 0 for v in votes.values())),
    )


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """The exact two-sided p of a fair coin that falls so, or more unevenly; 1 where nothing differs."""
    thrown, fewer = only_ours + only_theirs, min(only_ours, only_theirs)
    tail = sum(math.comb(thrown, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**thrown))
