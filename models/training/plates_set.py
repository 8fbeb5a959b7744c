"""The pictures to train on: check that they are what training expects, fingerprint them, take a small part.

The folder holds `detect/` (images, labels_snapped, labels: YOLO text files; each with train and val) and
`ocr/` (labels.csv, pseudo_labels.csv, train.csv, val.csv and the crops they name).
"""

import csv
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ALPHABET = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
SLOTS = 10
HALVES = ("train", "val")
_TABLES = ("labels.csv", "pseudo_labels.csv", "train.csv", "val.csv")
_LABELS = ("labels_snapped", "labels")
_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG")
_EDGE = 1e-3
"""A box may reach over the edge by the rounding of its file."""
_MOST_TOLD = 20


class DataError(Exception):
    """The pictures cannot be trained on; the message names the files and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """How many to take of each: a drill needs few."""

    train_pictures: int
    val_pictures: int
    train_crops: int
    val_crops: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What a set holds.

    Attributes:
        pictures, boxes, crops: train and val together.
        detect_digest, ocr_digest: change with any picture's name or size and any label.
    """

    pictures: int
    boxes: int
    crops: int
    detect_digest: str
    ocr_digest: str


def need(plates: Path) -> None:
    """A folder that looks like a set.

    Raises:
        DataError: it is none; the message says which folder to name.
    """
    for needed in ("detect/images/train", "detect/labels_snapped/train", "ocr/train.csv"):
        if not (plates / needed).exists():
            raise DataError(
                f"{plates}: no set of plates: {needed} is missing: name the folder with detect/ and ocr/ "
                "by --plates"
            )


def check(plates: Path) -> Listing:
    """Look at every label and the beginning of every picture.

    Raises:
        DataError: the folder is another one, or files of it are wrong; up to twenty are named at once.
    """
    need(plates)
    detect, ocr = plates / "detect", plates / "ocr"
    if problems := [*_wrong_pictures(detect), *_wrong_labels(detect), *_wrong_crops(ocr)]:
        more = len(problems) - _MOST_TOLD
        told = problems[:_MOST_TOLD] + ([f"... and {more} more"] if more > 0 else [])
        raise DataError("\n".join([*told, "correct or remove these files, then start again"]))
    labels = [f for half in HALVES for f in _files(detect / "labels_snapped" / half, ".txt")]
    pictures = [f for half in HALVES for f in _files(detect / "images" / half)]
    crops = [
        plates / "ocr" / row["image_path"]
        for t in ("train.csv", "val.csv")
        for row in _rows(plates / "ocr" / t)
    ]
    return Listing(
        pictures=len(pictures),
        boxes=sum(len(file.read_text().splitlines()) for file in labels),
        crops=len(crops),
        detect_digest=_digest(detect, pictures, labels),
        ocr_digest=_digest(ocr, crops, [ocr / table for table in _TABLES]),
    )


def take(plates: Path, target: Path, part: Part) -> None:
    """A small set of the same form: links to the pictures, copies of the labels; the same ones every time."""
    shutil.rmtree(target, ignore_errors=True)
    for half, most in (("train", part.train_pictures), ("val", part.val_pictures)):
        files = _files(plates / "detect" / "images" / half)
        for picture in files[:: max(1, len(files) // most)][:most]:
            _link(picture, target / "detect" / "images" / half / picture.name)
            for labels in _LABELS:
                label = plates / "detect" / labels / half / f"{picture.stem}.txt"
                if label.exists():
                    copy = target / "detect" / labels / half / label.name
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(label, copy)
    if (manifest := plates / "detect" / "manifest.csv").exists():
        shutil.copyfile(manifest, target / "detect" / "manifest.csv")
    taken: set[str] = set()
    for half, most in (("train", part.train_crops), ("val", part.val_crops)):
        rows = list(_rows(plates / "ocr" / f"{half}.csv"))
        chosen = rows[:: max(1, len(rows) // most)][:most]
        _write(target / "ocr" / f"{half}.csv", chosen)
        for row in chosen:
            taken.add(row["image_path"])
            _link(plates / "ocr" / row["image_path"], target / "ocr" / row["image_path"])
    for table in ("labels.csv", "pseudo_labels.csv"):
        rows = list(_rows(plates / "ocr" / table))
        _write(
            target / "ocr" / table,
            [row for row in rows if row["image_path"] in taken] or rows[:0],
            like=rows[0],
        )


def _link(original: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(original.resolve())


def _write(path: Path, rows: list[dict[str, str]], *, like: dict[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(like or rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _wrong_pictures(detect: Path) -> Iterator[str]:
    for half in HALVES:
        for file in _files(detect / "images" / half):
            if not _is_picture(file):
                yield f"{file}: no JPEG or PNG picture"


def _wrong_labels(detect: Path) -> Iterator[str]:
    for half in HALVES:
        stems = {file.stem for file in _files(detect / "images" / half)}
        for file in _files(detect / "labels_snapped" / half, ".txt"):
            if file.stem not in stems:
                yield f"{file}: labels a picture that is not there"
            for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
                if problem := _wrong_box(line):
                    yield f"{file}:{number}: {problem}"


def _wrong_box(line: str) -> str | None:
    words = line.split()
    try:
        kind, x, y, width, height = (float(word) for word in words)
    except ValueError:
        return "must be a class and four numbers: 0 centre_x centre_y width height"
    if kind != 0:
        return f"class {words[0]}: there is one class, 0 = plate"
    if not (0 < width <= 1 and 0 < height <= 1):
        return "width and height must be over 0 and at most 1, as shares of the picture"
    low, high = -_EDGE, 1 + _EDGE
    inside = (low <= c - size / 2 and c + size / 2 <= high for c, size in ((x, width), (y, height)))
    return None if all(inside) else "the box reaches out of the picture: shares of the picture go from 0 to 1"


def _wrong_crops(ocr: Path) -> Iterator[str]:
    for table in _TABLES:
        if not (ocr / table).is_file():
            yield f"{ocr / table}: missing"
            continue
        for number, row in enumerate(_rows(ocr / table), start=2):
            text, name = row.get("plate_text"), row.get("image_path")
            if not name or text is None:
                yield f"{ocr / table}:{number}: needs the columns image_path and plate_text"
                break
            if not text or not set(text) <= ALPHABET:
                yield f"{ocr / table}:{number}: the text '{text[:20]}' must be of A-Z and 0-9"
            if table in ("train.csv", "val.csv") and not _is_picture(ocr / name):
                yield f"{ocr / table}:{number}: {name}: missing, or no JPEG or PNG picture"


def _is_picture(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(4).startswith(_PICTURE_STARTS)
    except OSError:
        return False


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with table.open(newline="", errors="replace") as lines:
        yield from csv.DictReader(lines)


def _files(folder: Path, suffix: str = "") -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(suffix)) if folder.is_dir() else []


def _digest(root: Path, pictures: list[Path], tables: list[Path]) -> str:
    """Of names and sizes of pictures, and of all that is written about them."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(f"{picture.relative_to(root)} {picture.stat().st_size}\n".encode())
    for table in tables:
        digest.update(f"{table.relative_to(root)}\n".encode() + table.read_bytes())
    return digest.hexdigest()
