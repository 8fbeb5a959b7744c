"""What the two kinds of detector output mean."""

import numpy as np
import pytest

from pod.vision.detector import Detections, are_boxes, decode_end2end, decode_plain, in_frame
from pod.vision.letterbox import Letterbox


def plain(*plates, classes=1, anchors=50):
    """Rows of centre x, centre y, width, height and scores, the other anchors empty."""
    answer = np.zeros((1, 4 + classes, anchors), np.float32)
    for i, plate in enumerate(plates):
        answer[0, : len(plate), i * 3] = plate
    return answer


def test_plain_output_gives_corners_of_the_plates_above_the_threshold_best_first():
    boxes, scores = decode_plain(
        plain((50, 40, 20, 10, 0.5), (150, 40, 30, 12, 0.9), (250, 40, 30, 12, 0.2)), confidence=0.25
    )
    assert boxes.tolist() == [[135, 34, 165, 46], [40, 35, 60, 45]]
    assert scores.tolist() == pytest.approx([0.9, 0.5])


def test_plain_output_of_one_plate_seen_by_many_anchors_is_one_plate():
    boxes, scores = decode_plain(
        plain(*[(50 + i, 40, 40, 20, 0.5 + i / 100) for i in range(5)]), confidence=0.25
    )
    assert len(boxes) == 1
    assert scores.tolist() == pytest.approx([0.54])


def test_plain_output_of_several_classes_takes_the_surest_class():
    _, scores = decode_plain(plain((50, 40, 20, 10, 0.1, 0.7), classes=2), confidence=0.25)
    assert scores.tolist() == pytest.approx([0.7])


def test_end2end_output_gives_the_plates_above_the_threshold_best_first():
    answer = np.array(
        [[0, 1, 2, 3, 4, 0, 0.3], [0, 5, 6, 7, 8, 0, 0.9], [0, 9, 9, 10, 10, 0, 0.1]], np.float32
    )
    boxes, scores = decode_end2end(answer, confidence=0.25)
    assert boxes.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert scores.tolist() == pytest.approx([0.9, 0.3])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 3e38], ids=["nan", "inf", "minus inf", "huge"])
@pytest.mark.parametrize("row", range(5), ids=["x", "y", "width", "height", "score"])
def test_what_is_no_number_warns_nobody_and_comes_out_to_be_refused(row, odd):
    plate = [50, 40, 20, 10, 0.9]
    plate[row] = odd
    for decode, answer in (
        (decode_plain, plain(plate, (150, 40, 30, 12, 0.5))),
        (decode_end2end, np.array([[0, *plate[:4], 0, plate[4]], [0, 5, 6, 7, 8, 0, 0.5]], np.float32)),
    ):
        boxes, scores = decode(answer, confidence=0.25)
        is_refused = not are_boxes(boxes, scores)
        assert is_refused == (row < 4 or odd != -np.inf)  # a score of minus infinity is a low one
        assert len(boxes) == 2 if is_refused else 1


@pytest.mark.parametrize(
    ("decode", "nothing"),
    [
        pytest.param(decode_plain, plain(), id="plain"),
        pytest.param(decode_end2end, np.empty((0, 7), np.float32), id="end2end"),
    ],
)
def test_an_empty_scene_gives_no_boxes(decode, nothing):
    boxes, scores = decode(nothing, confidence=0.25)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_boxes_that_lie_in_the_grey_border_are_dropped():
    wide = Letterbox.of(frame_height=100, frame_width=400, model_height=256, model_width=416)
    boxes = np.array([[10, 2, 60, 30], [10, 120, 60, 140], [80, 120, 80.5, 140]], np.float32)
    found = in_frame(boxes, np.array([0.9, 0.8, 0.7], np.float32), placed=wide)
    assert found.scores.tolist() == pytest.approx([0.8])


def test_detections_are_picked_by_mask_and_by_index():
    found = Detections(np.arange(12, dtype=np.float32).reshape(3, 4), np.array([0.9, 0.8, 0.7], np.float32))
    assert found.only(np.array([True, False, True])).scores.tolist() == pytest.approx([0.9, 0.7])
    assert found.only(np.array([2, 0], np.intp)).boxes[:, 0].tolist() == [8, 0]
    assert len(found.only(np.array([], np.intp))) == 0
