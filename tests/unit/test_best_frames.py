"""Which frame of a car its picture is taken from."""

import av
import numpy as np
import pytest

from pod.domain.reads import ALPHABET, SLOTS, PlateRead
from pod.media.frame import Frame
from pod.services.best_frames import MAX_CARS, BestFrames

SCENE = av.VideoFrame.from_ndarray(np.zeros((4, 4), np.uint8), format="gray")
SLOTS_OF_NOTHING = np.zeros((SLOTS, len(ALPHABET)), np.float32)


def frame(index: int) -> Frame:
    return Frame("entry", 1, index, 0.0, 0.0, SCENE)


def read(text: str, confidence: float) -> PlateRead:
    return PlateRead((confidence, 0.0, 40.0, 10.0), 0.9, text, confidence, SLOTS_OF_NOTHING)


def best_of(*reads: tuple[str, float], consensus: str) -> int:
    best = BestFrames()
    for index, (text, confidence) in enumerate(reads):
        best.note(7, frame(index), read=read(text, confidence), consensus=consensus)
    glimpse = best.of(7)
    assert glimpse is not None
    assert glimpse.box[0] == reads[glimpse.frame.index][1]
    return glimpse.frame.index


@pytest.mark.parametrize(
    ("reads", "best"),
    [
        pytest.param([("AB123CD", 0.6), ("AB123CD", 0.9), ("AB123CD", 0.7)], 1, id="the surest"),
        pytest.param([("AB123CD", 0.9), ("AB123CD", 0.9)], 1, id="of two as sure the later"),
        pytest.param([("AB128CD", 0.9), ("AB123CD", 0.7)], 0, id="one character off is the same car"),
        pytest.param([("XY987ZW", 0.99), ("AB123CD", 0.7)], 1, id="never another car, however sure"),
    ],
)
def test_the_picture_shows_the_plate_as_it_was_read_best(reads: list[tuple[str, float]], best: int) -> None:
    assert best_of(*reads, consensus="AB123CD") == best


def test_a_car_that_was_never_read_has_none_and_one_that_is_gone_has_none_any_more() -> None:
    best = BestFrames()
    assert best.of(1) is None
    best.note(1, frame(0), read=read("AB123CD", 0.9), consensus="AB123CD")
    best.forget(1)
    assert best.of(1) is None


def test_too_many_cars_at_once_cost_the_one_read_longest_ago_its_frame() -> None:
    best = BestFrames()
    for track in range(MAX_CARS):
        best.note(track, frame(track), read=read("AB123CD", 0.9), consensus="AB123CD")
    best.note(0, frame(99), read=read("AB123CD", 0.5), consensus="AB123CD")
    best.note(MAX_CARS, frame(0), read=read("AB123CD", 0.9), consensus="AB123CD")
    assert [track for track in range(MAX_CARS + 1) if best.of(track) is None] == [1]
    assert best.dropped == 1
