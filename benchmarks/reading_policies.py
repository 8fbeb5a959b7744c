"""Ways to read a plate: how many crops, cut how wide, and when a second look is worth it. Pure.

A policy sees what the recogniser answers for crops of one plate with different margins, and combines them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pod.domain.reads import ALPHABET

MARGINS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1)
"""Rims a crop may have, as a share of the box."""

Slots = npt.NDArray[np.float32]
"""Shape (SLOTS, len(ALPHABET))."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One way to read a plate.

    Attributes:
        margins: places in `MARGINS` of the crops to take; their answers are averaged.
        unsure_below: the crops after the first are taken only where its weakest slot is below this; None:
            always.
        in_turns: over the frames of an approach the margins take turns, one crop a frame.
    """

    margins: tuple[int, ...]
    unsure_below: float | None = None
    in_turns: bool = False

    @property
    def name(self) -> str:
        rims = " ".join(f"{100 * MARGINS[i]:g}" for i in self.margins)
        if self.in_turns:
            return f"in turns {rims} %"
        return f"{rims} %" if self.unsure_below is None else f"{rims} % below {self.unsure_below:g}"

    def read(self, answers: Sequence[Slots], *, frame: int = 0) -> tuple[Slots, int]:
        """What it makes of one plate in one frame, and how many crops that took.

        Args:
            answers: the recogniser's, one for each of `MARGINS`.
            frame: number of the frame in its approach.
        """
        if self.in_turns:
            return answers[self.margins[frame % len(self.margins)]], 1
        first = answers[self.margins[0]]
        if self.unsure_below is not None and float(first.max(axis=1).min()) >= self.unsure_below:
            return first, 1
        return averaged([answers[i] for i in self.margins]), len(self.margins)


def averaged(answers: Sequence[Slots]) -> Slots:
    """Geometric mean of the probabilities: a character that one crop rules out stays unlikely."""
    if len(answers) == 1:
        return answers[0]
    mean = np.exp(np.mean([np.log(np.maximum(slots, 1e-5)) for slots in answers], axis=0))
    return np.asarray(mean / mean.sum(axis=1, keepdims=True), np.float32)


def text_of(slots: Slots) -> str:
    """The most likely characters, padding removed."""
    return "".join(ALPHABET[i] for i in slots.argmax(axis=1)).replace(ALPHABET[-1], "")


def candidates() -> list[Policy]:
    """The policies that are compared, cheapest first."""
    one = [Policy((i,)) for i in range(len(MARGINS))]
    pairs = [(i, j) for i in range(3) for j in range(i + 1, len(MARGINS)) if j - i <= 3]
    unsure = [Policy(pair, unsure_below=bound) for bound in (0.85, 0.95) for pair in pairs]
    return [*one, *unsure, *(Policy(pair) for pair in pairs), Policy((0, 1, 2)), Policy((0, 2, 4))]


def candidates_for_frames() -> list[Policy]:
    """The policies that are compared where many frames show one car."""
    one = [Policy((i,)) for i in range(len(MARGINS))]
    pairs = [(i, j) for i in range(3) for j in range(i + 1, len(MARGINS)) if j - i <= 3]
    turns = [Policy(pair, in_turns=True) for pair in pairs]
    return [*one, *turns, *(Policy(pair, unsure_below=0.95) for pair in pairs), *map(Policy, pairs)]


def chosen(right: npt.NDArray[np.bool_], cost: npt.NDArray[np.float64], *, worth: float) -> int:
    """Which policy to take: a dearer one only where what it wins pays for it; of equals the first.

    Args:
        right: shape (policies, plates): which plates each reads.
        cost: shape (policies,): what each costs a plate.
        worth: share of plates that one unit of cost must win.
    """
    return int(np.argmax(right.mean(axis=1) - worth * cost))
