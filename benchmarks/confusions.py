"""`confusions`: whether the table of known confusions names what the recognisers mistake for each other.

The same fit as `platebridge models false-opens`: counted on training crops, plain and spoilt, by the bundled
and the upstream recogniser together; held against the validation crops.
"""

import sys

from benchmarks.prerequisites import SHARED, UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER, need_files
from pod.config import VisionConfig
from pod.services.false_opens.confusion_fit import count_confusions, fitted_pairs, shipped_pairs
from pod.services.false_opens.corrections import corrected
from pod.services.false_opens.crops import load_crops, read_crops
from pod.services.false_opens.measure import Effort, some_training
from pod.services.false_opens.shipped import check_confusions
from pod.vision.pipeline import open_models


def measure() -> dict[str, float]:
    """What shipped and fitted pairs explain of the validation misreads; `holds`: 1 where the table does."""
    need_files(SHARED / "plates" / "ocr" / "val.csv", UPSTREAM_RECOGNIZER)
    upstream = VisionConfig(
        provider="cpu", detector=str(UPSTREAM_DETECTOR), recognizer=str(UPSTREAM_RECOGNIZER)
    )
    ours, theirs = (open_models(v).recognizer for v in (VisionConfig(provider="cpu"), upstream))
    crops = corrected(load_crops(SHARED / "plates"))
    train = some_training(crops, Effort().crops)
    reads = [read_crops(ours, train), read_crops(ours, train, spoilt=True), read_crops(theirs, train)]
    validation = count_confusions(read_crops(ours, [crop for crop in crops if crop.held_out]))
    fitted, counted = fitted_pairs(reads, len(shipped_pairs())), count_confusions(*reads)
    finding = check_confusions(counted, validation, fitted=fitted)
    print(f"fitted: {' '.join(fitted)}\n{finding.shipped}\n{finding.fitted}", file=sys.stderr)
    return {
        "pairs": len(shipped_pairs()),
        "validation_misreads": validation.misreads.total(),
        "explained_percent": validation.explained_percent(shipped_pairs()),
        "fitted_explained_percent": validation.explained_percent(fitted),
        "holds": float(finding.holds),
    }
