"""Synthetic plates: every style draws, the seed decides, and texts keep to their patterns."""

import random
import re

import numpy as np
import pytest

from models.render.plates import STYLES, bare, draw_plate, random_text

each_style = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)


@each_style
def test_a_text_keeps_to_a_pattern_of_its_style(style):
    rng = random.Random(1)
    patterns = [re.escape(p).replace("A", "[A-Z]").replace("9", "[0-9]") for p in style.patterns]
    for _ in range(50):
        assert re.fullmatch("|".join(patterns), random_text(style, rng))


@each_style
def test_a_plate_has_the_proportion_of_its_metal(style):
    plate = draw_plate(random_text(style, random.Random(2)), style, width_px=400)
    assert plate.shape[1] == 400
    assert plate.shape[1] / plate.shape[0] == pytest.approx(style.size_m[0] / style.size_m[1], rel=0.02)


@each_style
def test_two_texts_give_two_plates_that_differ_only_where_the_number_is(style):
    one, other = style.patterns[0].replace("A", "K").replace("9", "4"), style.patterns[0].replace("A", "H")
    changed = np.argwhere((draw_plate(one, style) != draw_plate(other, style)).any(axis=2))
    height, width = draw_plate(one, style).shape[:2]
    (top, left), (foot, right) = changed.min(axis=0) / (height, width), changed.max(axis=0) / (height, width)
    assert min(box[0] for box in style.boxes) - 0.01 <= left
    assert right <= max(box[2] for box in style.boxes) + 0.01
    assert min(box[1] for box in style.boxes) - 0.01 <= top
    assert foot <= max(box[3] for box in style.boxes) + 0.01


def test_letters_and_digits_are_what_is_left_of_a_written_plate():
    assert bare("HX 482-KV") == "HX482KV"
