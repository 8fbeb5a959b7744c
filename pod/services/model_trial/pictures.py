"""Small JPEG pictures of crops, for the report's sheet of failures. Pure."""

import cv2
import numpy as np
import numpy.typing as npt

MOST_BYTES = 12_000
"""A picture that comes out larger is made smaller."""

_WIDTH_PX = 192
_MOST_HEIGHT_PX = 128
_QUALITY = 72


def small_jpeg(rgb: npt.NDArray[np.uint8]) -> bytes:
    """The picture, at most 192 x 128 pixels and `MOST_BYTES`.

    Args:
        rgb: shape (H, W, 3), uint8, RGB.
    """
    scale = min(1.0, _WIDTH_PX / rgb.shape[1], _MOST_HEIGHT_PX / rgb.shape[0])
    while True:
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        written = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        if len(written) <= MOST_BYTES:
            return bytes(written)
        scale *= 0.7
