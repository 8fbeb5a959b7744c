"""Finds what there is to measure models on, and names every line that cannot be used. Opens no picture.

Four layouts are understood:

- `detect/images/val` with `labels_snapped/val` or `labels/val`, and `ocr/val.csv` with `ocr/labels.csv` and
  `ocr/pseudo_labels.csv` beside it, or one of these;
- a YOLO folder: `images` (or `images/val`) and `labels` (or `labels/val`);
- crops: a CSV with the columns `image_path,plate_text`;
- whole pictures: a CSV with the columns `picture_path,plate_text`, one row a plate;
  an empty text says that the picture shows none.

Paths in a CSV are relative to it. A CSV may carry `source` and `region`.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from models.evaluation.boxes import Boxes
from models.regular import open_regular

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_CHARACTERS = 10

MOST_FAULTS = 1000
"""Kept with their text; the rest of a hopeless data set is counted."""

_PICTURES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
_SLACK = 0.005
"""Boxes that reach over the edge by this fraction of the picture are cut, not refused: labels are rounded."""

MOST_LABELS = 1000
"""Lines of one label file: a picture of more plates is none of a gate, and matching them takes minutes."""

_MOST_LABEL_BYTES = 200 * MOST_LABELS
_LONGEST_KEY_TOLD = 120
_CLASS_DIGITS = 6
_CLASS_NAMES = "classes.txt"
"""What labelling tools lay beside the labels: the names of the classes, no picture's labels."""

LabelBy = Literal["source", "source+teacher", "teacher", "given"]
"""Who a crop's text is from: whoever took the picture, both, another recogniser alone, or not said."""


class DataSetError(Exception):
    """A folder holds nothing that can be measured on; the message names the mend."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One line or file that is left out, and why.

    Attributes:
        line: from 1; None where the whole file is meant.
    """

    file: str
    line: int | None
    problem: str

    def __str__(self) -> str:
        return f"{self.file}{'' if self.line is None else f':{self.line}'}: {self.problem}"


@dataclass(frozen=True, slots=True)
class CropTruth:
    """A picture of one plate, and what it says.

    Attributes:
        key: its path as the CSV has it.
        text: A-Z and 0-9, 1 to 10 characters.
        source: where the picture came from; region: the country. "" where not said.
        where: CSV and line, for messages.
        seen: whether a person read the text from the picture to check it.
    """

    path: Path
    key: str
    text: str
    label_by: LabelBy
    source: str
    region: str
    where: tuple[str, int]
    seen: bool = False


@dataclass(frozen=True, slots=True)
class SceneTruth:
    """A whole picture with boxes, with texts, or both.

    Attributes:
        boxes: shape (N, 4), float32, xyxy as fractions of the upright picture, inside it; None: not labelled.
        texts: what its plates say; None: not said.
        source: the start of its name, up to the number.
    """

    path: Path
    boxes: Boxes | None
    texts: tuple[str, ...] | None
    source: str


@dataclass(frozen=True, slots=True)
class DataSet:
    """Everything usable, and everything that is not.

    Attributes:
        faults: at most `MOST_FAULTS`; `faults_total` of them there are.
    """

    layout: str
    crops: tuple[CropTruth, ...]
    scenes: tuple[SceneTruth, ...]
    faults: tuple[Fault, ...]
    faults_total: int


class _Faults:
    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.total = 0

    def add(self, file: Path, line: int | None, problem: str) -> None:
        self.total += 1
        if len(self.kept) < MOST_FAULTS:
            self.kept.append(Fault(str(file), line, problem))


def find_data_set(place: Path) -> DataSet:
    """What a folder, or a CSV file, has to measure on.

    Raises:
        DataSetError: there is no such place, or nothing in it is a data set.
    """
    faults = _Faults()
    if place.is_file():
        crops, scenes = _table(place, faults)
        return _data_set("table", crops, scenes, faults)
    if not place.is_dir():
        raise DataSetError(f"{place}: no such folder or CSV file: check the spelling")
    if (place / "ocr" / "val.csv").is_file() or (place / "detect" / "images" / "val").is_dir():
        crops, scenes = _validation(place, faults)
        return _data_set("validation", crops, scenes, faults)
    if (place / "images").is_dir() and (place / "labels").is_dir():
        return _data_set("yolo", [], _yolo(place, "labels", faults), faults)
    tables = sorted(place.glob("*.csv"))
    if len(tables) == 1:
        crops, scenes = _table(tables[0], faults)
        return _data_set("table", crops, scenes, faults)
    found = f"{len(tables)} CSV files; name one of them" if tables else "none of these"
    raise DataSetError(
        f"{place}: no data set: it takes detect/images/val or ocr/val.csv, or images and labels (YOLO), or "
        f"one CSV with image_path,plate_text or picture_path,plate_text, and here is {found}"
    )


