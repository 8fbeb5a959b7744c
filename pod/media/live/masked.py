"""Burns masks into decoded pictures: what lies in them is black for everybody who watches."""

from collections.abc import Sequence

import av
import cv2
import numpy as np

from pod.config import Polygon

_BLACK_LUMA, _NO_COLOUR = 16, 128


def masked(picture: av.VideoFrame, masks: Sequence[Polygon]) -> av.VideoFrame:
    """A copy of `picture` as yuv420p with the polygons blacked out; `picture` itself stays as it is.

    Decoders refer to pictures they gave out, so those must not be drawn in.

    Args:
        masks: corners as fractions of width and height.
    """
    width, height = picture.width - picture.width % 2, picture.height - picture.height % 2
    planes = picture.reformat(width, height, "yuv420p", threads=1).to_ndarray()
    luma, colours = planes[:height], planes[height:].reshape(2, height // 2, width // 2)
    for mask in masks:
        corners = np.asarray(mask, np.float64)
        cv2.fillPoly(luma, [np.rint(corners * (width, height)).astype(np.int32)], (_BLACK_LUMA,))
        for colour in colours:
            half = np.rint(corners * (width // 2, height // 2)).astype(np.int32)
            cv2.fillPoly(colour, [half], (_NO_COLOUR,))
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")
