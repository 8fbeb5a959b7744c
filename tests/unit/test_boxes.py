"""Suppression of overlapping boxes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pod.domain.geometry import iou_matrix
from pod.vision.boxes import nms

CORNERS = arrays(np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.floats(0, 500, width=16))


def boxes_of(corners):
    corners[:, 2:] += corners[:, :2] + 1
    return corners


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
