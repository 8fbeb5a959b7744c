"""Which part of the view counts: regions of interest, and masks. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pod.vision.boxes import Boxes

Polygon = Sequence[tuple[float, float]]
"""Corners as fractions of the frame's width and height, at least three."""


def plates_in_view(
    boxes: Boxes, *, frame_size_px: tuple[int, int], regions: Sequence[Polygon], masks: Sequence[Polygon]
) -> npt.NDArray[np.bool_]:
    """Whether each plate's centre lies in a region (or there is none) and in no mask.

    Args:
        boxes: shape (N, 4), float32, xyxy in pixels of the frame.
        frame_size_px: height and width of the frame.

    Returns:
        shape (N,), bool.
    """
    height, width = frame_size_px
    size = np.array([width, height], np.float32)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 / size
    counted = np.ones(len(boxes), bool)
    if regions:
        counted = np.any([_inside(centres, region) for region in regions], axis=0)
    for mask in masks:
        counted &= ~_inside(centres, mask)
    return counted


def _inside(points: npt.NDArray[np.floating], polygon: Polygon) -> npt.NDArray[np.bool_]:
    """Even-odd rule: a point is inside when a ray to the right crosses the outline an odd number of times."""
    start = np.asarray(polygon, np.float32)
    end = np.roll(start, -1, axis=0)
    x, y = points[:, 0, None], points[:, 1, None]
    straddles = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(end[:, 1] == start[:, 1], 1, end[:, 1] - start[:, 1])
    crossing_x = start[:, 0] + (y - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    inside: npt.NDArray[np.bool_] = np.count_nonzero(straddles & (x < crossing_x), axis=1) % 2 == 1
    return inside