def _data_set(layout: str, crops: list[CropTruth], scenes: list[SceneTruth], faults: _Faults) -> DataSet:
    return DataSet(layout, tuple(crops), tuple(scenes), tuple(faults.kept), faults.total)


def _validation(place: Path, faults: _Faults) -> tuple[list[CropTruth], list[SceneTruth]]:
    detect, ocr = place / "detect", place / "ocr"
    scenes: list[SceneTruth] = []
    if (detect / "images" / "val").is_dir():
        labels = "labels_snapped" if (detect / "labels_snapped" / "val").is_dir() else "labels"
        scenes = _yolo(detect, labels, faults)
    crops: list[CropTruth] = []
    if (ocr / "val.csv").is_file():
        crops = _table(ocr / "val.csv", faults)[0]
    return crops, scenes


def _yolo(place: Path, labels: str, faults: _Faults) -> list[SceneTruth]:
    """Pictures with their boxes; a picture without a label file has no plate, as ultralytics has it."""
    images, truths = place / "images", place / labels
    if (images / "val").is_dir():
        images, truths = images / "val", truths / "val"
    pictures = sorted(file for file in images.iterdir() if file.suffix.lower() in _PICTURES)
    stems: dict[str, Path] = {}
    classes: dict[int, str] = {}
    scenes = []
    for picture in pictures:
        if picture.stem in stems:
            faults.add(
                picture, None, f"has the same labels as {stems[picture.stem].name}: rename one of them"
            )
            continue
        stems[picture.stem] = picture
        boxes = _boxes(truths / f"{picture.stem}.txt", classes, faults)
        if boxes is not None:
            scenes.append(SceneTruth(picture, boxes, None, picture.stem.rstrip("0123456789").rstrip("_-")))
    if len(classes) > 1:
        raise DataSetError(
            f"{truths}: labels of {len(classes)} classes ({_listed(classes)}), and every box counts as a "
            "plate: keep the lines of the plates alone"
        )
    for lost in sorted(truths.glob("*.txt")) if truths.is_dir() else ():
        if lost.stem not in stems and lost.name != _CLASS_NAMES:
            faults.add(lost, None, "its picture is missing: put it back, or remove the labels")
    return scenes


def _listed(classes: dict[int, str]) -> str:
    return ", ".join(f"{number} in {where}" for number, where in sorted(classes.items())[:3])


def _boxes(file: Path, classes: dict[int, str], faults: _Faults) -> Boxes | None:
    """The boxes of a label file; None where a line is wrong: half the labels of a picture measure nothing.

    Args:
        classes: where each class was met first; those of this file are added.
    """
    if not file.exists():
        return np.empty((0, 4), np.float32)
    try:
        with open_regular(file) as opened:
            raw = opened.read(_MOST_LABEL_BYTES + 1)
        lines = raw[:_MOST_LABEL_BYTES].decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        faults.add(file, None, f"cannot be read as text: save it again ({error})")
        return None
    if len(lines) > MOST_LABELS or len(raw) > _MOST_LABEL_BYTES:
        faults.add(
            file, None, f"has more than {MOST_LABELS:,} lines: keep those of the picture's plates alone"
        )
        return None
    rows, wrong = set(), False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        box = _box(line.split())
        if isinstance(box, str) or box in rows:
            faults.add(file, number, box if isinstance(box, str) else "the same box stands above: remove one")
            wrong = True
        else:
            rows.add(box)
            classes.setdefault(int(line.split()[0]), f"{file.name}:{number}")
    return None if wrong else np.array(sorted(rows), np.float32).reshape(-1, 4)


def _box(fields: list[str]) -> tuple[float, float, float, float] | str:
    """x1, y1, x2, y2 as fractions of the picture, or what is wrong."""
    if len(fields) != 5:
        return f"has {len(fields)} fields: write class, centre x, centre y, width, height"
    if not (fields[0].isascii() and fields[0].isdigit() and len(fields[0]) <= _CLASS_DIGITS):
        return "does not begin with a class: write a whole number from 0"
    try:
        x, y, width, height = (float(field) for field in fields[1:])
    except ValueError:
        return "holds what is no number: write fractions of the picture, 0 to 1"
    if not all(map(math.isfinite, (x, y, width, height))):
        return "holds NaN or infinity: write fractions of the picture, 0 to 1"
    if width <= 0 or height <= 0:
        return "the box has no area: width and height must be above 0"
    edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if min(edges) < -_SLACK or max(edges) > 1 + _SLACK:
        return "the box reaches out of the picture: write fractions of it, 0 to 1, not pixels"
    x1, y1, x2, y2 = (min(max(edge, 0.0), 1.0) for edge in edges)
    return x1, y1, x2, y2


