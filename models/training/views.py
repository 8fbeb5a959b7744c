"""Cut a plate out of a picture and stretch it to the recogniser's rectangle. Pure."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from models.training.alphabet import HEIGHT_PX, WIDTH_PX
from models.training.crops import Box, Crop, Picture

CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
"""Of a box of size 1 around 0, clockwise from the top left."""
_INPUT = (CORNERS + 0.5) * (WIDTH_PX, HEIGHT_PX) - 0.5
"""Pixel centres lie at whole numbers, so the input's edges at -0.5."""


def view(picture: Picture, box: Box, *, margin: float, shift: tuple[float, float] = (0.0, 0.0)) -> Picture:
    """The plate with a margin; shape (64, 128, 3), uint8.

    Args:
        margin: added on every side, a share of the box's width and height.
        shift: of the box, a share of its width and height.
    """
    x1, y1, x2, y2 = box
    size = np.array([x2 - x1, y2 - y1])
    centre = np.array([x1 + x2, y1 + y2]) / 2 + size * shift
    return cut(picture, CORNERS * size * (1 + 2 * margin) + centre)


def cut(picture: Picture, corners: npt.NDArray[np.float64]) -> Picture:
    """A four-sided piece of the picture, stretched; beyond the picture its rim goes on.

    Args:
        corners: shape (4, 2), x and y, clockwise from the top left.
    """
    matrix = cv2.getPerspectiveTransform((corners - 0.5).astype(np.float32), _INPUT.astype(np.float32))
    return cv2.warpPerspective(picture, matrix, (WIDTH_PX, HEIGHT_PX), borderMode=cv2.BORDER_REPLICATE)


def inputs(crops: Sequence[Crop]) -> Picture:
    """Whole crops as the recogniser is given them; shape (N, 64, 128, 3), uint8."""
    size = (WIDTH_PX, HEIGHT_PX)
    return np.stack([cv2.resize(crop.picture, size, interpolation=cv2.INTER_LINEAR) for crop in crops])
