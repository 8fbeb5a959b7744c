"""What people saw on validation crops whose labels could not settle who reads better. Reads `relabelled.csv`.

Looked at, before any read of them was known: every crop whose text its source gave and the teacher network
did not confirm, and every crop that upstream and the first bundled recogniser read differently.
"""

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from models.evaluation.data_set import CropTruth

_TABLE = Path(__file__).with_name("relabelled.csv")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one crop shows.

    Attributes:
        label_text: the text that it was labelled with.
        text: what is to be seen; "" where nobody could be sure, or it has no place in ten of A-Z and 0-9.
    """

    label_by: str
    label_text: str
    text: str
    note: str


@cache
def relabelled() -> dict[str, Seen]:
    """Every crop that was looked at, by its path in the validation set."""
    with _TABLE.open(newline="", encoding="utf-8") as lines:
        return {
            row["image_path"]: Seen(row["label_by"], row["label_text"], row["seen_text"], row["note"])
            for row in csv.DictReader(lines)
        }


def with_truth(crop: CropTruth) -> CropTruth | None:
    """The crop with the text that was seen on it; None where it cannot be read. As it is where nobody looked.

    The label must be the one that was looked at: another data set may have files of the same names.
    """
    seen = relabelled().get(crop.key)
    if seen is None or seen.label_text != crop.text or seen.label_by != crop.label_by:
        return crop
    return replace(crop, text=seen.text, seen=True) if seen.text else None
