"""Which characters a reader mistakes for each other: counted on training crops, tried on others."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pod.domain.confusions import CONFUSED_WITH
from pod.domain.folding import CLASSES, FOLD, PAD_CLASS
from pod.services.false_opens.crops import LabelledCrop, Reads, read_key

_SEEN = 0.02
"""Less in one slot is the background that every character gets."""

_LEAST_PLATES = 3
"""A pair that fewer different plates show may be one odd plate."""

Pair = str
"""Two different characters in alphabetical order, as match keys fold them."""


@dataclass(frozen=True, slots=True)
class Confusions:
    """What was mistaken for what.

    Attributes:
        weights: by pair, the probability that went to the wrong one of the two, summed over crops that are
            read right but for one character at most.
        plates: by pair, how many different plates add to it.
        misreads: by pair, how often it was the one misread character.
    """

    weights: Mapping[Pair, float]
    plates: Mapping[Pair, int]
    misreads: Counter[Pair]

    def heaviest(self, count: int) -> list[Pair]:
        """The pairs of most weight that several plates show, the heaviest first."""
        enough = [pair for pair in self.weights if self.plates[pair] >= _LEAST_PLATES]
        return sorted(enough, key=lambda pair: (-self.weights[pair], pair))[:count]

    def explained_percent(self, pairs: Iterable[Pair]) -> float:
        """Share of misreads that some pairs name; NaN where there were none."""
        named = set(pairs)
        known = sum(count for pair, count in self.misreads.items() if pair in named)
        return 100 * known / self.misreads.total() if self.misreads else float("nan")


def shipped_pairs() -> frozenset[Pair]:
    """The pairs that `domain.confusions` names."""
    return frozenset("".join(sorted(a + b)) for a, others in CONFUSED_WITH.items() for b in others)


def count_confusions(*several: Reads) -> Confusions:
    """Count over all readers' reads together."""
    weights: defaultdict[Pair, float] = defaultdict(float)
    shown: defaultdict[Pair, set[str]] = defaultdict(set)
    misreads: Counter[Pair] = Counter()
    for reads in several:
        for crop, slots in zip(reads.crops, reads.slots, strict=True):
            read = read_key(slots)
            wrong = [(a, b) for a, b in zip(crop.key, read, strict=False) if a != b]
            if len(read) != len(crop.key) or len(wrong) > 1:
                continue
            misreads.update(_pair(a, b) for a, b in wrong)
            for row, right in zip(slots @ FOLD, crop.key, strict=False):
                for i in np.flatnonzero(row > _SEEN):
                    if CLASSES[i] != right and i != PAD_CLASS:
                        weights[_pair(right, CLASSES[i])] += float(row[i])
                        shown[_pair(right, CLASSES[i])].add(crop.key)
    return Confusions(dict(weights), {pair: len(keys) for pair, keys in shown.items()}, misreads)


def _pair(a: str, b: str) -> Pair:
    return min(a, b) + max(a, b)


def fitted_pairs(reads: Sequence[Reads], count: int) -> list[Pair]:
    """The pairs to name, the heaviest first: those that both halves of the plates show, at most `count`.

    Args:
        reads: of training crops, by one or more readers.
    """
    halves = [
        count_confusions(*(some.where(partial(_is_of_half, half)) for some in reads)) for half in (0, 1)
    ]
    everywhere = [set(half.heaviest(2 * count)) for half in halves]
    both = count_confusions(*reads)
    return [pair for pair in both.heaviest(2 * count) if all(pair in half for half in everywhere)][:count]


def _is_of_half(half: int, crop: LabelledCrop) -> bool:
    return zlib.crc32(crop.key.encode()) & 1 == half
