"""`accuracy`: what the bundled weights find and read on the validation pictures, beside upstream's.

Most validation texts were read by the upstream recogniser itself, so its exact share says little; ours is
measured against the same texts. The `source` figures count only crops whose text came with the picture.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.prerequisites import SHARED, need_files
from pod.config import VisionConfig
from pod.domain.geometry import iou_matrix
from pod.domain.plates import match_key
from pod.domain.reads import ALPHABET
from pod.vision.pipeline import Models, open_models

_PLATES = SHARED / "plates"
_UPSTREAM = VisionConfig(
    provider="cpu",
    detector=str(SHARED / "weights" / "yolo-v9-t-416-license-plates-end2end1.onnx"),
    recognizer=str(SHARED / "weights" / "cct_xs_v2_global.onnx"),
)
_MATCH_IOU = 0.5
_SURE = 0.85
"""The default of access.min_confidence."""

Boxes = npt.NDArray[np.float32]


def measure() -> dict[str, float]:
    """Percentages for the bundled and the upstream weights at the detector's default confidence."""
    need_files(_PLATES / "ocr" / "val.csv", Path(_UPSTREAM.detector))
    figures: dict[str, float] = {}
    for name, vision in (("bundled", VisionConfig(provider="cpu")), ("upstream", _UPSTREAM)):
        models = open_models(vision)
        measured = _detection(models) | _reading(models)
        figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
    return figures


def _detection(models: Models) -> dict[str, float]:
    """Recall and precision at IoU 0.5, against the snapped labels and against the sources' looser ones."""
    counts = {"labels_snapped": [0, 0, 0], "labels": [0, 0, 0]}
    for file in sorted((_PLATES / "detect" / "images" / "val").iterdir()):
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        found = models.detector.detect(np.asarray(picture, np.uint8))
        for labels, count in counts.items():
            truth = _labels(_PLATES / "detect" / labels / "val" / f"{file.stem}.txt", picture.shape)
            count[0] += _matched(found.boxes, truth)
            count[1] += len(truth)
            count[2] += len(found)
    snapped, loose = counts["labels_snapped"], counts["labels"]
    return {
        "recall_percent": 100 * snapped[0] / snapped[1],
        "precision_percent": 100 * snapped[0] / max(1, snapped[2]),
        "recall_loose_labels_percent": 100 * loose[0] / loose[1],
    }


def _labels(path: Path, shape: tuple[int, ...]) -> Boxes:
    """Boxes of a YOLO label file, shape (N, 4), float32, xyxy in pixels."""
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    height, width = shape[:2]
    centred = np.array([[float(v) for v in row[1:5]] for row in rows], np.float32).reshape(-1, 4)
    centre, half = centred[:, :2], centred[:, 2:] / 2
    size = np.array([width, height] * 2, np.float32)
    return np.concatenate([centre - half, centre + half], axis=1) * size


def _matched(found: Boxes, truth: Boxes) -> int:
    """How many labels have a detection of their own, the surest detections first."""
    overlaps = iou_matrix(found, truth)
    taken: set[int] = set()
    for row in overlaps:
        best = max((j for j in range(len(truth)) if j not in taken), key=lambda j: row[j], default=None)
        if best is not None and row[best] >= _MATCH_IOU:
            taken.add(best)
    return len(taken)


def _reading(models: Models) -> dict[str, float]:
    """Share of crops read exactly, strictly and with O = 0, I = 1; how many are sure, and wrong at that."""
    sources = {row["image_path"] for row in _rows("labels.csv")}
    exact, folded, sure, by_source = [], [], [], []
    for row in _rows("val.csv"):
        picture = cv2.imread(str(_PLATES / "ocr" / row["image_path"]), cv2.IMREAD_COLOR_RGB)
        slots = models.recognizer.read([np.asarray(picture, np.uint8)])[0]
        text = "".join(ALPHABET[i] for i in slots.argmax(axis=1)).replace("_", "")
        exact.append(text == row["plate_text"])
        folded.append(match_key(text) == match_key(row["plate_text"]))
        sure.append(float(slots.max(axis=1).min()) >= _SURE)
        by_source.append(row["image_path"] in sources)
    right, certain, from_source = np.array(folded), np.array(sure), np.array(by_source)
    return {
        "exact_percent": 100 * float(np.mean(exact)),
        "folded_percent": 100 * float(right.mean()),
        "folded_source_percent": 100 * float(right[from_source].mean()),
        "sure_percent": 100 * float(certain.mean()),
        "wrong_of_sure_percent": 100 * float((~right[certain]).mean()),
    }


def _rows(table: str) -> Iterator[dict[str, str]]:
    with (_PLATES / "ocr" / table).open(newline="") as lines:
        yield from csv.DictReader(lines)
