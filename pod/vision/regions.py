"""Which part of the view counts: regions of interest, and masks. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pod.domain.geometry import Boxes, points_in_polygon

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
        counted = np.any([points_in_polygon(centres, region) for region in regions], axis=0)
    for mask in masks:
        counted &= ~points_in_polygon(centres, mask)
    return counted
