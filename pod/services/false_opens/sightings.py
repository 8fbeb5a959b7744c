"""How alike several looks at one plate are, and how much evidence together: `K_EFF` is fitted here."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from models.evaluation.intervals import Interval
from models.evaluation.rare_events import intraclass_correlation
from pod.domain.errors import MeasurementError
from pod.domain.evidence import Evidence
from pod.domain.reads import PlateRead
from pod.services.false_opens.crops import Progress, Reads
from pod.services.false_opens.noise_model import Frames, truth_logs

K_TRIED = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 12.0)
"""Values of `K_EFF` that are compared."""

_ROUNDS = 2000
LEAST_PLATES = 20
"""Plates seen more than once that say how alike frames are."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Several reads of one plate.

    Attributes:
        key: the truth, a match key.
        frames: at least two reads.
    """

    key: str
    frames: Frames


@dataclass(frozen=True, slots=True)
class Alikeness:
    """What several looks at one plate are worth.

    Attributes:
        plates: plates seen more than once.
        looks: at them in all.
        correlation: of two looks, in how sure the truth is, by character (intraclass).
        correlation_of_errors: of two looks, in whether a character is misread.
        k_eff: under which the evidence of all looks gives the truth the most likelihood.
        k_eff_interval_95: of it, bootstrap by plate.
        cost_by_k: by `K_EFF`: nats of surprise at the truth, per plate; the least is the best.
    """

    plates: int
    looks: int
    correlation: float
    correlation_of_errors: float
    k_eff: float
    k_eff_interval_95: Interval
    cost_by_k: dict[float, float]


def sightings(reads: Reads) -> list[Sighting]:
    """The plates of one source with several crops, in the order of their files."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in sorted(range(len(reads.crops)), key=lambda i: reads.crops[i].file):
        found[reads.crops[i].source, reads.crops[i].key].append(i)
    return [Sighting(key, reads.slots[some]) for (_, key), some in sorted(found.items()) if len(some) > 1]


def alikeness(seen: Sequence[Sighting], *, seed: int, progress: Progress = lambda done: None) -> Alikeness:
    """Measure correlation, and fit `K_EFF`.

    Raises:
        MeasurementError: too few plates were seen more than once.
    """
    if len(seen) < LEAST_PLATES:
        raise MeasurementError(
            f"only {len(seen)} plates were seen more than once; {LEAST_PLATES} are the least that say how "
            "alike frames are: take the whole plate set"
        )
    surprise, wrong = [], []
    costs = np.empty((len(seen), len(K_TRIED)))
    for row, sighting in enumerate(seen):
        logs = truth_logs(sighting.frames, sighting.key)[:, : len(sighting.key)]
        surprise += list(logs.T)
        wrong += list((logs < np.log(0.5)).astype(float).T)
        costs[row] = [_cost(sighting, k) for k in K_TRIED]
        progress(1)
    drawn = np.random.default_rng(seed).integers(len(seen), size=(_ROUNDS, len(seen)))
    best = np.array([K_TRIED[int(costs[some].sum(axis=0).argmin())] for some in drawn])
    low, high = np.quantile(best, [0.025, 0.975])
    mean = costs.mean(axis=0)
    return Alikeness(
        len(seen),
        sum(len(sighting.frames) for sighting in seen),
        intraclass_correlation(surprise),
        intraclass_correlation(wrong),
        K_TRIED[int(mean.argmin())],
        (float(low), float(high)),
        dict(zip(K_TRIED, mean.tolist(), strict=True)),
    )


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Whether evidence tells two cars apart, and takes one car for one.

    Attributes:
        same, different: pairs of reads tried; of different plates only pairs in which both are read surely.
        same_percent, different_percent: of them, those whose second read was held back as of another car.
    """

    same: int
    same_percent: float
    different: int
    different_percent: float


def contradictions(seen: Sequence[Sighting], *, sure: float) -> Contradictions:
    """Show the evidence each plate's first two reads, and each plate's first read after another's.

    Args:
        sure: confidence from which a read counts as sure.
    """
    first = [sighting.frames[0] for sighting in seen]
    same = [_held_back(sighting.frames[0], sighting.frames[1]) for sighting in seen]
    different = [
        _held_back(a, b)
        for i, (a, b) in enumerate(pairwise(first))
        if seen[i].key != seen[i + 1].key and min(a.max(axis=1).min(), b.max(axis=1).min()) >= sure
    ]
    return Contradictions(
        len(same),
        100 * sum(same) / max(1, len(same)),
        len(different),
        100 * sum(different) / max(1, len(different)),
    )


def _held_back(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> bool:
    evidence = Evidence()
    for slots in (before, after):
        evidence.add(PlateRead((0, 0, 1, 1), 1.0, "", 0.0, slots))
    return evidence.consensus().confidence == 0


def _cost(sighting: Sighting, k_eff: float) -> float:
    """Surprise at the truth once all looks are taken in, nats; summed over the slots."""
    evidence = Evidence(k_eff=k_eff)
    for slots in sighting.frames:
        evidence.add(PlateRead((0, 0, 1, 1), 1.0, "", 0.0, slots))
    return -float(truth_logs(evidence.consensus().slots[None], sighting.key).sum())
