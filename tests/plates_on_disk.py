"""A small set of plates in the form that training expects: drawn roughly, with labels that fit."""

import csv
import random
from pathlib import Path

import cv2
import numpy as np

COLUMNS = ("image_path", "plate_text", "split", "source", "verified_by", "teacher_min_conf", "teacher_text")
REGION = ("teacher_region", "teacher_region_conf")


def write_plates(root: Path, *, pictures: int = 12, crops: int = 80) -> Path:
    """Pictures with one plate each, a third of them to validate with, and crops with their texts."""
    rng = random.Random(0)
    for number in range(pictures):
        half = "val" if number % 3 == 2 else "train"
        scene = np.full((120, 160, 3), rng.randrange(60, 160), np.uint8)
        left, top = rng.randrange(10, 90), rng.randrange(20, 80)
        scene[top : top + 20, left : left + 60] = _plate(_text(rng))
        name = f"street_{number:05}"
        _write(root / "detect" / "images" / half / f"{name}.jpg", scene)
        box = f"0 {(left + 30) / 160:.5f} {(top + 10) / 120:.5f} {60 / 160:.5f} {20 / 120:.5f}\n"
        for labels in ("labels_snapped", "labels"):
            file = root / "detect" / labels / half / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(box)
    rows = []
    for number in range(crops):
        half, text = "val" if number % 5 == 4 else "train", _text(rng)
        place = f"images/street_{number:05}.jpg"
        _write(root / "ocr" / place, _plate(text))
        rows.append((place, text, half, "street", "source+teacher", "0.99", text, "Spain", "1.0"))
    _table(root / "ocr" / "labels.csv", COLUMNS + REGION, rows[::2])
    _table(root / "ocr" / "pseudo_labels.csv", COLUMNS + REGION, rows[1::2])
    for half in ("train", "val"):
        _table(root / "ocr" / f"{half}.csv", COLUMNS[:2], [row[:2] for row in rows if row[2] == half])
    return root


def _text(rng: random.Random) -> str:
    return "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3) + rng.choices("0123456789", k=3))


def _plate(text: str) -> np.ndarray:
    plate = np.full((20, 60, 3), 230, np.uint8)
    return cv2.putText(plate, text, (2, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (20, 20, 20), 1)


def _write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def _table(path: Path, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
