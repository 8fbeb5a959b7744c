"""Crops around plates, and what the slots of a crop spell."""

import numpy as np
import pytest

from pod.domain.reads import ALPHABET, SLOTS
from pod.vision.detector import Detections
from pod.vision.pipeline import PlateReader, crop, plate_read

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
        pytest.param("", "", id="no plate"),
    ],
)
def test_slots_spell_the_plate_without_its_padding(shown, text):
    assert plate_read((1, 2, 3, 4), 0.5, slots=slots_for(shown)).text == text


def test_confidence_is_that_of_the_weakest_slot_even_a_padding_one():
    slots = slots_for("AB12")
    slots[9, ALPHABET.index("_")] = 0.6
    assert plate_read((1, 2, 3, 4), 0.5, slots=slots).confidence == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("shown", "is_plate"),
    [
        pytest.param("", False, id="no plate"),
        pytest.param("7", False, id="too short for any list"),
        pytest.param("A1", True, id="the shortest"),
        pytest.param("ABCDE12345", True, id="the longest"),
    ],
)
@pytest.mark.parametrize("sureness", [0.3, 0.99], ids=["unsure", "sure"])
def test_the_empty_text_means_no_plate_however_sure_it_is(shown, is_plate, sureness):
    assert plate_read((1, 2, 3, 4), 0.5, slots=slots_for(shown, sureness)).is_plate is is_plate


class Found:
    """Stands for a detector that takes three places for plates."""

    def detect(self, rgb, *, frame_size_px=None):
        boxes = np.array([(0, 0, 40, 10), (50, 0, 90, 10), (100, 0, 140, 10)], np.float32)
        return Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32))


class Answers:
    """Stands for a recogniser that sees a plate in the first and the last of three crops."""

    def read(self, crops):
        return np.stack([slots_for(text) for text in ("AB12", "", "CD34")][: len(crops)])


def test_a_place_that_shows_no_plate_is_left_out_and_its_answer_can_be_had():
    reader = PlateReader(Found(), Answers(), crop_margin=0)
    assert [read.text for read in reader.read(FRAME)] == ["AB12", "CD34"]
    answers = reader.read_boxes(FRAME, reader.detect(FRAME))
    assert [answer.text for answer in answers] == ["AB12", "", "CD34"]
