"""Crops to learn from, out of the OCR set and the detection set, with what a teacher makes of them.

The text of a crop's source counts for most of its target, what the teacher's averaged views make of it for
the rest; of a crop whose text only the teacher knows, the teacher's doubts count more.
"""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from models.training.alphabet import SLOTS, decode, fold, one_hot
from models.training.crops import Box, Crop, Kind, Picture
from models.training.teacher import Teacher, View

CROP_VIEWS: tuple[View, ...] = ((0.0, (0, 0)), (0.04, (0, 0)), (0.09, (0, 0)), (0.06, (0.015, 0.02)))
CUT_VIEWS: tuple[View, ...] = ((0.05, (0, 0)), (0.10, (0, 0)), (0.15, (0, 0)))
PADDED = 0.04
"""The crops of ocr/ show the plate with this margin of their own size, or a little more."""
SURE = 0.9
"""The set's own bound: texts that the teacher reads with less are in neither train.csv nor val.csv."""
SMALLEST_CUT_PX = (28, 9)
NO_LATIN = ("easypr",)
"""Sources of plates that the alphabet cannot spell."""


def ocr_crops(folder: Path, half: str, teacher: Teacher | None) -> Iterator[Crop]:
    """Crops of one half ("train", "val") of the OCR set; those under SURE only with a teacher.

    Raises:
        FileNotFoundError: the set, or a picture of it, is not there.
    """
    for table, from_source in (("labels.csv", True), ("pseudo_labels.csv", False)):
        with (folder / table).open(newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row["split"] == half]
        for row in rows:
            sure = float(row["teacher_min_conf"]) > SURE
            text = row["plate_text"]
            if len(text) > SLOTS or not (from_source or sure or (teacher and half == "train")):
                continue
            picture = _rgb(folder / row["image_path"])
            height, width = picture.shape[:2]
            box = (PADDED * width, PADDED * height, (1 - PADDED) * width, (1 - PADDED) * height)
            target, trust = one_hot(text), 1.0
            if teacher and half == "train":
                doubts, _ = teacher.ask(picture, box, CROP_VIEWS)
                agreed = decode(doubts.argmax(-1)) == text
                share = _share_of_text(from_source=from_source, sure=sure, agreed=agreed)
                target = share * target + (1 - share) * doubts
                trust = 1.0 if from_source or sure else 0.4
            region, source = row["teacher_region"], row["source"]
            yield Crop(picture, box, text, target, region, Kind.CROP, source, trust, from_source)


def cut_crops(folder: Path, teacher: Teacher, known: frozenset[str]) -> Iterator[Crop]:
    """Plates of the training pictures, with their surroundings, and background away from all plates.

    Args:
        folder: the detection set.
        known: folded texts of the validation half: a plate that reads as one of them is left out.
    """
    rng = random.Random(1)
    for labels in sorted((folder / "labels_snapped" / "train").glob("*.txt")):
        if labels.name.startswith(NO_LATIN):
            continue
        picture = _rgb(next((folder / "images" / "train").glob(f"{labels.stem}.*")))
        plates = _boxes(labels, picture)
        source = labels.stem.rsplit("_", 1)[0]
        for box in plates:
            if box[2] - box[0] >= SMALLEST_CUT_PX[0] and box[3] - box[1] >= SMALLEST_CUT_PX[1]:
                yield from _cut(picture, box, teacher, known, source=source)
        if rng.random() < (0.2 if plates else 0.9):
            yield from _background(picture, plates, teacher, rng, source=source)


def _share_of_text(*, from_source: bool, sure: bool, agreed: bool) -> float:
    """How much of the target is the text; the rest is what the teacher makes of the picture."""
    if from_source:
        return 0.7 if agreed else 1.0
    if not sure:
        return 0.0
    return 0.35 if agreed else 0.3


def _cut(
    picture: Picture, box: Box, teacher: Teacher, known: frozenset[str], *, source: str
) -> Iterator[Crop]:
    width, height = box[2] - box[0], box[3] - box[1]
    left, top = max(0, round(box[0] - 0.4 * width)), max(0, round(box[1] - 0.5 * height))
    piece = np.ascontiguousarray(
        picture[top : round(box[3] + 0.5 * height), left : round(box[2] + 0.4 * width)]
    )
    inside = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    target, region = teacher.ask(piece, inside, CUT_VIEWS)
    text, least = decode(target.argmax(-1)), float(target.max(-1).min())
    if len(text) < 2 or "_" in text or least < 0.25 or fold(text) in known:
        return
    trust = float(np.clip((least - 0.2) / 0.6, 0.15, 1))
    yield Crop(piece, inside, text, target, region, Kind.CUT, source, trust, labelled=False)


def _background(
    picture: Picture, plates: list[Box], teacher: Teacher, rng: random.Random, *, source: str
) -> Iterator[Crop]:
    """A piece of a plate's shape beside all plates, unless the teacher reads one there."""
    height, width = picture.shape[:2]
    wide = rng.uniform(0.07, 0.4) * width
    high = wide / rng.uniform(1.2, 5)
    x, y = rng.uniform(0, width - wide), rng.uniform(0, max(1.0, height - high))
    piece = np.ascontiguousarray(picture[int(y) : int(y + high), int(x) : int(x + wide)])
    if min(piece.shape[:2]) < 8 or any(_near(plate, (x, y, x + wide, y + high)) for plate in plates):
        return
    box = (0.0, 0.0, float(piece.shape[1]), float(piece.shape[0]))
    if plates and teacher.ask(piece, box, ((0.0, (0, 0)),))[0].max(-1).min() > 0.5:
        return
    yield Crop(piece, box, "", one_hot(""), "", Kind.NOTHING, source, 1.0, labelled=True)


def _near(plate: Box, other: Box) -> bool:
    aside, above = 0.3 * (plate[2] - plate[0]), 8.0
    return (
        plate[0] - aside < other[2]
        and other[0] < plate[2] + aside
        and plate[1] - above < other[3]
        and other[1] < plate[3] + above
    )


def _boxes(labels: Path, picture: Picture) -> list[Box]:
    height, width = picture.shape[:2]
    found = []
    for line in labels.read_text().splitlines():
        _, x, y, w, h = (float(word) for word in line.split())
        found.append(((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height))
    return found


def _rgb(path: Path) -> Picture:
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(f"{path}: missing or unreadable: restore the set")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
