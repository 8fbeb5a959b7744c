"""Crops around plates, and what the slots of a crop spell."""

import numpy as np
import pytest

from pod.domain.reads import ALPHABET, SLOTS
from pod.vision.pipeline import crop, plate_read

FRAME = np.zeros((100, 200, 3), np.uint8)
FRAME[..., 0] = np.arange(200)
FRAME[..., 1] = np.arange(100)[:, None]


def corners(box, margin):
    """x1, y1, x2, y2 of the crop; the frame's pixels hold their own place."""
    cut = crop(FRAME, np.array(box, np.float32), margin=margin)
    return (int(cut[0, 0, 0]), int(cut[0, 0, 1]), int(cut[-1, -1, 0]) + 1, int(cut[-1, -1, 1]) + 1)


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        pytest.param((50, 40, 100, 60), 0.0, (50, 40, 100, 60), id="no margin"),
        pytest.param((50, 40, 100, 60), 0.1, (45, 38, 105, 62), id="a tenth on each side"),
        pytest.param((50.4, 40.4, 99.6, 59.6), 0.0, (50, 40, 100, 60), id="part pixels are kept"),
        pytest.param((0, 0, 50, 20), 0.1, (0, 0, 55, 22), id="cut at the upper left"),
        pytest.param((150, 80, 200, 100), 0.1, (145, 78, 200, 100), id="cut at the lower right"),
        pytest.param((199.5, 99.5, 200, 100), 0.0, (199, 99, 200, 100), id="the last pixel"),
        pytest.param((200, 100, 200, 100), 0.0, (199, 99, 200, 100), id="nothing at the very corner"),
    ],
)
def test_a_crop_holds_the_plate_and_its_margin_inside_the_frame(box, margin, expected):
    assert corners(box, margin) == expected


def test_a_crop_is_a_view_and_copies_no_pixels():
    assert np.shares_memory(crop(FRAME, np.array((5, 5, 20, 10), np.float32), margin=0.1), FRAME)


def slots_for(text, sureness=0.9):
    slots = np.full((SLOTS, len(ALPHABET)), (1 - sureness) / (len(ALPHABET) - 1), np.float32)
    for i, character in enumerate(text.ljust(SLOTS, "_")):
        slots[i, ALPHABET.index(character)] = sureness
    return slots


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        pytest.param("AB12CDE", "AB12CDE", id="padded at the end"),
        pytest.param("ABCDE12345", "ABCDE12345", id="every slot used"),
        pytest.param("AB_12", "AB12", id="padding in between"),
        pytest.param("", "", id="nothing but padding"),
    ],
)
def test_slots_spell_the_plate_without_its_padding(shown, text):
    assert plate_read((1, 2, 3, 4), 0.5, slots=slots_for(shown)).text == text


def test_confidence_is_that_of_the_weakest_slot_even_a_padding_one():
    slots = slots_for("AB12")
    slots[9, ALPHABET.index("_")] = 0.6
    assert plate_read((1, 2, 3, 4), 0.5, slots=slots).confidence == pytest.approx(0.6)
