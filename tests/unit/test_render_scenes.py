"""Plates laid into pictures: boxes inside, swapped ones where they were, look-alikes without one."""

import random

import numpy as np
import pytest

from models.render.clutter import CLUTTER
from models.render.scenes import paste_plates

NONE = np.zeros((0, 4), np.float32)


def a_picture(height=240, width=416, level=120):
    rng = np.random.default_rng(3)
    return np.clip(rng.normal(level, 20, (height, width, 3)), 0, 255).astype(np.uint8)


def test_equal_seeds_give_equal_pictures_and_boxes_and_leave_the_given_ones_alone():
    picture, boxes = a_picture(), np.array([[100, 100, 180, 122]], np.float32)
    before = picture.copy()
    made = [paste_plates(picture, boxes, np.random.default_rng(4)) for _ in range(2)]
    np.testing.assert_array_equal(made[0][0], made[1][0])
    np.testing.assert_array_equal(made[0][1], made[1][1])
    np.testing.assert_array_equal(picture, before)


def test_every_box_lies_inside_the_picture_and_has_a_size():
    for seed in range(60):
        given = np.array([[-3, 200, 60, 243]], np.float32) if seed % 2 else NONE
        made, boxes = paste_plates(a_picture(), given, np.random.default_rng(seed))
        assert made.shape == (240, 416, 3)
        assert boxes.shape[1:] == (4,)
        assert boxes.dtype == np.float32
        assert (boxes >= 0).all()
        assert (boxes <= (416, 240, 416, 240)).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 2).all()


def test_given_boxes_keep_their_place_and_most_of_their_plates_are_drawn_anew():
    given = np.array([[100, 100, 180, 120], [300, 40, 330, 62]], np.float32)
    swapped = 0
    for seed in range(30):
        made, boxes = paste_plates(np.full((240, 416, 3), 120, np.uint8), given, np.random.default_rng(seed))
        np.testing.assert_array_equal(boxes[:2], given)
        swapped += made[102:118, 104:176].std() > 12
    assert swapped >= 12


def test_empty_pictures_mostly_get_plates_small_at_the_detectors_input_and_apart():
    made = [paste_plates(a_picture(), NONE, np.random.default_rng(seed))[1] for seed in range(80)]
    assert 0.5 < np.mean([len(boxes) > 0 for boxes in made]) < 0.95
    widths = np.concatenate([boxes[:, 2] - boxes[:, 0] for boxes in made])
    assert np.median(widths) < 36
    assert widths.max() < 75
    for boxes in made:
        for i, one in enumerate(boxes):
            for other in boxes[i + 1 :]:
                assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_grey_picture_stays_grey():
    grey = np.repeat(a_picture()[..., :1], 3, axis=2)
    for seed in range(12):
        made, _ = paste_plates(grey, NONE, np.random.default_rng(seed))
        assert np.abs(made[..., 0].astype(int) - made[..., 2]).max() <= 48, (
            "more than coloured noise at night"
        )


def test_a_tiny_picture_is_given_back_without_a_fault():
    made, boxes = paste_plates(a_picture(height=12, width=16), NONE, np.random.default_rng(2))
    assert made.shape == (12, 16, 3)
    assert boxes.shape == (0, 4)


@pytest.mark.parametrize("draw_look_alike", CLUTTER, ids=lambda draw: draw.__name__)
def test_look_alikes_change_the_piece_they_are_given(draw_look_alike):
    for wide, tall in ((8, 6), (60, 30), (30, 60)):
        piece = np.full((tall, wide, 3), 100, np.uint8)
        draw_look_alike(piece, random.Random(2))
        assert (piece != 100).any()
