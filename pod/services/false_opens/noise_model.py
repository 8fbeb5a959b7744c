"""Draws approaches of cars whose plate is made up, from the errors a reader made on held-out crops. Seeded.

What is assumed, and how it is held against the crops:

- A character is misread as the held-out crops misread that character, wherever it stands on the plate.
- Characters of one read depend on each other through how legible the crop is: all rows of an approach come
  from crops about as legible as the one it is modelled on.
- Frames of one approach are as legible as each other, and each character is either seen the same way in
  every frame (dirt, font, a screw) or anew in each. How often the first is chosen so that the correlation of
  two frames is the measured one. Copies that last for ever are the strongest form of dependence.
- A read whose characters cannot be matched to the truth one by one (one missing, or one too many) shows that
  plate's own slots: it is of no use to whoever is listed, and opens for another plate only by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.rare_events import intraclass_correlation
from pod.domain.errors import MeasurementError
from pod.domain.folding import CLASSES, FOLD, PAD_CLASS
from pod.domain.reads import SLOTS
from pod.services.false_opens.crops import Reads, read_key

_LEAST_PROBABILITY = 1e-4
"""As `domain.evidence` floors what one frame may say."""

_NEAREST_SHARE = 0.2
_NEAREST_LEAST = 15
"""Rows of a character that are about as legible: this share of all, and not fewer than so many."""

_TILTED = 0.5
"""Share of approaches in which one misread is sought out on purpose."""

MIN_CROPS = 50

Frames = npt.NDArray[np.float32]
"""Shape (frames, SLOTS, len(ALPHABET)): the reads of one approach, the oldest first."""


@dataclass(frozen=True, slots=True)
class Approach:
    """One made-up approach.

    Attributes:
        weight: how much it counts, so that sought-out errors do not count for more than they are; 1 on
            average.
    """

    frames: Frames
    weight: float


@dataclass(frozen=True, slots=True)
class _Bank:
    """Rows of one character, by how legible the rest of their crop was.

    Attributes:
        rows: shape (n, len(ALPHABET)).
        legible: shape (n,), sorted.
        wrongness: shape (n,), how little of the row is on the truth, above 0.
    """

    rows: npt.NDArray[np.float32]
    legible: npt.NDArray[np.float64]
    wrongness: npt.NDArray[np.float64]

    def window(self, legible: float) -> tuple[int, int]:
        """The rows whose crops are about so legible, as a range."""
        size = min(len(self.rows), max(_NEAREST_LEAST, round(_NEAREST_SHARE * len(self.rows))))
        middle = int(np.searchsorted(self.legible, legible))
        start = min(max(0, middle - size // 2), len(self.rows) - size)
        return start, start + size


class NoiseModel:
    """Made-up approaches with the errors of `reads`.

    Attributes:
        stray_share: share of reads whose characters cannot be matched to the truth.
        own_correlation: how alike two frames of an approach are by being equally legible alone.
    """

    def __init__(self, reads: Reads) -> None:
        """
        Args:
            reads: of held-out crops; each plate counts the same, however many crops show it.

        Raises:
            MeasurementError: too few crops.
        """
        if len(reads.crops) < MIN_CROPS:
            raise MeasurementError(
                f"{len(reads.crops)} held-out crops are too few for a noise model: at least {MIN_CROPS}"
            )
        aligned, strays = _aligned(reads)
        plates: dict[str, int] = {}
        for crop in reads.crops:
            plates[crop.key] = plates.get(crop.key, 0) + 1
        share = np.array([1 / plates[crop.key] for crop in reads.crops])
        self._share = share / share.sum()
        self._strays = {i: reads.slots[i] for i in strays}
        self.stray_share = float(self._share[strays].sum()) if strays else 0.0
        truth_rows: dict[int, list[tuple[float, npt.NDArray[np.float32], float]]] = {
            place: [] for place in range(len(CLASSES))
        }
        self._legible = np.full(len(reads.crops), np.nan)
        for i in aligned:
            places = truth_places(reads.crops[i].key)
            given = (reads.slots[i] @ FOLD)[np.arange(SLOTS), places]
            logs = np.log(np.maximum(given, _LEAST_PROBABILITY))
            self._legible[i] = logs.mean()
            for slot, place in enumerate(places):
                rest = (logs.sum() - logs[slot]) / (SLOTS - 1)
                truth_rows[int(place)].append((float(rest), reads.slots[i, slot], float(given[slot])))
        self._banks = {place: _bank(rows) for place, rows in truth_rows.items() if rows}
        self.characters = "".join(sorted(CLASSES[p] for p in self._banks if p != PAD_CLASS))
        self.own_correlation = 0.0
        self.own_correlation = self._measured_own_correlation()

    def persistence(self, correlation: float) -> float:
        """How often a character must be seen the same way throughout for frames to be so correlated."""
        if correlation >= 1:
            return 1.0
        return min(1.0, max(0.0, (correlation - self.own_correlation) / (1 - self.own_correlation)))

    def approach(
        self, key: str, frames: int, *, persistence: float, rng: np.random.Generator, tilted: bool = True
    ) -> Approach:
        """Draw one approach of a plate.

        Args:
            key: match key, of `characters` only.
            frames: reads of it, at least 1.
            persistence: chance that a character is seen the same way in every frame, 0..1.
            tilted: seek out misreads in some of the approaches and give them less weight (importance sampling
                with a defensive mixture, so that no weight exceeds 2).
        """
        donor = int(rng.choice(len(self._share), p=self._share))
        stays = rng.random() < persistence
        if donor in self._strays and stays:
            return Approach(np.repeat(self._strays[donor][None], frames, axis=0), 1.0)
        legible = self._legible[donor]
        if np.isnan(legible):
            legible = self._legible[~np.isnan(self._legible)][rng.integers((~np.isnan(self._legible)).sum())]
        places = truth_places(key)
        banks = [self._banks[int(place)] for place in places]
        windows = [bank.window(float(legible)) for bank in banks]
        kept = rng.random(SLOTS) < persistence
        base = np.array([rng.integers(*window) for window in windows])
        fresh = np.stack([rng.integers(*window, size=frames) for window in windows])
        weight = 1.0
        if tilted:
            weight = _tilt(len(key), kept, base, fresh, banks, windows, persistence=persistence, rng=rng)
        chosen = np.where(kept[:, None], base[:, None], fresh)
        slots = np.stack([bank.rows[rows] for bank, rows in zip(banks, chosen, strict=True)], axis=1)
        strays = list(self._strays)
        for frame in np.flatnonzero(rng.random(frames) < self.stray_share) if strays and not stays else ():
            slots[frame] = self._strays[strays[int(rng.integers(len(strays)))]]
        return Approach(np.asarray(slots, np.float32), weight)

    def _measured_own_correlation(self, plates: int = 300) -> float:
        rng = np.random.default_rng(0)
        values: list[npt.NDArray[np.float64]] = []
        for _ in range(plates):
            key = "".join(rng.choice(list(self.characters), 7))
            frames = self.approach(key, 4, persistence=0.0, rng=rng, tilted=False).frames
            values += list(truth_logs(frames, key)[:, : len(key)].T)
        found = intraclass_correlation(values)
        return 0.0 if np.isnan(found) else min(found, 0.99)


def truth_places(key: str) -> npt.NDArray[np.intp]:
    """The class that each slot should show, shape (SLOTS,)."""
    return np.array([CLASSES.index(c) for c in key.ljust(SLOTS, CLASSES[PAD_CLASS])[:SLOTS]])


def truth_logs(frames: Frames, key: str) -> npt.NDArray[np.float64]:
    """Logarithm of the probability of the truth, shape (frames, SLOTS)."""
    given = (frames @ FOLD)[:, np.arange(SLOTS), truth_places(key)]
    return np.asarray(np.log(np.maximum(given, _LEAST_PROBABILITY)))


def is_aligned(slots: npt.NDArray[np.floating], key: str) -> bool:
    """Whether a read's characters stand for those of the truth one by one, at most two of them wrong."""
    read = read_key(slots)
    return len(read) == len(key) and sum(a != b for a, b in zip(read, key, strict=True)) <= 2


