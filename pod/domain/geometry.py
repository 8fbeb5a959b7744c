"""Boxes and polygons in an image. Pure, vectorised."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pod.domain.reads import Box

Boxes = npt.NDArray[np.float32]
"""Shape (N, 4), xyxy in pixels of one image; N may be 0."""


def iou_matrix(a: Boxes, b: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union of every box in `a` with every box in `b`.

    Args:
        a: shape (N, 4), float32, xyxy in pixels of one image; x2 > x1, y2 > y1. N may be 0.
        b: shape (M, 4), as `a`.

    Returns:
        shape (N, M), float32, each in [0, 1]; 0 where boxes only touch.

    Raises:
        ValueError: a shape is not (*, 4).
    """
    for name, boxes in (("a", a), ("b", b)):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"{name} has shape {boxes.shape}; boxes are (N, 4)")
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    corner = np.maximum(wide_a[:, None, :2], wide_b[None, :, :2])
    far_corner = np.minimum(wide_a[:, None, 2:], wide_b[None, :, 2:])
    overlap = np.clip(far_corner - corner, 0, None).prod(axis=2)
    area_a = (wide_a[:, 2:] - wide_a[:, :2]).prod(axis=1)
    area_b = (wide_b[:, 2:] - wide_b[:, :2]).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - overlap
    iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return np.asarray(np.clip(iou, 0, 1), dtype=np.float32)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    overlap = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0


def centre(box: Box) -> tuple[float, float]:
    """The middle of a box, x and y in its own unit."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def points_in_polygon(
    points: npt.NDArray[np.floating], polygon: Sequence[tuple[float, float]]
) -> npt.NDArray[np.bool_]:
    """Which points lie inside a polygon, by the even-odd rule; the polygon closes itself.

    Args:
        points: shape (N, 2), x and y in the polygon's unit. N may be 0.
        polygon: at least three corners; points exactly on an edge may fall on either side.

    Returns:
        shape (N,), bool.
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points has shape {points.shape}; points are (N, 2)")
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    inside = np.zeros(len(points), dtype=np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if y1 == y2:
            continue
        straddles = (y1 > y) != (y2 > y)
        inside ^= straddles & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside
