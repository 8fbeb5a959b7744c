"""The report as one HTML file that needs no other: figures, plots, and the failures to look at. Pure.

Whatever comes from a data set (names, texts) is escaped; a Content-Security-Policy forbids the page to load
or run anything. Its pictures are bounded in size and number by whoever keeps them.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from models.evaluation import svg
from models.evaluation.outcomes import OURS, UPSTREAM, CropOutcome, Outcomes
from models.evaluation.report_style import STYLE
from models.evaluation.text import fold
from models.evaluation.words import CAVEATS, GROUPS, table_rows, verdicts

_MOST_SHOWN = 60
"""Failures shown of each group."""

_MOST_SLICES = 14
_PERCENT = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)

Figures = Mapping[str, Any]


def report_html(outcomes: Outcomes, figures: Figures) -> str:
    """The whole page, UTF-8."""
    parts = [
        _head(outcomes),
        _section("What was found", _summary(figures)),
        _section("Finding plates", _detection(figures)) if figures["detection"] else "",
        *(
            _section(f"Reading: {group}", _reading(group, part, outcomes))
            for group, part in figures["reading"].items()
        ),
        _section("Left out", _left_out(outcomes)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>How well plates are read</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(outcomes: Outcomes) -> str:
    rows = "".join(
        f'<li><span class="key s{i}"></span><span><b>{side}</b>: {escape(facts.name)}, from '
        f"{escape(facts.weights_from)}; boxes from {facts.confidence:g} on; the detector sees "
        f"{facts.input_px[1]} x {facts.input_px[0]} pixels</span></li>"
        for i, (side, facts) in enumerate(outcomes.sides.items())
    )
    absent = f'<p class="note">{escape(outcomes.absence)}</p>' if outcomes.absence else ""
    sample = (
        ""
        if outcomes.every == 1
        else f'<p class="note">A quick look at every {outcomes.every}th picture: the intervals are wide.</p>'
    )
    return (
        f"<header><h1>How well plates are read</h1><p>Measured on {escape(outcomes.place)}: "
        f"{len(outcomes.scenes)} pictures and {len(outcomes.crops)} crops, in {outcomes.wall_s:.0f} s. "
        f"In brackets: 95 % intervals.</p><ul class=keys>{rows}</ul>{absent}{sample}</header>"
    )


def _summary(figures: Figures) -> str:
    sides = [side for side in (OURS, UPSTREAM) if side in figures["sides"]]
    head = "".join(f"<th scope=col>{title}</th>" for title in ("figure", *(f"{s}, %" for s in sides)))
    rows = "".join(
        f"<tr><th scope=row>{escape(row[0])} <small>{escape(row[-1])}</small></th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:-1])
        + "</tr>"
        for row in table_rows(figures)
    )
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in verdicts(figures))
    return _table(head, rows) + (f"<h3>Side by side</h3><ul>{said}</ul>" if said else "")


def _detection(figures: Figures) -> str:
    detection = figures["detection"]
    sides = [side for side in (OURS, UPSTREAM) if side in detection]
    over = [
        series
        for i, side in enumerate(sides)
        for series in (
            svg.Series(
                f"{side}: recall", i, _points(detection[side]["curve"], "confidence", "recall_percent")
            ),
            svg.Series(
                f"{side}: precision",
                i,
                _points(detection[side]["curve"], "confidence", "precision_percent"),
                dashed=True,
            ),
        )
    ]
    against = {
        side: _points(detection[side]["curve"], "recall_percent", "precision_percent") for side in sides
    }
    widths = [
        (
            _bin_name(row),
            [
                span
                for i, side in enumerate(sides)
                if (span := _span(i, detection[side]["recall_by_width"][k]["recall_percent"]))
            ],
        )
        for k, row in enumerate(detection[OURS]["recall_by_width"])
    ]
    percent = svg.Axis("percent", 0, 100, _PERCENT)
    best = max((min(point) for points in against.values() for point in points), default=0.0)
    ticks = _PERCENT[2:] if best >= 60 else _PERCENT  # what is good is told apart in a corner
    return "".join(
        (
            _plot(
                "Recall (line) and precision (dashes) over confidence",
                svg.lines(
                    "Recall and precision over the detector's confidence",
                    svg.Axis("confidence", 0, 1, (0, 0.2, 0.4, 0.6, 0.8, 1)),
                    percent,
                    series=over,
                ),
            ),
            _plot(
                "Precision against recall",
                svg.lines(
                    "Precision against recall",
                    svg.Axis("recall, percent", ticks[0], 100, ticks),
                    svg.Axis("precision, percent", ticks[0], 100, ticks),
                    series=[
                        svg.Series(side, i, [point for point in against[side] if min(point) >= ticks[0]])
                        for i, side in enumerate(sides)
                    ],
                ),
            ),
            _plot(
                "Recall by the plate's width at each network's own input",
                svg.spans("Recall by plate width", [row for row in widths if row[1]], low=0, names=sides),
            ),
            _slices("Recall by source", detection["by_source"], sides, "recall_percent"),
        )
    )


def _reading(group: str, part: Figures, outcomes: Outcomes) -> str:
    sides = [side for side in (OURS, UPSTREAM) if side in part]
    shown = [crop for crop in outcomes.crops if crop.group == group]
    held = [
        svg.Series(
            side,
            i,
            [(100 * b["confidence"], b["right_percent"]) for b in part[side]["reliability"] if b["n"] >= 5],
        )
        for i, side in enumerate(sides)
    ]
    axis = svg.Axis("right, percent", 0, 100, _PERCENT)
    errors = ", ".join(f"{side} {part[side]['expected_calibration_error_percent']:.1f} %" for side in sides)
    intro = f"<p>{part['crops']} crops of {part['plates']} plates: {GROUPS[group]}. {CAVEATS[group]}</p>"
    return intro + "".join(
        (
            _slices("Read exactly, by kind", part["by_kind"], sides, "folded_percent"),
            _slices("Read exactly, by source", part["by_source"], sides, "folded_percent"),
            _slices("Read exactly, by country", part["by_region"], sides, "folded_percent"),
            _plot(
                f"Are sure reads right? Calibration error: {errors}",
                svg.lines(
                    "Share of right reads over confidence",
                    svg.Axis("confidence, percent", 0, 100, _PERCENT),
                    axis,
                    series=held,
                    diagonal=True,
                ),
            ),
            _failures(group, shown, sides),
        )
    )


def _slices(title: str, parts: Figures, sides: Sequence[str], name: str) -> str:
    rows = [
        (
            f"{key} ({part['crops'] if 'crops' in part else part['pictures']})",
            [span for i, side in enumerate(sides) if (span := _span(i, part[side][name]))],
        )
        for key, part in list(parts.items())[:_MOST_SLICES]
    ]
    rows = [row for row in rows if row[1]]
    if len(rows) < 2:
        return ""
    lowest = min(span.low for _, values in rows for span in values)
    return _plot(title, svg.spans(title, rows, low=min(90.0, lowest // 10 * 10), names=sides))


def _failures(group: str, crops: Sequence[CropOutcome], sides: Sequence[str]) -> str:
    """Crops that a side has wrong and that have a picture: those that only one side has wrong first."""
    failed = [crop for crop in crops if crop.jpeg and not all(_right(crop, side) for side in sides)]
    failed.sort(key=lambda crop: sum(not _right(crop, side) for side in sides))
    total = sum(not all(_right(crop, side) for side in sides) for crop in crops)
    if not failed:
        return "<p>Every crop was read exactly.</p>"
    cards = "".join(_card(crop, sides) for crop in failed[:_MOST_SHOWN])
    return (
        f"<details><summary>Failures: {min(len(failed), _MOST_SHOWN)} of {total} shown</summary>"
        f'<ul class="sheet" aria-label="Failures, {escape(group)}">{cards}</ul></details>'
    )


def _card(crop: CropOutcome, sides: Sequence[str]) -> str:
    reads = "".join(
        f'<dt><span class="key s{i}"></span>{side}</dt><dd class="{_verdict(crop, side)}">'
        f"{escape(crop.reads[side].text) or 'nothing'} <small>{crop.reads[side].confidence:.0%}, "
        f"{_verdict(crop, side)}</small></dd>"
        for i, side in enumerate(sides)
    )
    data = base64.b64encode(crop.jpeg or b"").decode("ascii")
    return (
        f'<li><img src="data:image/jpeg;base64,{data}" alt="A crop that shows {escape(crop.truth)}">'
        f"<dl><dt>truth</dt><dd>{escape(crop.truth)}</dd>{reads}</dl><small>{escape(crop.kind)} "
        f"{escape(crop.key)}</small></li>"
    )


def _left_out(outcomes: Outcomes) -> str:
    parts = []
    if outcomes.unreadable:
        parts.append(
            f"<p>{outcomes.unreadable} crops that a person could not read either, or not in A-Z and 0-9.</p>"
        )
    if outcomes.excluded_total:
        rows = "".join(f"<li>{escape(problem)}</li>" for problem in outcomes.excluded[:_MOST_SHOWN])
        parts.append(f"<p>{outcomes.excluded_total} lines or files with mistakes:</p><ul>{rows}</ul>")
    return "".join(parts) or "<p>Nothing.</p>"


def _right(crop: CropOutcome, side: str) -> bool:
    return fold(crop.reads[side].text) == fold(crop.truth)


def _verdict(crop: CropOutcome, side: str) -> str:
    return "right" if _right(crop, side) else "wrong"


def _points(rows: Sequence[Figures], x: str, y: str) -> list[svg.Point]:
    return [(row[x], row[y]) for row in rows if row[x] is not None and row[y] is not None]


def _span(style: int, figure: Figures) -> svg.Span | None:
    if figure["value"] is None:
        return None
    low, high = figure["interval_95_percent"]
    return svg.Span(style, figure["value"], low, high)


def _bin_name(row: Figures) -> str:
    low, high = row["from_px"], row["below_px"]
    return f"{low:g} px and more" if high is None else f"{low:g} to {high:g} px"


def _plot(title: str, drawn: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawn}</figure>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _table(head: str, rows: str) -> str:
    return (
        '<div class="scroll" role="region" aria-label="All figures" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
