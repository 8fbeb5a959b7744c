"""A transparent sheet on which shapes given in world metres are drawn, for one part of the picture."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from models.render.lettering import Picture
from models.render.view import Points, View

OVERSAMPLE = 2
NEAR_M = 0.45
"""What comes nearer than this to the lens is not drawn."""
_SHIFT = 4
"""Fractional bits of the pixel positions given to OpenCV."""


class Canvas:
    """A transparent sheet, larger than the picture's part that the car covers; colours are premultiplied."""

    def __init__(self, view: View, box: tuple[int, int, int, int]) -> None:
        self.view = view
        self.left, self.top, right, foot = box
        size = ((foot - self.top) * OVERSAMPLE, (right - self.left) * OVERSAMPLE, 4)
        self.sheet = np.zeros(size, np.uint8)

    def pixels(self, world: npt.ArrayLike) -> tuple[Points, Points]:
        pixels, depth = self.view.project(world)
        return (pixels - (self.left, self.top)) * OVERSAMPLE, depth

    def polygon(self, world: npt.ArrayLike, colour: Sequence[float]) -> None:
        pixels, depth = self.pixels(world)
        if depth.min() > NEAR_M:
            points = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
            cv2.fillPoly(self.sheet, [points], (*colour, 255), cv2.LINE_AA, _SHIFT)

    def quads(self, world: Points, colours: npt.NDArray[np.float64]) -> None:
        """Quads far to near; shape (N, 4, 3) and (N, 3)."""
        pixels, depth = self.pixels(world)
        shown = depth.min(axis=1) > NEAR_M
        order = np.argsort(-depth.mean(axis=1))
        order = order[shown[order]]
        points = np.rint(pixels[order] * (1 << _SHIFT)).astype(np.int32)
        paints = np.concatenate((colours[order], np.full((len(order), 1), 255.0)), axis=1).tolist()
        for quad, paint in zip(points, paints, strict=True):
            cv2.fillConvexPoly(self.sheet, quad, paint, cv2.LINE_8, _SHIFT)

    def picture_on(self, world_corners: npt.ArrayLike, picture: Picture) -> None:
        """Lay a picture on a flat patch; corners from the top left clockwise, as the camera sees them."""
        pixels, depth = self.pixels(world_corners)
        if depth.min() <= NEAR_M:
            return
        width = max(np.linalg.norm(pixels[1] - pixels[0]), np.linalg.norm(pixels[2] - pixels[3]), 2.0)
        if width < picture.shape[1]:
            scale = float(width / picture.shape[1])
            picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        h, w = picture.shape[:2]
        source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32) - 0.5
        matrix = cv2.getPerspectiveTransform(source, pixels.astype(np.float32))
        low = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 2, self.sheet.shape[1::-1])
        if (high <= low).any():
            return
        move = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]], np.float64)
        layer = np.dstack((picture, np.full((h, w), 255, np.uint8)))
        warped = cv2.warpPerspective(
            layer, move @ matrix, tuple(int(v) for v in high - low), flags=cv2.INTER_LINEAR
        )
        patch = self.sheet[low[1] : high[1], low[0] : high[0]]
        hole = 255 - warped[..., 3:]
        patch[:] = cv2.add(warped, (patch.astype(np.uint16) * hole // 255).astype(np.uint8))
