"""Small plates pasted into training pictures: where they lie, how wide they are, what stays untouched."""

import numpy as np
import pytest

from models.evaluation.boxes import iou_matrix
from models.training.detector_pastes import Cutting, Picture, cut, input_scale, paste_cuttings

PLATE = np.array([[200.0, 200, 320, 230]], np.float32)


def street() -> Picture:
    return np.full((480, 640, 3), 90, np.uint8)


def cutting() -> Cutting:
    """A white plate on a dark car."""
    picture = np.full((480, 640, 3), 20, np.uint8)
    picture[200:230, 200:320] = 250
    return cut(picture, PLATE[0])


def test_a_cutting_keeps_some_of_the_car_and_knows_where_the_plate_is() -> None:
    taken = cutting()
    assert taken.picture.shape == (60, 180, 3)
    x1, y1, x2, y2 = (int(edge) for edge in taken.box)
    assert (taken.picture[y1:y2, x1:x2] == 250).all()
    assert int((taken.picture == 250).all(axis=2).sum()) == 120 * 30


def test_a_cutting_at_the_edge_is_cut_at_the_edge() -> None:
    taken = cut(street(), np.array([0.0, 0, 80, 20]))
    assert taken.box[:2] == (0, 0)
    assert taken.picture.shape == (30, 100, 3)


@pytest.mark.parametrize("seed", range(8))
def test_pasted_plates_are_small_and_lie_where_no_plate_was(seed: int) -> None:
    picture = street()
    _, boxes = paste_cuttings(picture, PLATE, cuttings=[cutting()], rng=np.random.default_rng(seed))
    added = boxes[1:]
    assert 1 <= len(added) <= 4
    assert (boxes[0] == PLATE[0]).all()
    widths_px = (added[:, 2] - added[:, 0]) * input_scale(picture)
    assert widths_px.min() > 10
    assert widths_px.max() < 46
    assert not np.triu(iou_matrix(boxes, boxes), k=1).any()
    assert (added[:, :2] >= 0).all()
    assert (added[:, 2:] <= [640, 480]).all()
    assert (picture == 90).all(), "the picture given is left as it was"


@pytest.mark.parametrize("seed", range(8))
def test_no_plate_is_laid_over_another(seed: int) -> None:
    nearly_all = np.array([[0, 0, 640, 400]], np.float32)
    _, boxes = paste_cuttings(street(), nearly_all, cuttings=[cutting()], rng=np.random.default_rng(seed))
    assert (boxes[1:, 1] > 400).all()


@pytest.mark.parametrize("seed", range(8))
def test_the_plate_is_where_its_box_says(seed: int) -> None:
    pasted, boxes = paste_cuttings(
        street(), np.empty((0, 4), np.float32), cuttings=[cutting()], rng=np.random.default_rng(seed)
    )
    for box in boxes:
        x1, y1, x2, y2 = (round(float(edge)) for edge in box)
        inside = pasted[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].mean()
        surroundings = pasted[y1:y2, max(0, x1 - 3) : x1 - 1].mean()
        assert inside > surroundings + 40


def test_a_picture_too_small_for_a_plate_gets_none() -> None:
    tiny = np.zeros((8, 8, 3), np.uint8)
    wide = Cutting(np.zeros((60, 180, 3), np.uint8), (80.0, 15, 100, 45))
    _, boxes = paste_cuttings(tiny, PLATE[:0], cuttings=[wide], rng=np.random.default_rng(0))
    assert len(boxes) == 0
