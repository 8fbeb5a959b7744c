"""`accuracy`: what the bundled weights find and read on the validation pictures, beside upstream's.

The same run as `platebridge models eval ../shared/plates`, which says much more.
"""

from typing import Any

from benchmarks.prerequisites import (
    SHARED,
    UPSTREAM_DETECTOR,
    UPSTREAM_RECOGNIZER,
    CannotRunError,
    need_files,
)
from models.evaluation.data_set import find_data_set
from models.evaluation.figures import all_figures
from models.evaluation.outcomes import OURS, UPSTREAM
from pod.config import VisionConfig
from pod.services.model_trial.sides import FastAlprSide, OurSide, Teacher
from pod.services.model_trial.trial import Plan, Trial
from pod.services.model_trial.upstream import Absent, find_upstream

_PLATES = SHARED / "plates"


def measure() -> dict[str, float]:
    """Percentages for the bundled and the upstream weights, and their CPU time's ratio on whole pictures."""
    need_files(_PLATES / "ocr" / "val.csv", UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER)
    weights = find_upstream(_PLATES, asked=UPSTREAM_DETECTOR.parent, store=None)
    if isinstance(weights, Absent):
        raise CannotRunError(weights.reason)
    sides = {OURS: OurSide(VisionConfig()), UPSTREAM: FastAlprSide(weights)}
    trial = Trial(sides, Teacher(weights), plan=Plan(quick=False, strict=True), progress=lambda *_: None)
    figures: dict[str, Any] = all_figures(trial.run(find_data_set(_PLATES), _PLATES, absence=""))
    detection, reading, whole = figures["detection"], figures["reading"], figures["end_to_end"]
    measured = {"bundled_whole_to_upstream_cpu": whole["cpu_ratio_to_upstream"]["value"]}
    for name, side in (("bundled", OURS), ("upstream", UPSTREAM)):
        measured |= {
            f"{name}_recall_percent": detection[side]["recall_percent"]["value"],
            f"{name}_precision_percent": detection[side]["precision_percent"]["value"],
            f"{name}_whole_folded_percent": whole[side]["folded_percent"]["value"],
        }
        for group, part in reading.items():
            measured[f"{name}_{group}_exact_percent"] = part[side]["exact_percent"]["value"]
            measured[f"{name}_{group}_folded_percent"] = part[side]["folded_percent"]["value"]
    return measured
