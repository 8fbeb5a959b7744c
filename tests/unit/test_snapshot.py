"""Pictures for people: scaled, cut around the plate, and black where the configuration masks the view."""

import threading

import av
import cv2
import numpy as np
import pytest

from pod.media.frame import Frame
from pod.media.snapshot import SnapshotEncoder

LEFT_HALF = [((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))]


def frame_of(width: int = 640, height: int = 360, level: int = 200) -> Frame:
    rgb = np.full((height, width, 3), level, np.uint8)
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    return Frame("entry", 1, 0, 0.0, 0.0, picture)


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        pytest.param(1920, 1080, (720, 1280), id="large"),
        pytest.param(640, 360, (360, 640), id="small stays"),
        pytest.param(1281, 1, (1, 1280), id="a line"),
    ],
)
def test_a_scene_is_at_most_as_wide_as_asked(width: int, height: int, size: tuple[int, int]) -> None:
    scene = decoded(SnapshotEncoder().scene(frame_of(width, height), masks=(), max_width_px=1280))
    assert scene.shape[:2] == size
    assert scene.mean() == pytest.approx(200, abs=4)


def test_a_plate_is_shown_with_a_margin_in_the_frames_own_pixels() -> None:
    plate = decoded(SnapshotEncoder().plate(frame_of(), (100.0, 100.0, 200.0, 140.0), masks=()))
    assert plate.shape[:2] == (60, 150)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        pytest.param((-50.0, -50.0, 30.0, 10.0), (25, 50), id="over the corner"),
        pytest.param((600.0, 350.0, 900.0, 500.0), (48, 115), id="over the far corner"),
        pytest.param((700.0, 400.0, 710.0, 410.0), (1, 1), id="outside"),
        pytest.param((10.0, 10.0, 10.0, 10.0), (1, 1), id="without a size"),
    ],
)
def test_a_box_at_the_rim_is_cut_there(box: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    assert decoded(SnapshotEncoder().plate(frame_of(), box, masks=())).shape[:2] == size


def test_masked_parts_are_black_in_scene_and_plate_and_the_rest_is_not() -> None:
    encoder, frame = SnapshotEncoder(), frame_of(1920, 1080)
    scene = decoded(encoder.scene(frame, masks=LEFT_HALF, max_width_px=1280))
    plate = decoded(encoder.plate(frame, (900.0, 500.0, 1020.0, 540.0), masks=LEFT_HALF))
    for picture in (scene, plate):
        middle = picture.shape[1] // 2
        assert picture[:, : middle - 8].max() < 20
        assert picture[:, middle + 8 :].min() > 180


def test_the_frame_itself_is_left_as_it_is() -> None:
    frame = frame_of()
    SnapshotEncoder().plate(frame, (0.0, 0.0, 640.0, 360.0), masks=LEFT_HALF)
    assert frame.rgb().min() > 180


def test_frames_are_encoded_while_the_cameras_thread_converts_the_same_ones() -> None:
    frames, encoder = [frame_of(1280, 720, 100 + 20 * i) for i in range(4)], SnapshotEncoder()
    converted: list[float] = []
    camera = threading.Thread(target=lambda: converted.extend(float(f.rgb().mean()) for f in frames * 8))
    camera.start()
    scenes = [decoded(encoder.scene(f, masks=(), max_width_px=640)).mean() for f in frames * 4]
    camera.join()
    assert scenes == pytest.approx([100, 120, 140, 160] * 4, abs=4)
    assert converted == pytest.approx([100, 120, 140, 160] * 8, abs=4)
