"""Boxes matched with labels: recall, precision, AP50, recall by width."""

import math
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.boxes import (
    Boxes,
    PictureBoxes,
    average_precision,
    confidence_curve,
    detection_metrics,
    iou_matrix,
    match,
    recall_by_width,
    width_at_input_px,
)
from pod.domain.geometry import iou_matrix as iou_of_the_pod

_COORDINATE = st.integers(0, 30)


@st.composite
def _boxes(draw: st.DrawFn, most: int = 4) -> Boxes:
    rows = draw(
        st.lists(st.tuples(_COORDINATE, _COORDINATE, st.integers(1, 15), st.integers(1, 15)), max_size=most)
    )
    return np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4)


@st.composite
def _pictures(draw: st.DrawFn) -> PictureBoxes:
    truth, extra = draw(_boxes()), draw(_boxes())
    found = np.concatenate([truth[: draw(st.integers(0, len(truth)))], extra])
    scores = draw(
        st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), min_size=len(found), max_size=len(found))
    )
    return PictureBoxes(found, np.array(scores, np.float32), truth)


def _of(found: list[list[float]], scores: list[float], truth: list[list[float]]) -> PictureBoxes:
    return PictureBoxes(
        np.array(found, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(truth, np.float32).reshape(-1, 4),
    )


_PLATE, _ELSEWHERE = [0.0, 0, 10, 4], [50.0, 50, 60, 54]


def test_the_surest_box_gets_the_label_and_its_double_is_wrong() -> None:
    picture = _of([_PLATE, _PLATE, _ELSEWHERE], [0.6, 0.9, 0.8], [_PLATE])
    assert match(picture.found, picture.scores, picture.truth).tolist() == [-1, 0, -1]
    metrics = detection_metrics([picture], confidence=0.5)
    assert (metrics.labels, metrics.found, metrics.right) == (1, 3, 1)
    assert metrics.recall_percent == metrics.ap50_percent == 100
    assert metrics.precision_percent == pytest.approx(100 / 3)


def test_a_box_counts_from_half_an_overlap_on() -> None:
    half, less = [0.0, 0, 5, 4], [0.0, 0, 4.9, 4]
    assert detection_metrics([_of([half], [1], [_PLATE])], confidence=0.5).right == 1
    assert detection_metrics([_of([less], [1], [_PLATE])], confidence=0.5).right == 0


def test_average_precision_is_the_area_under_the_envelope() -> None:
    # Right, wrong, right of two labels: precision 1 up to recall 1/2, then 2/3.
    pictures = [_of([_PLATE, _ELSEWHERE], [0.9, 0.8], [_PLATE]), _of([_PLATE], [0.7], [_PLATE])]
    assert detection_metrics(pictures, confidence=0.1).ap50_percent == pytest.approx(
        100 * (0.5 + 0.5 * 2 / 3)
    )


def test_a_picture_without_a_plate_only_takes_from_precision() -> None:
    metrics = detection_metrics([_of([_PLATE], [0.9], [])], confidence=0.5)
    assert math.isnan(metrics.recall_percent)
    assert math.isnan(metrics.ap50_percent)
    assert metrics.precision_percent == 0


def test_labels_that_nothing_finds_are_all_missed() -> None:
    metrics = detection_metrics([_of([], [], [_PLATE])], confidence=0.5)
    assert (metrics.recall_percent, metrics.ap50_percent) == (0, 0)
    assert math.isnan(metrics.precision_percent)


@given(_pictures())
def test_a_label_is_given_once_and_only_to_a_box_that_overlaps_it(picture: PictureBoxes) -> None:
    labels = match(picture.found, picture.scores, picture.truth)
    given_out = labels[labels >= 0].tolist()
    assert len(set(given_out)) == len(given_out)
    overlaps = iou_matrix(picture.found, picture.truth)
    assert all(overlaps[i, j] >= 0.5 for i, j in enumerate(labels) if j >= 0)


@given(_pictures())
def test_no_label_is_left_beside_a_free_box_that_overlaps_it(picture: PictureBoxes) -> None:
    labels = match(picture.found, picture.scores, picture.truth)
    free = [j for j in range(len(picture.truth)) if j not in labels.tolist()]
    assert not (iou_matrix(picture.found, picture.truth)[labels < 0][:, free] >= 0.5).any()


@given(_boxes(), _boxes())
def test_the_match_is_at_least_half_the_best_there_is(found: Boxes, truth: Boxes) -> None:
    scores = np.linspace(1, 0.5, len(found), dtype=np.float32)
    right = int((match(found, scores, truth) >= 0).sum())
    best = _most_pairs(iou_matrix(found, truth) >= 0.5)
    assert best <= 2 * right
    assert right <= best


@given(st.lists(_pictures(), max_size=4))
def test_a_lower_confidence_finds_no_less(pictures: list[PictureBoxes]) -> None:
    strict, lax = (detection_metrics(pictures, confidence=c) for c in (0.6, 0.2))
    assert strict.right <= lax.right <= lax.labels
    assert strict.found <= lax.found
    _, recall, _ = confidence_curve(pictures)
    if len(recall) and not np.isnan(recall).any():
        assert recall[-1] == pytest.approx(detection_metrics(pictures, confidence=0).recall_percent / 100)


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_average_precision_lies_between_none_and_all_and_perfect_is_all(hits: list[bool]) -> None:
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    area = average_precision(right / max(1, right[-1]), precision)
    assert 0 <= area <= 1 + 1e-12
    assert average_precision(np.array([0.5, 1.0]), np.array([1.0, 1.0])) == 1


@given(_boxes(), _boxes())
def test_overlaps_are_those_of_the_pod(a: Boxes, b: Boxes) -> None:
    assert iou_matrix(a, b) == pytest.approx(iou_of_the_pod(a, b))


def test_recall_by_width_counts_each_label_in_its_bin() -> None:
    matched = [np.array([True, False]), np.array([True])]
    widths = [np.array([10.0, 19.9]), np.array([20.0])]
    assert recall_by_width(matched, widths, edges_px=[0, 20, 40, math.inf]) == [(1, 2), (1, 1), (0, 0)]
    assert recall_by_width([], [], edges_px=[0, 20]) == [(0, 0)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((320, 832), 10, id="wide-picture-scaled-by-its-width"),
        pytest.param((640, 416), 10, id="upright-picture-scaled-by-its-height"),
        pytest.param((160, 208), 40, id="small-picture-scaled-up"),
    ],
)
def test_widths_are_those_the_network_sees(size: tuple[int, int], expected: float) -> None:
    box = np.array([[5, 5, 25, 12]], np.float32)
    assert width_at_input_px(box, picture_size_px=size, input_size_px=(320, 416)).tolist() == [expected]


def _most_pairs(allowed: npt.NDArray[np.bool_]) -> int:
    """The most pairs that any assignment has, by trying all."""
    rows, columns = allowed.shape
    if rows > columns:
        return _most_pairs(allowed.T)
    return max(
        (
            sum(bool(allowed[i, j]) for i, j in enumerate(chosen))
            for chosen in permutations(range(columns), rows)
        ),
        default=0,
    )
