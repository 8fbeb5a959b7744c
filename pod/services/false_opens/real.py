"""Figure (a): real reads of strangers' plates against lists of other real plates. Nothing in it is modelled.

Each validation crop is one stranger. The POD sees many frames of a car, these sets hold one or a few: each
crop is therefore shown once, and again and again until the evidence holds no more, and counts as let in if
the gate would open at any of these moments. That errs on the unsafe side: copies of one wrong read agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

from models.evaluation.intervals import Interval, bootstrap
from models.evaluation.rare_events import upper_bound
from pod.domain.errors import MeasurementError
from pod.domain.evidence import Consensus
from pod.domain.index import AccessIndex
from pod.domain.policy import Policy
from pod.services.false_opens.crops import Progress, Reads
from pod.services.false_opens.openings import consensuses, lets_in, listed, openings

COPIES = 12
"""Times each crop is shown: as many reads as the evidence holds."""


@dataclass(frozen=True, slots=True)
class ListFigure:
    """What lists of one kind let in.

    Attributes:
        kind: "random" lists of other plates, "nearest": the plates most like the strangers', "alone": the one
            plate that fits the stranger best, which no list can beat, or "all".
        listed: plates on the list.
        draws: lists drawn.
        attempts: strangers that came, over all draws.
        let_in: of them.
        plates: different plates among the strangers; only so many are independent.
        plates_let_in: of them, in any draw.
        percent: share of attempts let in.
        interval_95_percent: of it, bootstrap by plate.
        bound_95_percent: what the share is below with 95 % confidence by the plates let in (Clopper and
            Pearson, one-sided; with none of n it is 3 / n).
    """

    kind: str
    listed: int
    draws: int
    attempts: int
    let_in: int
    plates: int
    plates_let_in: int
    percent: float
    interval_95_percent: Interval | None
    bound_95_percent: float


def real_figures(
    strangers: Reads,
    others: Sequence[str],
    *,
    sizes: Sequence[int],
    draws: int,
    policy: Policy,
    seed: int,
    progress: Progress = lambda done: None,
) -> list[ListFigure]:
    """Count who is let in.

    Args:
        strangers: what was read of cars none of which is on the list when it comes.
        others: match keys that lists are made of; a stranger's own is never on the list it meets.
        sizes: plates on a list; a size that `others` cannot fill is answered by the list of all of them.

    Raises:
        MeasurementError: no strangers, no other plates, or a list of less than one plate.
    """
    pool = sorted(set(others))
    if not strangers.crops:
        raise MeasurementError("there is no validation read to count with: check val.csv of the plate set")
    if len(pool) < 2 or min(sizes, default=0) < 1:
        raise MeasurementError(
            f"lists of {min(sizes, default=0)} plates out of {len(pool)} other plates tell nothing: give "
            "a set with more plates, or --listed 1 or more"
        )
    keys = [crop.key for crop in strangers.crops]
    everything = AccessIndex(listed(key) for key in pool)
    suspects = _suspects(strangers, everything, progress)
    rng = np.random.default_rng(seed)
    figures = []
    for size in sizes:
        if size < len(pool):
            lists = [[pool[i] for i in rng.choice(len(pool), size, replace=False)] for _ in range(draws)]
            figures.append(_figure("random", lists, strangers, suspects, policy=policy, seed=seed))
            nearest = [_nearest(keys, pool, size=size)]
            figures.append(_figure("nearest", nearest, strangers, suspects, policy=policy, seed=seed))
    figures.append(_figure("all", [pool], strangers, suspects, policy=policy, seed=seed))
    figures.append(_alone(strangers, suspects, frozenset(pool), policy=policy, seed=seed))
    return figures


def _suspects(strangers: Reads, everything: AccessIndex, progress: Progress) -> dict[int, list[Consensus]]:
    """The strangers who may mean any other plate at all, with the moments at which they do.

    No list holds candidates that the list of everything does not.
    """
    found: dict[int, list[Consensus]] = {}
    for i, (crop, slots) in enumerate(zip(strangers.crops, strangers.slots, strict=True)):
        for consensus in consensuses([slots] * COPIES):
            if any(entry.key != crop.key for entry in everything.candidates(consensus)):
                found.setdefault(i, []).append(consensus)
        progress(1)
    return found


def _figure(
    kind: str,
    lists: Sequence[Sequence[str]],
    strangers: Reads,
    suspects: Mapping[int, Sequence[Consensus]],
    *,
    policy: Policy,
    seed: int,
) -> ListFigure:
    keys = [crop.key for crop in strangers.crops]
    came, let_in = np.zeros(len(keys)), np.zeros(len(keys))
    for plates in lists:
        came += 1
        index = AccessIndex(listed(key) for key in plates)
        for i, moments in suspects.items():
            let_in[i] += any(
                lets_in(moment, [e for e in index.candidates(moment) if e.key != keys[i]], policy)
                for moment in moments
            )
    return _told(kind, len(lists[0]), len(lists), came, let_in, keys=keys, seed=seed)


def _alone(
    strangers: Reads,
    suspects: Mapping[int, Sequence[Consensus]],
    pool: frozenset[str],
    *,
    policy: Policy,
    seed: int,
) -> ListFigure:
    keys = [crop.key for crop in strangers.crops]
    let_in = np.zeros(len(keys))
    for i in suspects:
        opened = openings([strangers.slots[i]] * COPIES).keys(policy)
        let_in[i] = bool((opened & pool) - {keys[i]})
    return _told("alone", 1, 1, np.ones(len(keys)), let_in, keys=keys, seed=seed)


def _told(
    kind: str,
    size: int,
    draws: int,
    came: npt.NDArray[np.float64],
    let_in: npt.NDArray[np.float64],
    *,
    keys: Sequence[str],
    seed: int,
) -> ListFigure:
    hit = {key for key, count in zip(keys, let_in, strict=True) if count}
    plates = len(set(keys))
    low, high = bootstrap(let_in, keys, of=came, seed=seed)
    return ListFigure(
        kind,
        size,
        draws,
        int(came.sum()),
        int(let_in.sum()),
        plates,
        len(hit),
        100 * float(let_in.sum() / came.sum()),
        None if isnan(low) or not hit else (100 * low, 100 * high),
        100 * upper_bound(len(hit), plates),
    )


def _nearest(keys: Sequence[str], pool: Sequence[str], *, size: int) -> list[str]:
    """The plates of the pool that are most like any stranger's, by characters that differ place by place."""
    width = max(map(len, (*keys, *pool)))
    table = np.array([list(key.ljust(width).encode()) for key in pool], np.uint8)
    closest = np.full(len(pool), width)
    for key in set(keys):
        own = np.frombuffer(key.ljust(width).encode(), np.uint8)
        distance = (table != own).sum(axis=1)
        closest = np.minimum(closest, np.where(distance == 0, width, distance))
    return [pool[i] for i in np.argsort(closest, kind="stable")[:size]]
