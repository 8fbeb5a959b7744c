"""What one frame says about one plate. Pure data."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pod.domain.plates import MIN_LENGTH

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
"""Characters of a slot, in the recogniser's order; the last one pads."""

SLOTS = 10
"""Character positions the recogniser answers for."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the full frame; x2 > x1, y2 > y1."""


@dataclass(frozen=True, slots=True)
class PlateRead:
    """One plate found and read in one frame.

    Attributes:
        box: where the detector saw it, in pixels of the full frame, without margin.
        score: the detector's confidence, 0..1.
        text: the most likely characters, padding removed; empty where it is no plate.
        confidence: the lowest of the chosen characters' probabilities, padding slots included, 0..1.
        slots: shape (SLOTS, len(ALPHABET)), float32, each row a probability distribution.
    """

    box: Box
    score: float
    text: str
    confidence: float
    slots: npt.NDArray[np.float32]

    @property
    def is_plate(self) -> bool:
        """Whether the recogniser sees a plate here at all.

        To what is none (a window, a sign, a plate too blurred for any character) it answers the empty text.
        A text too short for any list counts as that.
        """
        return len(self.text) >= MIN_LENGTH

    @property
    def width_px(self) -> float:
        return self.box[2] - self.box[0]
