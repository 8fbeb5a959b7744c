"""The current picture of a camera, encoded once for however many look."""

import threading

import av
import cv2
import numpy as np
import pytest

from pod.media.frame import Frame
from pod.media.slot import LatestFrame
from pod.services.stills import FRESH_S, OLDEST_S, Stills


def frame(level: int, arrival_s: float, width: int = 1920, height: int = 1080) -> Frame:
    picture = av.VideoFrame.from_ndarray(np.full((height, width), level, np.uint8), format="gray")
    return Frame("entry", 1, 0, arrival_s, arrival_s, picture)


class Camera:
    """A camera whose frames and clock the test sets."""

    def __init__(self, **masks: object) -> None:
        self.now_s = 0.2
        self.slot = LatestFrame()
        self.stills = Stills({"entry": self.slot}, masks, clock_s=lambda: self.now_s)

    def shows(self, level: int) -> None:
        self.slot.put(frame(level, self.now_s))

    def level(self) -> int | None:
        jpeg = self.stills.jpeg("entry")
        return None if jpeg is None else round(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0).mean())


def test_a_camera_that_never_showed_anything_has_no_still() -> None:
    assert Camera().level() is None


def test_a_still_is_the_newest_frame_though_the_decision_has_taken_it() -> None:
    camera = Camera()
    camera.shows(90)
    assert camera.slot.take(0) is not None
    assert camera.level() == pytest.approx(90, abs=2)
    assert camera.slot.take(0) is None


def test_looking_at_a_still_takes_no_frame_from_the_decision() -> None:
    camera = Camera()
    camera.shows(90)
    camera.level()
    assert camera.slot.take(0) is not None
    assert camera.slot.dropped == 0


def test_a_still_is_renewed_once_a_second_at_most() -> None:
    camera = Camera()
    camera.shows(60)
    camera.level()
    camera.now_s += 0.9 * FRESH_S
    camera.shows(120)
    assert camera.level() == pytest.approx(60, abs=2)
    camera.now_s += 0.2 * FRESH_S
    assert camera.level() == pytest.approx(120, abs=2)


def test_the_same_frame_is_encoded_once() -> None:
    camera = Camera()
    camera.shows(60)
    first = camera.stills.jpeg("entry")
    camera.now_s += 2 * FRESH_S
    assert camera.stills.jpeg("entry") is first


def test_a_camera_that_fell_silent_shows_no_old_picture_and_a_new_one_at_once() -> None:
    camera = Camera()
    camera.shows(60)
    assert camera.level() is not None
    camera.now_s += OLDEST_S + 0.1
    assert camera.level() is None
    camera.shows(120)
    assert camera.level() == pytest.approx(120, abs=2)


def test_masked_parts_are_black_in_a_still_which_is_960_wide() -> None:
    camera = Camera(entry=[((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))])
    camera.shows(200)
    still = cv2.imdecode(np.frombuffer(camera.stills.jpeg("entry") or b"", np.uint8), 0)
    assert still.shape == (540, 960)
    assert still[:, :470].max() < 20
    assert still[:, 490:].min() > 180


def test_an_unknown_camera_is_no_empty_picture() -> None:
    with pytest.raises(KeyError):
        Camera().stills.jpeg("exit")


def test_many_who_look_at_once_get_one_and_the_same_picture() -> None:
    camera = Camera()
    camera.shows(60)
    seen: list[bytes | None] = []
    lookers = [threading.Thread(target=lambda: seen.append(camera.stills.jpeg("entry"))) for _ in range(8)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert len({id(picture) for picture in seen}) == 1