def _aligned(reads: Reads) -> tuple[list[int], list[int]]:
    aligned = [i for i, crop in enumerate(reads.crops) if is_aligned(reads.slots[i], crop.key)]
    return aligned, sorted(set(range(len(reads.crops))) - set(aligned))


def _bank(rows: Sequence[tuple[float, npt.NDArray[np.float32], float]]) -> _Bank:
    ordered = sorted(rows, key=lambda row: row[0])
    return _Bank(
        np.stack([row for _, row, _ in ordered]),
        np.array([rest for rest, _, _ in ordered]),
        np.array([max(1e-3, 1 - given) ** 2 for _, _, given in ordered]),
    )


def _tilt(
    length: int,
    kept: npt.NDArray[np.bool_],
    base: npt.NDArray[np.intp],
    fresh: npt.NDArray[np.intp],
    banks: Sequence[_Bank],
    windows: Sequence[tuple[int, int]],
    *,
    persistence: float,
    rng: np.random.Generator,
) -> float:
    """Maybe put a likely misread into one character, in place; returns the weight that makes up for it.

    With chance `_TILTED` one character is drawn anew: seen the same way throughout with chance one half (as
    `persistence` allows), and its row, or the row of one frame, by wrongness instead of evenly. The weight is
    the true density of what was drawn over that of the mixture.
    """
    frames = fresh.shape[1]
    lasting = persistence if persistence in (0.0, 1.0) else 0.5
    tilts = []
    for bank, (start, end) in zip(banks, windows, strict=True):
        wrong = bank.wrongness[start:end]
        tilts.append(wrong / wrong.mean())
    if rng.random() < _TILTED:
        slot = int(rng.integers(length))
        start, end = windows[slot]
        drawn = start + int(rng.choice(end - start, p=tilts[slot] / (end - start)))
        kept[slot] = rng.random() < lasting
        if kept[slot]:
            base[slot] = drawn
        else:
            fresh[slot, int(rng.integers(frames))] = drawn
    density = 0.0
    for slot in range(length):
        start = windows[slot][0]
        if kept[slot]:
            density += lasting / persistence * tilts[slot][base[slot] - start]
        else:
            density += (1 - lasting) / (1 - persistence) * tilts[slot][fresh[slot] - start].mean()
    return 1 / (1 - _TILTED + _TILTED * density / length)
