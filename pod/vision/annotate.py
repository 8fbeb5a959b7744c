"""Draws plates and what they say into a picture. Pure, but for the file it writes."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from pod.domain.errors import PictureError
from pod.domain.reads import PlateRead

_GREEN, _BLACK, _WHITE = (40, 220, 60), (0, 0, 0), (255, 255, 255)


def annotated(rgb: npt.NDArray[np.uint8], reads: Sequence[PlateRead]) -> npt.NDArray[np.uint8]:
    """A copy of the picture with a box around each plate, and its text above it or, for want of room, below.

    Args:
        rgb: shape (H, W, 3), uint8, RGB.
    """
    picture = rgb.copy()
    height, width = picture.shape[:2]
    scale = max(0.5, max(height, width) / 1200)
    thickness = max(1, round(scale * 2))
    for read in reads:
        x1, y1, x2, y2 = (round(edge) for edge in read.box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), _GREEN, thickness)
        text = f"{read.text} {read.confidence:.0%}"
        (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        left = min(max(0, x1), max(0, width - text_width))
        bottom = (
            y1 - below if y1 - below - text_height >= 0 else min(height - below, y2 + text_height + below)
        )
        cv2.rectangle(
            picture, (left, bottom - text_height - 2), (left + text_width, bottom + below), _BLACK, -1
        )
        cv2.putText(
            picture, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, thickness, cv2.LINE_AA
        )
    return picture


def save_picture(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Writes a picture, in the format its suffix names; folders on the way are made.

    Raises:
        PictureError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(path, quality=90)
    except OSError as error:
        raise PictureError(
            f"{path}: cannot be written ({error.strerror or error}): choose another folder"
        ) from error
