"""Make the sets that the recogniser learns from: of photographs, and of plates that are drawn.

Made once for what they depend on, as the teacher takes minutes: a stamp beside them says what that was.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from models.render.crops import render_crop
from models.training import crops
from models.training.alphabet import SLOTS, fold, is_held_out, one_hot
from models.training.crop_sources import cut_crops, ocr_crops
from models.training.crops import Crop, Kind
from models.training.teacher import Teacher

_STAMP = "prepared.json"
_HARM = 0.6
"""Training blurs and darkens them once more, each time in another way."""
_WIDEST_PX = 160


def prepare(
    plates: Path,
    target: Path,
    teacher: Path | None,
    *,
    drawn: int = 0,
    limit: int | None = None,
) -> dict[str, int]:
    """Makes the sets train, held_out, val and, if asked for, drawn. Returns how many crops are in each.

    Args:
        plates: the folder that holds detect/ and ocr/.
        teacher: a recogniser's ONNX file; without one the crops of ocr/ alone are taken, with their texts as
            certainties.
        drawn: how many plates to render.
        limit: of crops from each of ocr/ and detect/, for a drill; None: all.
    """
    wanted = {
        "texts": [_digest(plates / "ocr" / table) for table in ("labels.csv", "pseudo_labels.csv")],
        "teacher": teacher and _digest(teacher),
        "drawn": drawn,
        "limit": limit,
    }
    stamp = target / _STAMP
    if stamp.exists() and (done := json.loads(stamp.read_text()))["of"] == wanted:
        return dict(done["crops"])
    cv2.setNumThreads(1)
    target.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    parts: dict[str, Iterable[Crop]] = {}
    parts |= _photographs(plates, Teacher(teacher) if teacher else None, limit)
    if drawn:
        parts["drawn"] = drawn_crops(drawn)
    made = {name: crops.write(target / name, part) for name, part in parts.items()}
    stamp.write_text(json.dumps({"of": wanted, "crops": made}, indent=1))
    return made


def drawn_crops(count: int) -> Iterator[Crop]:
    """Plates that nobody ever drove, of texts that are not held out; the same ones every time."""
    seed = 0
    while count:
        made = render_crop(seed, harm=_HARM)
        seed += 1
        if len(made.text) > SLOTS or is_held_out(made.text):
            continue
        count -= 1
        height, width = made.picture.shape[:2]
        small = min(1.0, _WIDEST_PX / width)
        picture = np.asarray(
            cv2.resize(made.picture, None, fx=small, fy=small, interpolation=cv2.INTER_AREA), np.uint8
        )
        height, width = picture.shape[:2]
        box = (0.07 * width, 0.07 * height, 0.93 * width, 0.93 * height)
        yield Crop(
            picture, box, made.text, one_hot(made.text), "", Kind.DRAWN, made.style, 1.0, labelled=True
        )


def _photographs(plates: Path, teacher: Teacher | None, limit: int | None) -> dict[str, list[Crop]]:
    val = list(islice(ocr_crops(plates / "ocr", "val", None), limit))
    known = frozenset(fold(crop.text) for crop in val)
    found = list(islice(ocr_crops(plates / "ocr", "train", teacher), limit))
    if teacher:
        found += islice(cut_crops(plates / "detect", teacher, known), limit)
    held_out = [crop for crop in found if crop.kind is Kind.CROP and is_held_out(crop.text)]
    train = [crop for crop in found if not (crop.text and is_held_out(crop.text))]
    # A drill's handful may hold none of the held-out texts: it then chooses by what it learns from.
    return {"train": train, "held_out": held_out or train[:8], "val": val}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
