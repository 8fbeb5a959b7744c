"""What a track's frames together say about its plate. Pure.

Frames of one track are near copies of each other, so their evidence is tempered: however many frames agree, they
weigh together no more than `k_eff` independent ones.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pod.domain.reads import ALPHABET, SLOTS, PlateRead

_FLOOR = 1e-4
"""Lowest probability a single frame may give a character: no frame alone can veto one."""


@dataclass(frozen=True, slots=True)
class Consensus:
    """The plate that a track's evidence points to.

    Attributes:
        text: the most likely characters, padding removed.
        confidence: the lowest of the chosen characters' posteriors, 0..1.
        slots: shape (SLOTS, len(ALPHABET)), float32, posteriors; each row sums to 1.
        frames: how many reads stand behind it.
    """

    text: str
    confidence: float
    slots: npt.NDArray[np.float32]
    frames: int