def _table(file: Path, faults: _Faults) -> tuple[list[CropTruth], list[SceneTruth]]:
    """Crops or whole pictures of a CSV, by its columns.

    Raises:
        DataSetError: it has neither.
    """
    rows = _rows(file, faults)
    columns = next(rows)[1]
    if {"image_path", "plate_text"} <= columns.keys():
        return _crops(file, rows, faults), []
    if {"picture_path", "plate_text"} <= columns.keys():
        return [], _scenes(file, rows, faults)
    raise DataSetError(
        f"{file}: needs the columns image_path,plate_text (crops) or picture_path,plate_text (pictures), "
        f"not {', '.join(columns) or 'none'}"
    )


def _rows(file: Path, faults: _Faults) -> Iterator[tuple[int, dict[str, str]]]:
    """The header as a dictionary of its own names first, then every row of as many fields, with its line.

    Raises:
        DataSetError: it is no text.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            header = [name.strip() for name in next(reader, [])]
            yield 1, dict.fromkeys(header, "")
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    faults.add(
                        file, reader.line_num, f"has {len(fields)} fields, the header has {len(header)}"
                    )
                    continue
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataSetError(f"{file}: cannot be read as CSV in UTF-8: save it so ({error})") from error


def _crops(file: Path, rows: Iterable[tuple[int, dict[str, str]]], faults: _Faults) -> list[CropTruth]:
    known = _metadata(file)
    first: dict[str, int] = {}
    crops = []
    for line, row in rows:
        key, text = row["image_path"], row["plate_text"].strip()
        problem = _bad_text(text) or _bad_path(file, key)
        if not problem and key in first:
            problem = f"the same picture stands in line {first[key]}: keep one"
        if problem:
            faults.add(file, line, problem)
            continue
        first[key] = line
        more = {**known.get(key, {}), **{name: value for name, value in row.items() if value}}
        crops.append(
            CropTruth(
                file.parent / key,
                key,
                text,
                _label_by(more.get("verified_by", "")),
                more.get("source", ""),
                more.get("region", more.get("teacher_region", "")),
                (str(file), line),
            )
        )
    return crops


def _scenes(file: Path, rows: Iterable[tuple[int, dict[str, str]]], faults: _Faults) -> list[SceneTruth]:
    """Whole pictures; one with a bad row is left out whole, as a plate less would count as read too much."""
    texts: dict[str, list[str]] = {}
    sources: dict[str, str] = {}
    spoilt: set[str] = set()
    for line, row in rows:
        key, text = row["picture_path"], row["plate_text"].strip()
        problem = (_bad_text(text) if text else "") or _bad_path(file, key)
        if not problem and key in texts and (text in texts[key] or not text or "" in texts[key]):
            problem = "the same plate stands above for this picture, or that it has none: keep one"
        if problem:
            faults.add(file, line, problem)
            spoilt.add(key)
            continue
        texts.setdefault(key, []).append(text)
        sources[key] = row.get("source", "")
    return [
        SceneTruth(file.parent / key, None, tuple(filter(None, found)), sources[key])
        for key, found in texts.items()
        if key not in spoilt
    ]


def _metadata(file: Path) -> dict[str, dict[str, str]]:
    """What `labels.csv` and `pseudo_labels.csv` beside a CSV know of its pictures."""
    known: dict[str, dict[str, str]] = {}
    for name in ("pseudo_labels.csv", "labels.csv"):
        beside = file.with_name(name)
        if beside.is_file() and beside != file:
            # Its bad rows only lack a source or a country here, and were never asked to be measured on.
            known |= {row["image_path"]: row for _, row in _rows(beside, _Faults()) if row.get("image_path")}
    return known


def _label_by(said: str) -> LabelBy:
    for known in ("source", "source+teacher", "teacher"):
        if said == known:
            return known
    return "given"


def _bad_text(text: str) -> str:
    strange = sorted(set(text) - set(ALPHABET))
    if strange:
        return f"the text holds {' '.join(map(repr, strange))}: only A-Z and 0-9 can be measured"
    if not text:
        return "has no text: write the plate's letters and digits"
    if len(text) > MOST_CHARACTERS:
        return f"the text has {len(text)} characters: at most {MOST_CHARACTERS} can be measured"
    return ""


def _bad_path(file: Path, key: str) -> str:
    if not key or "\0" in key or Path(key).is_absolute() or ".." in Path(key).parts:
        return "the picture's path must lie below the CSV's folder"
    try:
        if (file.parent / key).is_file():
            return ""
    except OSError as error:  # such as a name longer than a file system takes
        return f"the system refuses the picture {_cut(key)} ({error.strerror}): give it a path it can have"
    return f"there is no picture {_cut(key)}: put it there, or remove the line"


def _cut(key: str) -> str:
    return key if len(key) <= _LONGEST_KEY_TOLD else f"{key[:_LONGEST_KEY_TOLD]}…"
