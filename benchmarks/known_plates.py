"""Pictures of whole scenes in which a plate's text is known, though no set of them says so. Needs ../shared.

The set for readers holds crops cut from the full-size originals of the detection set's pictures, with their
texts, but does not say which crop came from which picture. Each is found again here by its looks. Only crops
of the readers' validation half count, which no bundled reader was trained on. Their texts were read by the
upstream reader, from far more pixels than the pictures here still have.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.prerequisites import CACHE, SHARED, need_files
from pod.domain.geometry import iou_matrix

_PLATES = SHARED / "plates"
_CACHED = CACHE / "known_plates.json"

_PADS = ((0.05, 0.05), (0.05, 0.08))
"""How far the crops reach over the labelled box, in widths and heights of it."""

_SAME = 0.93
_SURER_BY = 0.05
"""Correlation of a crop and a place in a picture that are one, and how much better than in all others."""

_SURE = 0.9
"""The upstream reader's confidence from which on a crop's text is a truth, as in the set's own val.csv."""

SAME_PLATE_IOU = 0.4
"""Overlap with the labelled box from which on a find is of that plate; the labels are drawn loosely."""

Boxes = npt.NDArray[np.float32]

Read = tuple[Sequence[float], str]
"""Box, xyxy in pixels, and text."""


@dataclass(frozen=True, slots=True)
class KnownPlate:
    """One plate of one picture.

    Attributes:
        box: shape (4,), float32, xyxy in pixels of the picture, as the set labels it.
        new_to_detectors: the picture is of the detectors' validation half.
    """

    picture: Path
    box: Boxes
    text: str
    new_to_detectors: bool


def known_plates() -> list[KnownPlate]:
    """All of them, sorted by picture; found once and remembered in the folder for things that may go.

    Raises:
        CannotRunError: the pictures are not there.
    """
    need_files(_PLATES / "ocr" / "pseudo_labels.csv", _PLATES / "detect" / "images" / "train")
    if not _CACHED.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        _CACHED.write_text(json.dumps(_searched()), encoding="utf-8")
    pictures = _PLATES / "detect" / "images"
    return [
        KnownPlate(pictures / half / f"{stem}.jpg", np.array(box, np.float32), text, half == "val")
        for half, stem, box, text in json.loads(_CACHED.read_text(encoding="utf-8"))
    ]


def text_at(box: Boxes, reads: Sequence[Read]) -> str:
    """What was read where a plate is; empty where nothing was found there.

    Args:
        box: shape (4,), float32, xyxy in pixels.
    """
    if not reads:
        return ""
    overlaps = iou_matrix(np.array([read[0] for read in reads], np.float32).reshape(-1, 4), box[None])[:, 0]
    best = int(overlaps.argmax())
    return reads[best][1] if overlaps[best] >= SAME_PLATE_IOU else ""


def _searched() -> list[tuple[str, str, list[float], str]]:
    """Half, stem, box and text of each plate whose crop is found in exactly one place."""
    with (_PLATES / "ocr" / "pseudo_labels.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["source"].startswith("det_")]
    rows = [row for row in rows if row["split"] == "val" and float(row["teacher_min_conf"]) >= _SURE]
    crops = np.stack([_look(_grey(_PLATES / "ocr" / row["image_path"])) for row in rows])
    places, looks = [], []
    for half in ("train", "val"):
        for picture in sorted((_PLATES / "detect" / "images" / half).glob("*.jpg")):
            for box, look in _labelled(picture, half):
                places.append((half, picture.stem, box))
                looks.append(look)
    alike = np.max([crops @ np.stack(of_pad).T for of_pad in zip(*looks, strict=True)], axis=0)
    found: list[tuple[str, str, list[float], str]] = []
    for row, likeness in zip(rows, alike, strict=True):
        second, first = np.argsort(likeness)[-2:]
        half, stem, box = places[first]
        alone = likeness[first] - likeness[second] >= _SURER_BY
        if likeness[first] >= _SAME and alone and stem.startswith(row["source"].removeprefix("det_")):
            found.append((half, stem, box.tolist(), row["plate_text"]))
    return sorted(found)


def _labelled(picture: Path, half: str) -> list[tuple[Boxes, list[npt.NDArray[np.float32]]]]:
    """Each labelled box in pixels, and how it looks with each of the pads."""
    label = _PLATES / "detect" / "labels" / half / f"{picture.stem}.txt"
    lines = label.read_text().splitlines() if label.exists() else []
    if not lines:
        return []
    grey = _grey(picture)
    height, width = grey.shape
    found = []
    for line in lines:
        centre_x, centre_y, wide, high = (float(v) for v in line.split()[1:5])
        looks = []
        for pad_x, pad_y in _PADS:
            left, right = ((centre_x + side * wide * (0.5 + pad_x)) * width for side in (-1, 1))
            top, bottom = ((centre_y + side * high * (0.5 + pad_y)) * height for side in (-1, 1))
            rows = slice(max(0, round(top)), max(1, round(bottom)))
            looks.append(_look(grey[rows, max(0, round(left)) : max(1, round(right))]))
        half_size = np.array([wide * width, high * height], np.float32) / 2
        centre = np.array([centre_x * width, centre_y * height], np.float32)
        found.append((np.concatenate([centre - half_size, centre + half_size]), looks))
    return found


def _look(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What a crop looks like whatever its size and light: shape (1152,), float32, mean 0, length 1."""
    small = cv2.resize(grey, (48, 24), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)


def _grey(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
