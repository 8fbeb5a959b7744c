"""What a track's frames together say about its plate. Pure.

Frames of one track are near copies of each other, so their evidence is tempered: `n` equally good frames
weigh `n / (1 + (n - 1) / K_EFF)` independent ones (the design effect of samples correlated by `1 / K_EFF`),
never more than `K_EFF`. One frame weighs one, so a single clear frame can decide.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pod.domain.folding import FOLD
from pod.domain.reads import ALPHABET, SLOTS, PlateRead

K_EFF = 3.0
"""How many independent frames a whole track is worth at most. Fitted on plates seen several times: 1.75,
with the 95 % interval 1.5 to 4 (`platebridge models false-opens`)."""

_WINDOW = 12
"""Newest reads that count: about a second, so what was seen before a mix-up of two cars fades."""

_FLOOR = 1e-4
"""Lowest probability a single frame may give a character: no frame alone can veto one."""

_MOST = 1.01
"""Highest probability that a recogniser's rounding makes."""

_SURE = 0.8
"""From this posterior on, a slot counts as read when two plates are told apart."""

_PAD = len(ALPHABET) - 1


@dataclass(frozen=True, slots=True)
class Consensus:
    """The plate that a track's evidence points to.

    Attributes:
        text: the most likely characters, padding removed.
        confidence: the lowest posterior of a chosen character, padding slots included, 0..1; characters that
            `plates.match_key` folds together count as one. 0 while the newest read clearly contradicts the
            others.
        slots: shape (SLOTS, len(ALPHABET)), float32, posteriors; each row sums to 1.
        frames: how many reads stand behind it.
    """

    text: str
    confidence: float
    slots: npt.NDArray[np.float32]
    frames: int


class Evidence:
    """The reads of one track, newest last.

    A read that is clearly of another plate is held back; when the next one is of another plate too, the
    track has passed to another car and the evidence starts over with those two. Two plates never blend into
    a third.
    """

    def __init__(self, *, k_eff: float = K_EFF) -> None:
        """
        Args:
            k_eff: how many independent frames a whole track is worth at most, 1 or more; another than the
                shipped one only to measure what it would change.
        """
        self._k_eff = k_eff
        self._reads: deque[npt.NDArray[np.float64]] = deque(maxlen=_WINDOW)
        self._stranger: npt.NDArray[np.float64] | None = None

    def add(self, read: PlateRead) -> None:
        """Take in one more frame.

        Raises:
            ValueError: the slots are no (SLOTS, len(ALPHABET)) table of finite probabilities.
        """
        slots = read.slots.astype(np.float64)
        # Said so that what is no number is refused, too.
        if slots.shape != (SLOTS, len(ALPHABET)) or not ((slots >= 0) & (slots <= _MOST)).all():
            raise ValueError(
                f"a read carries slots of shape {slots.shape} or values that are no probabilities: "
                f"the recogniser must answer ({SLOTS}, {len(ALPHABET)})"
            )
        slots = np.clip(slots, _FLOOR, None)
        slots /= slots.sum(axis=1, keepdims=True)
        if not self._reads or not _contradict(self._combined(), slots):
            self._stranger = None
            self._reads.append(slots)
        elif self._stranger is None:
            self._stranger = slots
        else:
            same_car = not _contradict(self._stranger, slots)
            self._reads.clear()
            if same_car:
                self._reads.append(self._stranger)
            self._reads.append(slots)
            self._stranger = None

    def consensus(self) -> Consensus:
        """What the reads so far say; no text and no confidence before the first."""
        if not self._reads:
            uniform = np.full((SLOTS, len(ALPHABET)), 1 / len(ALPHABET), dtype=np.float32)
            return Consensus("", 0.0, uniform, 0)
        slots = self._combined()
        folded = slots @ FOLD
        members = np.where(FOLD.T[folded.argmax(axis=1)] > 0, slots, -1.0)
        chosen = members.argmax(axis=1)
        text = "".join(ALPHABET[c] for c in chosen if c != _PAD)
        confidence = 0.0 if self._stranger is not None else float(folded.max(axis=1).min())
        return Consensus(text, min(confidence, 1.0), slots.astype(np.float32), len(self._reads))

    def _combined(self) -> npt.NDArray[np.float64]:
        return _combine(self._reads, self._k_eff)


def _combine(reads: deque[npt.NDArray[np.float64]], k_eff: float) -> npt.NDArray[np.float64]:
    """Posteriors, shape (SLOTS, 37), of reads weighted by how legible each is.

    The folded classes and the characters inside a class are combined apart, so that an O that flickers
    between O and 0 costs no confidence.
    """
    tables = np.stack(tuple(reads))
    folded = tables @ FOLD
    legible = folded.max(axis=2).min(axis=1) ** 2
    count = legible.sum() ** 2 / (legible**2).sum()
    independent = count / (1 + (count - 1) / k_eff)
    weights = independent * legible / legible.sum()
    classes = _softmax(np.tensordot(weights, np.log(folded), axes=1))
    inside = np.exp(np.tensordot(weights / weights.sum(), np.log(tables), axes=1))
    shares = inside / (inside @ FOLD @ FOLD.T)
    return np.asarray(shares * (classes @ FOLD.T))


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _contradict(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> bool:
    """Whether both tables are sure of different characters in two slots or more.

    One slot is what a recogniser confuses on one plate; it is left to the tempered sum.
    """
    fa, fb = a @ FOLD, b @ FOLD
    differs = fa.argmax(axis=1) != fb.argmax(axis=1)
    sure = (fa.max(axis=1) >= _SURE) & (fb.max(axis=1) >= _SURE)
    return int((differs & sure).sum()) >= 2
