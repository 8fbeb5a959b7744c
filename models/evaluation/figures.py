"""From what came of each picture to figures with intervals, as JSON has them. Pure.

A figure is {"value": ..., "interval_95_percent": [low, high], "n": ...}, the form of the manifests. Crops
of one plate, and plates of one picture, are drawn together (`intervals`).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

import numpy as np

from models.evaluation.boxes import (
    PictureBoxes,
    confidence_curve,
    detection_metrics,
    recall_by_width,
    width_at_input_px,
)
from models.evaluation.intervals import (
    Interval,
    bootstrap,
    bootstrap_difference,
    share_interval,
    wilson,
)
from models.evaluation.outcomes import OURS, UPSTREAM, CropOutcome, Group, Outcomes, SceneOutcome, SideFacts
from models.evaluation.pairing import Pairing, paired
from models.evaluation.reliability import reliability
from models.evaluation.text import edits, fold, text_metrics

Figures = dict[str, object]

_T = TypeVar("_T")

SURE = 0.85
"""The default of access.min_confidence: reads from here on may open a gate."""

WIDTHS_PX = (0.0, 12.0, 15.0, 18.0, 22.0, 28.0, 40.0, 60.0, math.inf)
"""Edges of the widths at the network's input that recall is told by."""

_CURVE_POINTS = 60
_LEAST_PAIRED = 100
_LEAST_SLICE = 5
"""A source or country of fewer crops is told together with the other small ones."""


def all_figures(outcomes: Outcomes) -> Figures:
    """Every figure of a run."""
    groups = {
        group: crops
        for group in get_args(Group)
        if (crops := [c for c in outcomes.crops if c.group == group])
    }
    labelled = [scene for scene in outcomes.scenes if scene.found]
    sides: dict[str, object] = {
        side: {
            "name": facts.name,
            "weights_from": facts.weights_from,
            "confidence": facts.confidence,
            "input_px": list(facts.input_px),
        }
        for side, facts in outcomes.sides.items()
    }
    return {
        "data_set": {
            "place": outcomes.place,
            "layout": outcomes.layout,
            "pictures": len(outcomes.scenes),
            "crops": {group: len(crops) for group, crops in groups.items()},
            "sample": "all" if outcomes.every == 1 else f"every {outcomes.every}th",
            "excluded": list(outcomes.excluded),
            "excluded_n": outcomes.excluded_total,
            "unreadable_by_eye_n": outcomes.unreadable,
        },
        "sides": sides,
        "upstream_absence": outcomes.absence or None,
        "detection": _detection(labelled, outcomes.sides) if labelled else None,
        "reading": {group: _reading(crops, list(outcomes.sides)) for group, crops in groups.items()},
        "end_to_end": _end_to_end(outcomes.scenes, list(outcomes.sides)),
        "wall_s": round(outcomes.wall_s, 1),
    }


def _detection(scenes: Sequence[SceneOutcome], sides: dict[str, SideFacts]) -> Figures:
    found: Figures = {"pictures": len(scenes)}
    pictures = range(len(scenes))
    matched = {}
    plates_of_boxes: dict[str, tuple[list[float], list[float]]] = {}
    for side, facts in sides.items():
        boxes = [scene.found[side] for scene in scenes]
        metrics = detection_metrics(boxes, confidence=facts.confidence)
        matched[side] = metrics.matched
        right = [float(hit.sum()) for hit in metrics.matched]
        labels = [float(len(picture.truth)) for picture in boxes]
        sure = [float((picture.scores >= facts.confidence).sum()) for picture in boxes]
        plates_of_boxes[side] = (right, sure)
        widths = [
            width_at_input_px(picture.truth, picture_size_px=scene.size_px, input_size_px=facts.input_px)
            for scene, picture in zip(scenes, boxes, strict=True)
        ]
        bins = recall_by_width(metrics.matched, widths, edges_px=WIDTHS_PX)
        found[side] = {
            "confidence": facts.confidence,
            "recall_percent": _figure(
                metrics.recall_percent, share_interval(right, pictures, of=labels), metrics.labels
            ),
            "precision_percent": _figure(
                metrics.precision_percent, share_interval(right, pictures, of=sure), metrics.found
            ),
            "ap50_percent": _number(metrics.ap50_percent),
            "recall_by_width": [
                {
                    "from_px": low,
                    "below_px": None if math.isinf(high) else high,
                    "recall_percent": _figure(100 * hit / n if n else math.nan, wilson(hit, n), n),
                }
                for low, high, (hit, n) in zip(WIDTHS_PX, WIDTHS_PX[1:], bins, strict=False)
            ],
            "curve": _curve(boxes),
        }
    if UPSTREAM in sides:
        ours, theirs = (
            [bool(hit) for picture in matched[side] for hit in picture] for side in (OURS, UPSTREAM)
        )
        clusters = [i for i, picture in enumerate(matched[OURS]) for _ in picture]
        found["paired_recall"] = _pairing(paired(ours, theirs, clusters))
        # Each side has a bound of its own, and a low one buys recall with boxes that are no plates.
        low, high = bootstrap_difference(plates_of_boxes[OURS], plates_of_boxes[UPSTREAM], pictures)
        shares = [sum(right) / max(1.0, sum(sure)) for right, sure in plates_of_boxes.values()]
        found["precision_difference_percent"] = _figure(
            100 * (shares[0] - shares[1]), (low, high), len(scenes)
        )
    found["by_source"] = _slices(scenes, lambda scene: scene.source, lambda part: _recall_of(part, sides))
    return found


