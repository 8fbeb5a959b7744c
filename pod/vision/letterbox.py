"""Fits a frame of any shape into the model's rectangle, and boxes back into the frame. Pure.

The convention is ultralytics': scaled to fit, centred, the rest filled with grey 114.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pod.domain.geometry import Boxes

_TO_UNIT = np.float32(1 / 255)
_GREY = 114 * _TO_UNIT


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a frame lies inside the model's rectangle; all in pixels."""

    frame_height: int
    frame_width: int
    model_height: int
    model_width: int
    inner_height: int
    inner_width: int
    top: int
    left: int

    @classmethod
    def of(cls, *, frame_height: int, frame_width: int, model_height: int, model_width: int) -> "Letterbox":
        scale = min(model_height / frame_height, model_width / frame_width)
        inner_height = min(model_height, max(1, round(frame_height * scale)))
        inner_width = min(model_width, max(1, round(frame_width * scale)))
        return cls(
            frame_height,
            frame_width,
            model_height,
            model_width,
            inner_height,
            inner_width,
            (model_height - inner_height) // 2,
            (model_width - inner_width) // 2,
        )

    def tensor(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The model's input.

        Args:
            rgb: shape (H, W, 3), uint8; the frame, or a copy of it that was scaled before.

        Returns:
            shape (1, 3, model_height, model_width), float32, RGB, 0..1.
        """
        height, width = self.inner_height, self.inner_width
        if rgb.shape[:2] != (height, width):
            rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
        bottom, right = self.top + height, self.left + width
        tensor = np.empty((1, 3, self.model_height, self.model_width), np.float32)
        tensor[:, :, : self.top] = tensor[:, :, bottom:] = _GREY
        tensor[:, :, :, : self.left] = tensor[:, :, :, right:] = _GREY
        # Plane by plane: OpenCV's own blobFromImage takes nine times as long.
        for plane, channel in zip(tensor[0], cv2.split(rgb), strict=True):
            np.multiply(channel, _TO_UNIT, out=plane[self.top : bottom, self.left : right])
        return tensor

    def to_frame(self, boxes: Boxes) -> Boxes:
        """Boxes of the model's rectangle, as pixels of the frame, cut at its edges.

        Args:
            boxes: shape (N, 4), float32, xyxy.
        """
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        scale_x, scale_y = self.frame_width / self.inner_width, self.frame_height / self.inner_height
        scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        edge = np.array([self.frame_width, self.frame_height] * 2, np.float32)
        placed: Boxes = np.clip((boxes - offset) * scale, 0, edge)
        return placed
