"""Labels that people corrected by eye: a car whose plate has two labels would be a stranger to itself."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources

from models.evaluation.relabelled import relabelled
from pod.domain.plates import match_key
from pod.services.false_opens.crops import LabelledCrop


def corrections() -> dict[str, str]:
    """Match key by the crop's file name.

    What people saw who knew no reading (`models.evaluation.relabelled`), where they were sure; and plates with
    two labels, found by looking at every stranger that was let in (`one_plate_two_labels.csv`).
    """
    seen = {path.split("/")[-1]: match_key(one.text) for path, one in relabelled().items() if one.text}
    table = resources.files("models.evaluation").joinpath("one_plate_two_labels.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return seen | {row["file"]: match_key(row["plate_text"]) for row in rows}


def corrected(crops: Sequence[LabelledCrop]) -> list[LabelledCrop]:
    """The crops with their labels corrected; as many, in the same order."""
    known = corrections()
    return [replace(crop, key=known.get(crop.file.name, crop.key)) for crop in crops]
