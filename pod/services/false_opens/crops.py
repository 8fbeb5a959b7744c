"""The crops whose text is known, and what a recogniser reads in them."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pod.domain.errors import MeasurementError
from pod.domain.folding import CLASSES, FOLD, PAD_CLASS
from pod.domain.plates import match_key
from pod.domain.reads import SLOTS
from pod.vision.recognizer import Recognizer

_TABLES = ("labels.csv", "pseudo_labels.csv")
_COLUMNS = {"image_path", "plate_text", "split", "source"}
_AT_ONCE = 8
_LONGEST_NAME_TOLD = 80

PIXELS_WHEN_SPOILT = 44
"""Width to which a spoilt crop is scaled down: about what a plate at the far end of a driveway has."""

Progress = Callable[[int], None]
"""Told how many steps were done since the last call."""


@dataclass(frozen=True, slots=True)
class LabelledCrop:
    """One crop and its truth.

    Attributes:
        key: the plate's match key.
        held_out: whether it is of the validation set (`val.csv`), which no training saw.
    """

    file: Path
    key: str
    source: str
    held_out: bool


@dataclass(frozen=True, slots=True)
class Reads:
    """Crops with what was read in them.

    Attributes:
        slots: shape (len(crops), SLOTS, len(ALPHABET)), float32, probabilities.
    """

    crops: tuple[LabelledCrop, ...]
    slots: npt.NDArray[np.float32]

    def where(self, wanted: Callable[[LabelledCrop], bool]) -> "Reads":
        """Only some of the crops."""
        chosen = [i for i, crop in enumerate(self.crops) if wanted(crop)]
        return Reads(tuple(self.crops[i] for i in chosen), self.slots[chosen])


def load_crops(folder: Path) -> list[LabelledCrop]:
    """Every crop of a set of plates whose text is known; the truth first corrected where people looked again.

    Args:
        folder: the plate set (`ocr/` is looked into) or its `ocr` folder.

    Raises:
        MeasurementError: a table is missing or of another form, or no crop is of the validation set.
    """
    folder = folder / "ocr" if (folder / "ocr").is_dir() else folder
    held_out = {row["image_path"] for row in _rows(folder / "val.csv", {"image_path", "plate_text"})}
    crops: list[LabelledCrop] = []
    for table in _TABLES:
        for row in _rows(folder / table, _COLUMNS):
            path, key = row["image_path"], match_key(row["plate_text"])
            if key and (path in held_out or row["split"] == "train"):
                crops.append(LabelledCrop(folder / path, key, row["source"], path in held_out))
    if not any(crop.held_out for crop in crops):
        raise MeasurementError(
            f"{folder / 'val.csv'}: names no crop that {' or '.join(_TABLES)} describe: false opens are "
            "counted on validation crops; take the whole plate set"
        )
    return crops


def read_crops(
    recognizer: Recognizer,
    crops: Sequence[LabelledCrop],
    *,
    spoilt: bool = False,
    progress: Progress = lambda done: None,
) -> Reads:
    """Read crops as they are, or spoilt.

    Args:
        spoilt: scaled down to `PIXELS_WHEN_SPOILT` first and blurred a little, so that a reader errs on crops
            it was trained on as it does on others.

    Raises:
        MeasurementError: pictures are missing or broken; all are counted, the first few named.
    """
    bad: list[Path] = []
    answers: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(crops), _AT_ONCE):
        pictures = []
        some = crops[start : start + _AT_ONCE]
        for crop in some:
            picture = _picture(crop.file)
            if picture is None:
                bad.append(crop.file)
            else:
                pictures.append(_spoilt(picture) if spoilt else picture)
        if not bad:
            answers.append(recognizer.read(pictures))
        progress(len(some))
    if bad:
        named = ", ".join(file.name[:_LONGEST_NAME_TOLD] for file in bad[:3])
        named += ", ..." if len(bad) > 3 else ""
        raise MeasurementError(
            f"{bad[0].parent}: {len(bad)} of {len(crops)} crops are missing or no pictures: {named}: "
            "copy the plate set again"
        )
    return Reads(tuple(crops), np.concatenate(answers) if answers else np.empty((0, SLOTS, 37), np.float32))


def read_key(slots: npt.NDArray[np.floating]) -> str:
    """The match key that one read spells, (SLOTS, len(ALPHABET))."""
    return "".join(CLASSES[c] for c in (slots @ FOLD).argmax(axis=1) if c != PAD_CLASS)


def _picture(file: Path) -> npt.NDArray[np.uint8] | None:
    """A picture, (H, W, 3), RGB; None where there is none, or the system refuses such a path."""
    try:
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB) if file.is_file() else None
    except (OSError, ValueError):
        return None
    return None if picture is None else np.asarray(picture, np.uint8)


def _spoilt(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if width > PIXELS_WHEN_SPOILT:
        size = PIXELS_WHEN_SPOILT, max(8, round(height * PIXELS_WHEN_SPOILT / width))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6), np.uint8)


def _rows(table: Path, columns: set[str]) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            missing = columns - set(reader.fieldnames or ())
            if missing:
                raise MeasurementError(
                    f"{table}: has no column {', '.join(sorted(missing))}: take the plate set's own tables"
                )
            return list(reader)
    except FileNotFoundError:
        raise MeasurementError(
            f"{table}: is missing: give --data the folder of the plate set, which holds ocr/val.csv"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MeasurementError(
            f"{table}: cannot be read as CSV ({error}): copy the plate set again"
        ) from error
