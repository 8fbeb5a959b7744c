"""Pastes small plates, cut from other training pictures with some of the car around them, into others.

Few pictures of the set hold a plate under 24 pixels wide, and few hold several; a gate camera sees both.
Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.evaluation.boxes import Boxes, iou_matrix

Picture = npt.NDArray[np.uint8]
"""Shape (H, W, 3), uint8; RGB or BGR alike."""

INPUT_WIDTH_PX = 416
INPUT_HEIGHT_PX = 320
_WIDTHS_AT_INPUT_PX = (12.0, 44.0)
_LEAST_PX = 8.0
"""A plate narrower than this in the picture itself is no plate any more."""

_MOST_PASTES = 4
_SURROUNDINGS = (0.25, 0.5)
"""What a cutting keeps around the plate on each side, as fractions of its width and height."""

_TRIES = 8
_FEATHER = 0.12


@dataclass(frozen=True, slots=True)
class Cutting:
    """A plate with a little of the car around it.

    Attributes:
        picture: shape (h, w, 3).
        box: the plate in it, xyxy in its pixels.
    """

    picture: Picture
    box: tuple[float, float, float, float]

    @property
    def plate_width_px(self) -> float:
        return self.box[2] - self.box[0]


def cut(picture: Picture, box: npt.NDArray[np.floating]) -> Cutting:
    """The plate at `box`, shape (4,), xyxy in pixels of the picture, with its surroundings."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (float(edge) for edge in box)
    pad_x, pad_y = (x2 - x1) * _SURROUNDINGS[0], (y2 - y1) * _SURROUNDINGS[1]
    left, top = max(0, int(x1 - pad_x)), max(0, int(y1 - pad_y))
    right, bottom = min(width, int(np.ceil(x2 + pad_x))), min(height, int(np.ceil(y2 + pad_y)))
    return Cutting(picture[top:bottom, left:right].copy(), (x1 - left, y1 - top, x2 - left, y2 - top))


def input_scale(picture: Picture) -> float:
    """Pixels of the network's input per pixel of the picture, once that is fitted into it."""
    return min(INPUT_HEIGHT_PX / picture.shape[0], INPUT_WIDTH_PX / picture.shape[1])


def paste_cuttings(
    picture: Picture, boxes: Boxes, *, cuttings: Sequence[Cutting], rng: np.random.Generator
) -> tuple[Picture, Boxes]:
    """One to four cuttings, shrunk to small plates, laid where no plate is.

    Args:
        boxes: shape (N, 4), xyxy in pixels of the picture: the plates in it.
        cuttings: those to choose from; none is ever enlarged.

    Returns:
        a new picture and its boxes, the pasted ones last; as many are pasted as find a free place.
    """
    pasted = picture.copy()
    placed = boxes.astype(np.float32).reshape(-1, 4)
    scale_at_input = input_scale(picture)
    for _ in range(int(rng.integers(1, _MOST_PASTES + 1))):
        cutting = cuttings[int(rng.integers(len(cuttings)))]
        low, high = np.log(_WIDTHS_AT_INPUT_PX)
        wanted_px = float(np.exp(rng.uniform(low, high))) / scale_at_input
        shrink = min(1.0, wanted_px / cutting.plate_width_px)
        if shrink * cutting.plate_width_px < _LEAST_PX:
            continue
        size = tuple(max(2, round(side * shrink)) for side in cutting.picture.shape[1::-1])
        free = _free_place(pasted, placed, size=size, rng=rng)
        if free is None:
            continue
        left, top = free
        small = cv2.resize(cutting.picture, size, interpolation=cv2.INTER_AREA)
        _blend(pasted[top : top + size[1], left : left + size[0]], small, rng=rng)
        box = np.array(cutting.box) * np.array([size[0], size[1]] * 2)
        box /= np.array(cutting.picture.shape[1::-1] * 2)
        placed = np.concatenate([placed, (box + np.array([left, top] * 2))[None].astype(np.float32)])
    return pasted, placed


def _free_place(
    picture: Picture, boxes: Boxes, *, size: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, int] | None:
    height, width = picture.shape[:2]
    if size[0] >= width or size[1] >= height:
        return None
    for _ in range(_TRIES):
        left, top = int(rng.integers(width - size[0])), int(rng.integers(height - size[1]))
        wanted = np.array([[left, top, left + size[0], top + size[1]]], np.float32)
        if not iou_matrix(wanted, boxes).any():
            return left, top
    return None


def _blend(place: Picture, small: Picture, *, rng: np.random.Generator) -> None:
    """Lay `small` over `place`, both of one shape, with soft edges and half of the place's brightness."""
    height, width = small.shape[:2]
    gain = (place.mean() + 16) / (small.mean() + 16)
    lit = small.astype(np.float32) * np.clip(gain, 0.4, 1.6) ** rng.uniform(0.0, 0.8)
    across = np.minimum(np.arange(width), np.arange(width)[::-1]) / max(1.0, _FEATHER * width)
    down = np.minimum(np.arange(height), np.arange(height)[::-1]) / max(1.0, _FEATHER * height)
    alpha = np.clip(np.minimum.outer(down, across), 0, 1)[:, :, None].astype(np.float32)
    place[:] = np.clip(place * (1 - alpha) + lit * alpha, 0, 255).astype(np.uint8)