def _recall_of(scenes: Sequence[SceneOutcome], sides: dict[str, SideFacts]) -> Figures:
    part: Figures = {"pictures": len(scenes)}
    for side, facts in sides.items():
        metrics = detection_metrics([scene.found[side] for scene in scenes], confidence=facts.confidence)
        part[side] = {
            "recall_percent": _figure(
                metrics.recall_percent, wilson(metrics.right, metrics.labels), metrics.labels
            ),
            "precision_percent": _figure(
                metrics.precision_percent, wilson(metrics.right, metrics.found), metrics.found
            ),
        }
    return part


def _curve(boxes: Sequence[PictureBoxes]) -> list[dict[str, float | None]]:
    confidence, recall, precision = confidence_curve(boxes)
    if not len(confidence):
        return []
    chosen = np.unique(np.linspace(0, len(confidence) - 1, _CURVE_POINTS).astype(int))
    return [
        {
            "confidence": round(float(confidence[i]), 4),
            "recall_percent": _number(100 * recall[i]),
            "precision_percent": _number(100 * precision[i]),
        }
        for i in chosen
    ]


def _reading(crops: Sequence[CropOutcome], sides: Sequence[str]) -> Figures:
    clusters = [fold(crop.truth) for crop in crops]
    found: Figures = {"crops": len(crops), "plates": len(set(clusters))}
    for side in sides:
        reads = [crop.reads[side] for crop in crops]
        metrics = text_metrics([read.text for read in reads], [crop.truth for crop in crops])
        exact = [float(read.text == crop.truth) for read, crop in zip(reads, crops, strict=True)]
        folded = _right(crops, side)
        sure = [read.confidence >= SURE for read in reads]
        wrong_of_sure = [float(not right) for right, certain in zip(folded, sure, strict=True) if certain]
        sure_clusters = [cluster for cluster, certain in zip(clusters, sure, strict=True) if certain]
        held = reliability([min(1.0, read.confidence) for read in reads], folded)
        errors = [
            float(edits(fold(read.text), fold(crop.truth))) for read, crop in zip(reads, crops, strict=True)
        ]
        found[side] = {
            "exact_percent": _figure(metrics.exact_percent, share_interval(exact, clusters), len(crops)),
            "folded_percent": _figure(
                metrics.folded_percent, share_interval([float(r) for r in folded], clusters), len(crops)
            ),
            "character_error_percent": _figure(
                metrics.character_error_percent,
                bootstrap(errors, clusters, of=[float(len(crop.truth)) for crop in crops]),
                metrics.characters,
            ),
            "sure_percent": _figure(
                100 * sum(sure) / len(sure), share_interval([float(s) for s in sure], clusters), len(crops)
            ),
            "wrong_of_sure_percent": _figure(
                100 * sum(wrong_of_sure) / len(wrong_of_sure) if wrong_of_sure else math.nan,
                share_interval(wrong_of_sure, sure_clusters),
                len(wrong_of_sure),
            ),
            "expected_calibration_error_percent": _number(100 * held.expected_calibration_error),
            "reliability": [
                {
                    "confidence": round(b.confidence, 4),
                    "right_percent": _number(100 * b.right / b.n),
                    "n": b.n,
                }
                for b in held.bins
                if b.n
            ],
        }
    if UPSTREAM in sides:
        pairing = _pairing(paired(_right(crops, OURS), _right(crops, UPSTREAM), clusters))
        # Upstream wrote the teacher's texts itself.
        found["paired"] = pairing | ({"verdict": "no_verdict"} if crops[0].group == "teacher" else {})
    found["by_kind"] = _slices(crops, lambda crop: crop.kind, lambda part: _exact_of(part, sides))
    found["by_source"] = _slices(crops, lambda crop: crop.source, lambda part: _exact_of(part, sides))
    found["by_region"] = _slices(crops, lambda crop: crop.region, lambda part: _exact_of(part, sides))
    return found


def _exact_of(crops: Sequence[CropOutcome], sides: Sequence[str]) -> Figures:
    clusters = [fold(crop.truth) for crop in crops]
    part: Figures = {"crops": len(crops)}
    for side in sides:
        right = [float(r) for r in _right(crops, side)]
        share = 100 * sum(right) / len(right)
        part[side] = {"folded_percent": _figure(share, share_interval(right, clusters), len(crops))}
    # Of a hundred small slices some would tell the two apart by chance alone.
    if UPSTREAM in sides and len(crops) >= _LEAST_PAIRED:
        part["paired"] = _pairing(paired(_right(crops, OURS), _right(crops, UPSTREAM), clusters))
    return part


