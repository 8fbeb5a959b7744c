"""YOLO label files of one class: lines to boxes and back. Only reads."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.float64]
"""Shape (N, 4): centre x, centre y, width, height, as fractions of the picture; N may be 0."""

_SLACK = 1e-3
"""How far past the picture's edge a box may reach: labels are written with rounded decimals."""


class LabelError(ValueError):
    """A label file cannot be trained on; the message names it."""


def read_labels(path: Path) -> Labels:
    """The boxes of a label file; none where there is no file, as ultralytics has it.

    Raises:
        LabelError: a line is no plate inside the picture; the message names the file and the line.
    """
    if not path.exists():
        return np.empty((0, 4))
    try:
        return parse_labels(path.read_text(encoding="ascii"))
    except (LabelError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: {error}: mend the line or leave the picture out") from error


def parse_labels(text: str) -> Labels:
    """The boxes of a label file's text.

    Raises:
        LabelError: a line is not "0 x y width height", or its box is empty or reaches out of the picture.
    """
    rows = [_row(line, number=i) for i, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return np.array(rows, np.float64).reshape(-1, 4)


def _row(line: str, *, number: int) -> list[float]:
    fields = line.split()
    try:
        label, x, y, width, height = int(fields[0]), *(float(field) for field in fields[1:])
    except ValueError:
        raise LabelError(f"line {number} is not '0 x y width height'") from None
    if label != 0:
        raise LabelError(f"line {number} has class {label}: 0, a plate, is the only one")
    reach = max(abs(x - 0.5) + width / 2, abs(y - 0.5) + height / 2) - 0.5
    if not math.isfinite(reach) or width <= 0 or height <= 0 or reach > _SLACK:
        raise LabelError(f"line {number} has a box that is empty or reaches out of the picture")
    return [x, y, width, height]


def format_labels(labels: Labels) -> str:
    """The text of a label file, a line per box."""
    return "".join("0 " + " ".join(f"{value:.6f}" for value in row) + "\n" for row in labels)


def to_pixels(labels: Labels, *, height: int, width: int) -> npt.NDArray[np.float32]:
    """Boxes as xyxy in pixels of a picture of this size, shape (N, 4)."""
    half = labels[:, 2:] / 2
    corners = np.concatenate([labels[:, :2] - half, labels[:, :2] + half], axis=1)
    return (corners * np.array([width, height] * 2)).astype(np.float32)


def from_pixels(boxes: npt.NDArray[np.floating], *, height: int, width: int) -> Labels:
    """Labels of boxes, shape (N, 4), xyxy in pixels of a picture of this size; cut at its edges."""
    size = np.array([width, height] * 2, np.float64)
    cut = np.clip(boxes.astype(np.float64).reshape(-1, 4), 0, size) / size
    return np.concatenate([(cut[:, :2] + cut[:, 2:]) / 2, cut[:, 2:] - cut[:, :2]], axis=1)
