"""Labels that people corrected by eye: a car whose plate has two labels would be a stranger to itself."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources

from models.evaluation.relabelled import relabelled
from pod.domain.plates import match_key
from pod.services.false_opens.crops import LabelledCrop

CropLabel = tuple[str, str]
"""A crop's path inside the set, and the match key of its label: other sets may have files of that name."""


def corrections() -> dict[CropLabel, str]:
    """The match key of what is to be seen on a crop.

    What people saw who knew no reading (`models.evaluation.relabelled`), where they were sure; and plates
    with two labels, found by looking at every stranger that was let in (`one_plate_two_labels.csv`).
    """
    seen = {
        (path, match_key(one.label_text)): match_key(one.text)
        for path, one in relabelled().items()
        if one.text
    }
    table = resources.files("models.evaluation").joinpath("one_plate_two_labels.csv")
    for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
        seen[row["image_path"], match_key(row["label_text"])] = match_key(row["seen_text"])
    return seen


def corrected(crops: Sequence[LabelledCrop]) -> list[LabelledCrop]:
    """The crops with their labels corrected; as many, in the same order."""
    known = corrections()
    return [
        replace(crop, key=known.get((f"{crop.file.parent.name}/{crop.file.name}", crop.key), crop.key))
        for crop in crops
    ]
