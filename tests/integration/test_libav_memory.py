"""What libav may take for one stream, once the POD reads a camera through it."""

import av
import cv2  # brings a libav of its own, which must not be taken for PyAV's
import pytest
from camera_fixtures import Watched
from rtsp_stream import WrittenCamera, pictures, sdp

from pod.media.libav_memory import MOST_BLOCK_BYTES


def test_a_camera_that_is_read_through_libav_can_make_it_take_no_giant_block() -> None:
    assert cv2.__version__
    with WrittenCamera(sdp(pictures())) as camera, Watched(camera.url, transport="libav"):
        assert camera.playing.wait(10)
    side = 16_000
    assert side * side * 4 > MOST_BLOCK_BYTES
    with pytest.raises(MemoryError):
        av.VideoFrame(side, side, "rgba")
