"""What a network made of the training pictures: its raw answers as boxes, and the lines of the file."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.training.detector_passes import LOWEST_CONFIDENCE, decoded, read_passes, suppressed


def test_the_plain_output_becomes_corners_the_surest_first() -> None:
    answer = np.zeros((1, 5, 4), np.float32)
    answer[0, :, 1] = [50, 40, 20, 10, 0.6]
    answer[0, :, 3] = [100, 40, 40, 20, 0.9]
    rows = decoded(answer)
    assert rows.tolist() == pytest.approx(np.array([[80, 30, 120, 50, 0.9], [40, 35, 60, 45, 0.6]]))


def test_the_end2end_output_is_read_without_its_batch_and_class() -> None:
    answer = np.array([[0, 1, 2, 3, 4, 0, 0.5], [0, 5, 6, 7, 8, 0, 0.7]], np.float32)
    assert decoded(answer)[:, :4].tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]


def test_boxes_too_unsure_to_say_anything_are_dropped() -> None:
    answer = np.array([[0, 1, 2, 3, 4, 0, LOWEST_CONFIDENCE / 2]], np.float32)
    assert decoded(answer).shape == (0, 5)


def test_of_boxes_on_one_plate_the_surest_stays() -> None:
    found = np.array([[0, 0, 40, 10, 0.9], [1, 0, 41, 10, 0.8], [60, 0, 99, 10, 0.3]], np.float32)
    assert suppressed(found)[:, 4].tolist() == pytest.approx([0.9, 0.3])


def test_a_line_of_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    line = {
        "picture": "car",
        "input_scale": 0.5,
        "found": [[1, 2, 3, 4, 0.5]],
        "truth": [[1, 2, 3, 5]],
        "doubtful": [],
    }
    (tmp_path / "passes.jsonl").write_text(json.dumps(line) + "\n")
    (seen,) = read_passes(tmp_path / "passes.jsonl")
    assert seen.picture == "car"
    assert seen.found.tolist() == [[1, 2, 3, 4]]
    assert seen.scores.tolist() == [0.5]
    assert seen.truth.tolist() == [[1, 2, 3, 5]]
    assert seen.doubtful.shape == (0, 4)
    assert seen.input_scale == 0.5
