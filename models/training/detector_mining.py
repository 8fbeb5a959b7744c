"""Which training pictures a detector should see more often, told from what it makes of them. Pure.

A picture is worth a second look where the network takes something for a plate that is none, where it misses
a plate, and where the plates are small or several: those are rare in the set and frequent at a gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.boxes import Boxes, iou_matrix, match

FALSE_ALARM_CONFIDENCE = 0.2
_TOUCHES_IOU = 0.1
_SMALL_PX = 24
"""Plates narrower than this at the network's input are those of which the first network missed most."""

MOST_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Pass:
    """What a network found in one training picture, and what is there.

    Attributes:
        picture: the file's name without its ending.
        found: shape (N, 4), float32, xyxy in pixels of the picture, from a low confidence on.
        scores: shape (N,), float32, 0..1.
        truth: shape (M, 4), as `found`: the labels.
        doubtful: shape (K, 4), as `found`: what another network takes for a plate, however unsure; such a
            box may be a plate that nobody labelled, so that finding it is not held against the first network.
        input_scale: pixels of the network's input per pixel of the picture.
    """

    picture: str
    found: Boxes
    scores: npt.NDArray[np.float32]
    truth: Boxes
    doubtful: Boxes
    input_scale: float


def false_alarms(seen: Pass, *, confidence: float = FALSE_ALARM_CONFIDENCE) -> npt.NDArray[np.intp]:
    """Indices of the boxes that are taken for a plate and are surely none, the surest first."""
    known = np.concatenate([seen.truth, seen.doubtful])
    overlap = iou_matrix(seen.found, known).max(axis=1, initial=0.0)
    alarms = np.flatnonzero((seen.scores >= confidence) & (overlap < _TOUCHES_IOU))
    return alarms[np.argsort(-seen.scores[alarms], kind="stable")]


def missed(seen: Pass, *, confidence: float = FALSE_ALARM_CONFIDENCE) -> int:
    """How many labels have no box of their own at this confidence."""
    sure = seen.scores >= confidence
    matched = match(seen.found[sure], seen.scores[sure], seen.truth)
    return len(seen.truth) - int((matched >= 0).sum())


def repeats(seen: Pass) -> int:
    """How often an epoch shows this picture: 1 to `MOST_REPEATS`."""
    widths_px = (seen.truth[:, 2] - seen.truth[:, 0]) * seen.input_scale
    alarms = len(false_alarms(seen))
    times = 1
    times += min(2, 2 * alarms if not len(seen.truth) else alarms)
    times += min(2, missed(seen))
    times += min(1, int((widths_px < _SMALL_PX).sum()))
    times += len(seen.truth) >= 2
    return min(MOST_REPEATS, times)


def epoch_list(passes: Sequence[Pass]) -> list[str]:
    """Every picture's name, as often as an epoch shows it; in the order given."""
    return [seen.picture for seen in passes for _ in range(repeats(seen))]