def _right(crops: Sequence[CropOutcome], side: str) -> list[bool]:
    return [fold(crop.reads[side].text) == fold(crop.truth) for crop in crops]


def _end_to_end(scenes: Sequence[SceneOutcome], sides: Sequence[str]) -> Figures | None:
    """Plates read exactly in whole pictures, detector and all, and the time of the processor it takes."""
    if not scenes:
        return None
    told = [scene for scene in scenes if scene.texts is not None]
    found: Figures = {"pictures": len(scenes), "pictures_with_text": len(told)}
    found["text_by"] = dict(Counter(scene.text_by for scene in told))
    clusters = [i for i, scene in enumerate(told) for _ in scene.texts or ()]
    # The teacher tells of the plates it is sure of alone, so that a read of another one need not be wrong.
    given = [scene for scene in told if scene.text_by == "given"]
    hits: dict[str, list[bool]] = {}
    for side in sides:
        hits[side] = [hit for scene in told for hit in plates_read(scene, side)]
        right = [float(hit) for hit in hits[side]]
        part: Figures = {
            "folded_percent": _figure(
                100 * sum(right) / len(right) if right else math.nan,
                share_interval(right, clusters),
                len(right),
            ),
            "cpu_ms_per_picture": _number(sum(scene.cpu_ms[side] for scene in scenes) / len(scenes)),
        }
        if given:
            wrong = [float(reads_of_no_plate(scene, side)) for scene in given]
            reads = [float(len(scene.whole[side])) for scene in given]
            part["wrong_of_reads_percent"] = _figure(
                100 * sum(wrong) / sum(reads) if sum(reads) else math.nan,
                share_interval(wrong, range(len(given)), of=reads),
                round(sum(reads)),
            )
        found[side] = part
    if UPSTREAM in sides:
        found["paired"] = _pairing(paired(hits[OURS], hits[UPSTREAM], clusters))
        times = {side: [scene.cpu_ms[side] for scene in scenes] for side in (OURS, UPSTREAM)}
        low, high = bootstrap(times[OURS], range(len(scenes)), of=times[UPSTREAM])
        found["cpu_ratio_to_upstream"] = {
            "value": _number(sum(times[OURS]) / max(1e-9, sum(times[UPSTREAM]))),
            "interval_95": [_number(low), _number(high)],
            "n": len(scenes),
        }
    return found


def plates_read(scene: SceneOutcome, side: str) -> list[bool]:
    """For each plate of a picture whether its text was read in it, with O = 0, I = 1. A read serves once."""
    left = Counter(map(fold, scene.whole[side]))
    hits = []
    for text in map(fold, scene.texts or ()):
        hits.append(left[text] > 0)
        left[text] -= 1
    return hits


def reads_of_no_plate(scene: SceneOutcome, side: str) -> int:
    """How many texts were read in a picture that no plate of it bears, with O = 0, I = 1."""
    return len(scene.whole[side]) - sum(plates_read(scene, side))


def _slices(
    items: Sequence[_T], name: Callable[[_T], str], figures: Callable[[Sequence[_T]], Figures]
) -> dict[str, Figures]:
    """Figures by name, the largest first; the smallest slices are told as one, "others"."""
    parts: defaultdict[str, list[_T]] = defaultdict(list)
    for item in items:
        parts[name(item)].append(item)
    if set(parts) <= {""}:
        return {}
    small = [n for n, part in parts.items() if len(part) < _LEAST_SLICE]
    if len(small) == 1:
        small = []
    others = [item for n in small for item in parts[n]]
    sizes = sorted(
        ((n or "not said", part) for n, part in parts.items() if n not in small),
        key=lambda item: (-len(item[1]), item[0]),
    )
    told = {n: figures(part) for n, part in sizes}
    return told | ({"others": figures(others)} if others else {})


def _figure(value: float, interval: Interval, n: int) -> Figures:
    return {
        "value": _number(value),
        "interval_95_percent": [_number(100 * bound) for bound in interval],
        "n": n,
    }


def _pairing(pairing: Pairing) -> Figures:
    return {
        "n": pairing.n,
        "only_ours": pairing.only_ours,
        "only_upstream": pairing.only_theirs,
        "difference_percent": _figure(100 * pairing.difference, pairing.interval_95, pairing.n),
        "mcnemar_p": float(f"{pairing.mcnemar_p:.2g}"),
        "verdict": pairing.verdict,
    }


def _number(value: float) -> float | None:
    """Three decimals; None, as JSON knows no NaN, where nothing was measured."""
    return None if math.isnan(value) else round(float(value), 3)
