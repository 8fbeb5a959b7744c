"""Suppression of overlapping boxes. Pure."""

import numpy as np
import numpy.typing as npt

from pod.domain.geometry import Boxes, iou_matrix


def nms(boxes: Boxes, scores: npt.NDArray[np.float32], *, iou: float, limit: int) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: of boxes that overlap, the best one stays.

    Args:
        boxes: shape (N, 4), float32, xyxy.
        scores: shape (N,), float32.
        iou: boxes that overlap a better one by more than this go.
        limit: only this many of the best boxes are looked at, so that a noisy frame costs no more than that.

    Returns:
        the indices that stay, best first.
    """
    order = np.argsort(-scores, kind="stable")[:limit]
    overlaps = iou_matrix(boxes[order], boxes[order]) > iou
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~overlaps[i, i + 1 :]
    return order[alive]
