"""Labels of the detector's training: what is read, what is refused by name, and boxes there and back."""

from pathlib import Path

import numpy as np
import pytest

from models.training.detector_labels import (
    LabelError,
    format_labels,
    from_pixels,
    parse_labels,
    read_labels,
    to_pixels,
)


def test_a_picture_without_a_label_file_holds_no_plate(tmp_path: Path) -> None:
    assert read_labels(tmp_path / "missing.txt").shape == (0, 4)


def test_labels_survive_the_way_to_pixels_and_back_through_a_file() -> None:
    labels = np.array([[0.5, 0.5, 0.2, 0.1], [0.25, 0.75, 0.5, 0.5]])
    boxes = to_pixels(labels, height=300, width=400)
    assert boxes.tolist() == [[160, 135, 240, 165], [0, 150, 200, 300]]
    again = parse_labels(format_labels(from_pixels(boxes, height=300, width=400)))
    assert np.allclose(again, labels, atol=1e-6)


def test_boxes_are_cut_at_the_edge_of_the_picture() -> None:
    labels = from_pixels(np.array([[-20.0, 10, 20, 30]]), height=100, width=100)
    assert np.allclose(labels, [[0.1, 0.2, 0.2, 0.2]])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("0 0.5 0.5 0.2", "line 2 is not", id="too-few"),
        pytest.param("0 0.5 0.5 0.2 wide", "line 2 is not", id="no-number"),
        pytest.param("3 0.5 0.5 0.2 0.1", "class 3", id="another-class"),
        pytest.param("0 0.95 0.5 0.2 0.1", "out of the picture", id="out-of-the-picture"),
        pytest.param("0 0.5 0.5 0 0.1", "empty", id="empty"),
        pytest.param("0 nan 0.5 0.2 0.1", "out of the picture", id="nan"),
        pytest.param("0 0.5 0.5 inf 0.1", "out of the picture", id="infinite"),
    ],
)
def test_a_line_that_is_no_plate_is_refused_with_its_file_and_number(
    tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "car.txt"
    file.write_text(f"0 0.5 0.5 0.2 0.1\n{line}\n")
    with pytest.raises(LabelError, match=said) as refused:
        read_labels(file)
    assert str(file) in str(refused.value)
    assert "line 2" in str(refused.value)


def test_a_label_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "car.txt"
    file.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(LabelError, match=r"car\.txt"):
        read_labels(file)
