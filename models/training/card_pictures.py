"""The pictures of the cards: how training went, what is found by width, what confidence is worth. Pure."""

from typing import Any

from models.training.plots import Point, Series, chart
from models.training.results import TASKS, Results

_CURVES = {
    "detector": (
        ("map50_percent", "mAP at IoU 0.5"),
        ("recall_percent", "recall"),
        ("precision_percent", "precision"),
    ),
    "reader": (("val_percent", "validation crops"), ("held_out_percent", "crops kept from training")),
}
_FEW_EPOCHS = 30
"""So many at most are marked one by one."""
_SIDES = ("ours", "upstream")


def pictures(results: Results) -> dict[str, str]:
    """SVG by file name."""
    drawn = {"recall-by-width.svg": _widths(results), "reliability.svg": _reliability(results)}
    for task in TASKS:
        if curve := results.weights[task].get("curve"):
            drawn[f"training-{task}.svg"] = _training(task, curve)
    return drawn


def _training(task: str, curve: list[dict[str, Any]]) -> str:
    series = [
        Series(
            words,
            [Point(line["epoch"], line[name]) for line in curve if line.get(name) is not None],
            dots=len(curve) < _FEW_EPOCHS,
        )
        for name, words in _CURVES[task]
    ]
    return chart(
        [one for one in series if one.points],
        title=f"Training of the {task}: measured after every epoch",
        x_words="epoch",
        y_words="percent",
        y_range=(0, 100),
    )


def _widths(results: Results) -> str:
    detection = results.evaluation["detection"]
    sides = [side for side in _SIDES if side in detection]
    bins = detection[sides[0]]["recall_by_width"]
    names = [_width(one["from_px"], one["below_px"]) for one in bins]
    series = []
    for side in sides:
        figures = [one["recall_percent"] for one in detection[side]["recall_by_width"]]
        points = [_point(x, figure) for x, figure in enumerate(figures) if figure["value"] is not None]
        series.append(Series(side, points, joined=False))
    return chart(
        series,
        title="Plates found by their width",
        x_words="width at each network's own input, pixels",
        y_words="percent found, with 95 % interval",
        y_range=(0, 100),
        x_names=names,
    )


def _reliability(results: Results) -> str:
    reading = results.evaluation["reading"]
    group = "source" if "source" in reading else next(iter(reading))
    sides = [side for side in _SIDES if side in reading[group]]
    series = [
        Series(
            f"{side}, error {reading[group][side]['expected_calibration_error_percent']:.1f} %",
            [
                Point(100 * one["confidence"], one["right_percent"])
                for one in reading[group][side]["reliability"]
            ],
            dots=True,
        )
        for side in sides
    ]
    return chart(
        series,
        title=f"Can the confidence be believed? {reading[group]['crops']} crops, truth from: {group}",
        x_words="confidence of the least sure character, percent",
        y_words="percent read exactly",
        y_range=(0, 100),
        x_range=(0, 100),
        diagonal=True,
    )


def _width(low: float, below: float | None) -> str:
    if below is None:
        return f"{low:g} on"
    return f"under {below:g}" if low == 0 else f"{low:g}-{below:g}"


def _point(x: float, figure: dict[str, Any]) -> Point:
    low, high = figure["interval_95_percent"]
    return Point(x, figure["value"], low, high)
