"""`confusions`: which characters the recognisers mistake for each other on the validation crops.

Counted is the probability that a slot gives to a wrong character, over crops that are read right but for one
character at most, by the bundled and the upstream recogniser together. `domain.confusions` names every pair
that gets the weight of nearly a whole character. Most texts were read by the upstream recogniser itself,
which therefore errs less here than elsewhere.
"""

import csv
import sys
from collections import Counter, defaultdict

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.prerequisites import SHARED, UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER, need_files
from pod.config import VisionConfig
from pod.domain.confusions import CONFUSED_WITH
from pod.domain.folding import CLASSES, FOLD, PAD_CLASS
from pod.domain.plates import match_key
from pod.vision.pipeline import open_models

_CROPS = SHARED / "plates" / "ocr"
_ENOUGH = 0.9
_SEEN = 0.02
"""Less in one slot is the background every character gets."""


def measure() -> dict[str, float]:
    """Pairs of enough weight that the table does not name, and the share of single misreads it explains."""
    need_files(_CROPS / "val.csv", UPSTREAM_RECOGNIZER)
    upstream = VisionConfig(
        provider="cpu", detector=str(UPSTREAM_DETECTOR), recognizer=str(UPSTREAM_RECOGNIZER)
    )
    weights: defaultdict[str, float] = defaultdict(float)
    misreads: Counter[str] = Counter()
    for vision in (VisionConfig(provider="cpu"), upstream):
        recognizer = open_models(vision).recognizer
        with (_CROPS / "val.csv").open(newline="") as lines:
            for row in csv.DictReader(lines):
                picture = cv2.imread(str(_CROPS / row["image_path"]), cv2.IMREAD_COLOR_RGB)
                slots = recognizer.read([np.asarray(picture, np.uint8)])[0] @ FOLD
                _count(slots, match_key(row["plate_text"]), weights, misreads)
    by_weight = sorted(weights.items(), key=lambda item: -item[1])
    heaviest = ", ".join(f"{pair} {weight:.1f}" for pair, weight in by_weight[:40])
    print(f"weight by pair: {heaviest}", file=sys.stderr)
    enough = [pair for pair, weight in weights.items() if weight >= _ENOUGH]
    known = sum(count for pair, count in misreads.items() if _is_named(pair))
    return {
        "pairs": len(enough),
        "unnamed_pairs": sum(not _is_named(pair) for pair in enough),
        "single_misreads": misreads.total(),
        "explained_percent": 100 * known / max(1, misreads.total()),
    }


def _count(
    slots: npt.NDArray[np.floating], truth: str, weights: dict[str, float], misreads: Counter[str]
) -> None:
    """Adds one crop.

    Args:
        slots: shape (SLOTS, len(CLASSES)), probabilities.
    """
    chosen = [CLASSES[i] for i in slots.argmax(axis=1) if i != PAD_CLASS]
    wrong = [(a, b) for a, b in zip(truth, chosen, strict=False) if a != b]
    if len(chosen) != len(truth) or len(wrong) > 1:
        return
    misreads.update("".join(sorted(pair)) for pair in wrong)
    for row, right in zip(slots, truth, strict=False):
        for i in np.flatnonzero(row > _SEEN):
            if CLASSES[i] != right and i != PAD_CLASS:
                weights["".join(sorted(right + CLASSES[i]))] += float(row[i])


def _is_named(pair: str) -> bool:
    return pair[1] in CONFUSED_WITH[pair[0]]
