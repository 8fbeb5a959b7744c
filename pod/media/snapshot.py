"""A frame as JPEG, for people: scaled, and with the masked parts of the view blacked out."""

from collections.abc import Sequence

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

from pod.domain.reads import Box
from pod.media.frame import Frame

Masks = Sequence[Sequence[tuple[float, float]]]
"""Polygons; corners as fractions of the frame's width and height."""

PLATE_MARGIN = 0.25
"""What a picture of a plate shows around it, as a fraction of the plate's width and height."""

_SCENE_QUALITY, _PLATE_QUALITY = 82, 92


class SnapshotEncoder:
    """Encodes for one thread, by a converter of its own: a frame's belongs to the camera's thread."""

    def __init__(self) -> None:
        self._converter = VideoReformatter()

    def scene(self, frame: Frame, *, masks: Masks, max_width_px: int) -> bytes:
        """The whole view as JPEG, at most that wide; never scaled up."""
        scale = min(1.0, max_width_px / frame.width)
        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        picture = self._bgr(frame.picture, width_px=width, height_px=height)
        return _jpeg(_masked(picture, masks), _SCENE_QUALITY)

    def plate(self, frame: Frame, box: Box, *, masks: Masks) -> bytes:
        """The plate with a margin around it as JPEG, in the frame's own pixels.

        Args:
            box: pixels of the full frame; what lies outside is cut off.
        """
        picture = _masked(self._bgr(frame.picture, width_px=frame.width, height_px=frame.height), masks)
        x1, y1, x2, y2 = box
        pad_x, pad_y = (x2 - x1) * PLATE_MARGIN, (y2 - y1) * PLATE_MARGIN
        left = min(max(0, round(x1 - pad_x)), frame.width - 1)
        top = min(max(0, round(y1 - pad_y)), frame.height - 1)
        right, bottom = max(left + 1, round(x2 + pad_x)), max(top + 1, round(y2 + pad_y))
        return _jpeg(np.ascontiguousarray(picture[top:bottom, left:right]), _PLATE_QUALITY)

    def _bgr(self, picture: av.VideoFrame, *, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
        """A copy, shape (H, W, 3), uint8, BGR."""
        converted = self._converter.reformat(
            picture, width_px, height_px, "bgr24", interpolation=Interpolation.AREA, threads=1
        )
        return np.array(converted.to_ndarray(), np.uint8)


def _masked(picture: npt.NDArray[np.uint8], masks: Masks) -> npt.NDArray[np.uint8]:
    """Blacks the polygons out, in place."""
    height, width = picture.shape[:2]
    for mask in masks:
        corners = np.rint(np.asarray(mask, np.float64) * (width, height)).astype(np.int32)
        cv2.fillPoly(picture, [corners], (0, 0, 0))
    return picture


def _jpeg(picture: npt.NDArray[np.uint8], quality: int) -> bytes:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded)
