"""Overlap and suppression of boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pod.vision.boxes import iou_matrix, nms

CORNERS = arrays(np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.floats(0, 500, width=16))


def boxes_of(corners):
    corners[:, 2:] += corners[:, :2] + 1
    return corners


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param([0, 0, 10, 10], 1.0, id="itself"),
        pytest.param([5, 0, 15, 10], 1 / 3, id="half over"),
        pytest.param([10, 0, 20, 10], 0.0, id="only touching"),
        pytest.param([50, 50, 60, 60], 0.0, id="far away"),
        pytest.param([2, 2, 8, 8], 0.36, id="inside"),
    ],
)
def test_iou_is_the_shared_part_of_the_common_area(other, expected):
    box = np.array([[0, 0, 10, 10]], np.float32)
    assert iou_matrix(box, np.array([other], np.float32))[0, 0] == pytest.approx(expected)


def test_iou_of_nothing_has_no_rows():
    assert iou_matrix(np.empty((0, 4), np.float32), np.ones((3, 4), np.float32)).shape == (0, 3)


def test_of_overlapping_boxes_the_surest_stays_and_a_distant_one_too():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [100, 0, 110, 10]], np.float32)
    kept = nms(boxes, np.array([0.5, 0.9, 0.3], np.float32), iou=0.5, limit=100)
    assert kept.tolist() == [1, 2]


def test_a_suppressed_box_suppresses_nothing_itself():
    chain = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    kept = nms(chain, np.array([0.9, 0.8, 0.7], np.float32), iou=0.3, limit=100)
    assert kept.tolist() == [0, 2]


def test_only_the_best_boxes_up_to_the_limit_are_looked_at():
    boxes = np.array([[i * 100, 0, i * 100 + 10, 10] for i in range(5)], np.float32)
    kept = nms(boxes, np.array([0.1, 0.5, 0.2, 0.4, 0.3], np.float32), iou=0.5, limit=2)
    assert kept.tolist() == [1, 3]


@given(CORNERS, st.data())
def test_boxes_that_stay_never_overlap_and_every_other_box_overlaps_a_surer_one(corners, data):
    boxes = boxes_of(corners)
    scores = data.draw(arrays(np.float32, len(boxes), elements=st.floats(0, 1, width=32)))
    kept = nms(boxes, scores, iou=0.5, limit=100)
    among = iou_matrix(boxes[kept], boxes[kept])
    assert np.all(among[~np.eye(len(kept), dtype=bool)] <= 0.5)
    for i in set(range(len(boxes))) - set(kept.tolist()):
        surer = [k for k in kept if scores[k] >= scores[i]]
        assert iou_matrix(boxes[[i]], boxes[surer]).max() > 0.5
