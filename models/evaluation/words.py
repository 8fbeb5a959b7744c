"""Figures in words and table rows, for people. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from models.evaluation.outcomes import OURS, UPSTREAM

GROUPS = {
    "source": "text given by whoever took the picture",
    "teacher": "text read by another recogniser: upstream's own",
    "given": "text given by the data set",
    "augmented": "crops of known text, spoilt",
    "synthetic": "drawn crops",
}

CAVEATS = {
    "source": "Most of these were kept because upstream read them alike, so it starts with a lead; those it "
    "did not confirm were looked at by eye.",
    "teacher": "Upstream wrote these texts itself, and can only lose where a person looked: no verdict on "
    "who reads better.",
    "given": "",
    "augmented": "Made from the crops above, so that part of upstream's lead remains.",
    "synthetic": "Drawn by the renderer that also draws our training data, with other seeds: a lead for us.",
}
"""What each set cannot tell, fit to be printed beside its figures."""

_VERDICTS = {
    "better": "ours reads better",
    "worse": "upstream reads better",
    "not_told_apart": "these pictures do not tell the two apart",
    "no_verdict": "no verdict, as upstream wrote these texts",
}

Figures = Mapping[str, Any]


def table_rows(figures: Figures) -> list[tuple[str, ...]]:
    """One row a figure: what it is, each side's value with its interval, how many."""
    return [
        (title, *(figure_words(part[side].get(name)) for side in (OURS, UPSTREAM) if side in part), count)
        for title, part, name, count in _lines(figures)
    ]


def _lines(figures: Figures) -> Iterator[tuple[str, Figures, str, str]]:
    if detection := figures["detection"]:
        labels = f"n = {detection[OURS]['recall_percent']['n']} plates"
        yield "plates found (recall, IoU 0.5)", detection, "recall_percent", labels
        yield "boxes that are plates (precision)", detection, "precision_percent", ""
        yield "AP50", detection, "ap50_percent", ""
    for group, part in figures["reading"].items():
        count = f"n = {part['crops']} crops of {part['plates']} plates"
        yield f"{group}: read exactly, O=0 I=1", part, "folded_percent", count
        yield f"{group}: read exactly, strictly", part, "exact_percent", ""
        yield f"{group}: character errors", part, "character_error_percent", ""
        yield f"{group}: wrong where sure", part, "wrong_of_sure_percent", ""
    if whole := figures["end_to_end"]:
        if whole[OURS]["folded_percent"]["n"]:
            count = f"n = {whole[OURS]['folded_percent']['n']} plates"
            yield "whole pictures: plates read exactly", whole, "folded_percent", count
        if "wrong_of_reads_percent" in whole[OURS]:
            yield "whole pictures: reads that no plate bears", whole, "wrong_of_reads_percent", ""
        yield "whole pictures: processor time, ms", whole, "cpu_ms_per_picture", f"n = {whole['pictures']}"


def verdicts(figures: Figures) -> list[str]:
    """What may be said of ours against upstream, a sentence a set; "better" only where it holds."""
    said = []
    for group, part in figures["reading"].items():
        if "paired" not in part:
            continue
        said.append(
            f"{group}: {_VERDICTS[part['paired']['verdict']]}: {_difference(part['paired'], 'plate')}"
        )
    if (detection := figures["detection"]) and "paired_recall" in detection:
        said.insert(0, _finding(detection))
    whole = figures["end_to_end"]
    if whole and "paired" in whole and whole["paired"]["n"]:
        verdict = _VERDICTS[whole["paired"]["verdict"]]
        by = "; upstream's own recogniser says what they show" if "teacher" in whole["text_by"] else ""
        said.append(f"whole pictures: {verdict}: {_difference(whole['paired'], 'picture')}{by}")
    if whole and "cpu_ratio_to_upstream" in whole:
        ratio = whole["cpu_ratio_to_upstream"]
        low, high = ratio["interval_95"]
        said.append(f"processor time: {ratio['value']:.2f} of upstream's ({low:.2f} to {high:.2f})")
    return said


def _finding(detection: Figures) -> str:
    pairing, precision = detection["paired_recall"], detection["precision_difference_percent"]
    low, high = precision["interval_95_percent"]
    verdict = _VERDICTS[pairing["verdict"]].replace("reads better", "finds more")
    if low is None:
        return f"finding plates: {verdict}: {_difference(pairing, 'picture')}"
    if (pairing["verdict"] == "better" and high < 0) or (pairing["verdict"] == "worse" and low > 0):
        verdict += ", and more that is no plate"
    return (
        f"finding plates: {verdict}: {_difference(pairing, 'picture')}; precision "
        f"{precision['value']:+.1f} points ({low:+.1f} to {high:+.1f})"
    )


def _difference(pairing: Figures, voter: str) -> str:
    low, high = pairing["difference_percent"]["interval_95_percent"]
    value = pairing["difference_percent"]["value"]
    return (
        f"{value:+.1f} points ({low:+.1f} to {high:+.1f}); only ours is right "
        f"{pairing['only_ours']} times, only upstream {pairing['only_upstream']}, "
        f"p = {pairing['mcnemar_p']:.2g} by {voter}"
    )


def figure_words(figure: Figures | float | None) -> str:
    """A figure with its interval: "85.9 (83.3 to 88.1)"; a dash where nothing was measured."""
    if figure is None or isinstance(figure, float | int):
        return "-" if figure is None else f"{figure:.1f}"
    if figure["value"] is None:
        return "-"
    low, high = figure["interval_95_percent"]
    interval = "" if low is None else f" ({low:.1f} to {high:.1f})"
    return f"{figure['value']:.1f}{interval}"
