"""The curve of a detector over confidences and plate widths."""

import numpy as np

from models.evaluation.boxes import PictureBoxes
from models.training.detector_curves import CONFIDENCES, curve, times_ms
from models.training.detector_passes import OnnxDetector

WIDE, NARROW = [0.0, 0, 200, 50], [300.0, 0, 340, 10]


def one_of_two_found() -> PictureBoxes:
    """The wide plate is found at 0.45, the narrow one is not, and a hedge is taken for a plate at 0.22."""
    return PictureBoxes(
        found=np.array([WIDE, [500, 300, 600, 330]], np.float32),
        scores=np.array([0.45, 0.22], np.float32),
        truth=np.array([WIDE, NARROW], np.float32),
    )


def test_recall_and_precision_are_told_for_every_confidence() -> None:
    told = curve("net", [one_of_two_found()], [(640, 832)], input_px=(320, 416))
    points = {point["confidence"]: point for point in told.points}
    assert list(points) == list(CONFIDENCES)
    assert (points[0.2]["recall_percent"], points[0.2]["precision_percent"]) == (50, 50)
    assert (points[0.4]["recall_percent"], points[0.4]["precision_percent"]) == (50, 100)
    assert points[0.5]["recall_percent"] == 0


def test_widths_are_those_at_the_networks_input() -> None:
    told = curve("net", [one_of_two_found()], [(640, 832)], input_px=(320, 416))
    bins = {
        (b["from_px"], b["to_px"]): (b["found"], b["labels"]) for b in told.recall_by_width if b["labels"]
    }
    assert bins == {(18, 24): (0, 1), (96, 128): (1, 1)}


def test_networks_are_timed_in_turns() -> None:
    turns: list[str] = []

    class Named:
        height_px = width_px = 32

        def __init__(self, name: str) -> None:
            self.name = name

        def answer(self, tensor: np.ndarray) -> np.ndarray:
            turns.append(self.name)
            return tensor

    detectors: list[OnnxDetector] = [Named("a"), Named("b")]  # type: ignore[list-item]  # only what is timed
    assert len(times_ms(detectors, rounds=2)) == 2
    assert turns == ["a", "a", "b", "b"] * 2
