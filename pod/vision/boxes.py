"""Overlap and suppression of many boxes at once. Pure."""

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]


def iou_matrix(a: Boxes, b: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union of every box in `a` with every box in `b`.

    Args:
        a: shape (N, 4), float32, xyxy in pixels of one picture; x2 > x1, y2 > y1. N may be 0.
        b: shape (M, 4), as `a`.

    Returns:
        shape (N, M), float32, each in [0, 1]; 0 where boxes only touch.
    """
    upper_left = np.maximum(a[:, None, :2], b[None, :, :2])
    lower_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(lower_right - upper_left, 0, None)
    shared = sides[..., 0] * sides[..., 1]
    union = _areas(a)[:, None] + _areas(b)[None, :] - shared
    overlap: npt.NDArray[np.float32] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


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


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    areas: npt.NDArray[np.float32] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
