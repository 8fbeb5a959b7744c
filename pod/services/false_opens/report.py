"""The measurement as JSON, as the section of a model's card, as curves and as a page. Pure."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape

from models.evaluation.trade_off_svg import Curve, trade_off
from pod.domain.evidence import K_EFF
from pod.domain.policy import Policy
from pod.services.false_opens.measure import FalseOpens, Point
from pod.services.false_opens.modelled import ModelledFigure
from pod.services.false_opens.real import COPIES, ListFigure

GOAL_PER_MILLION, GOAL_LISTED_PERCENT, GOAL_AT = 1.0, 99.0, 1000

_KINDS = {
    "random": "drawn at random",
    "nearest": "those most like the strangers' plates",
    "all": "all others of the set",
    "alone": "for each stranger the one that fits best",
}


def as_json(found: FalseOpens) -> dict[str, object]:
    """Everything, in fields with units, with the shipped bounds and the goal."""
    shipped = Policy()
    return asdict(found) | {
        "shipped": {
            "k_eff": K_EFF,
            "near_ratio": shipped.near_ratio,
            "near_frames": shipped.near_frames,
            "ambiguity_margin": shipped.ambiguity_margin,
            "min_confidence": shipped.lowest_confidence,
        },
        "goal": {
            "listed": GOAL_AT,
            "false_opens_per_million": GOAL_PER_MILLION,
            "listed_opened_percent": GOAL_LISTED_PERCENT,
        },
    }


def as_pictures(found: FalseOpens) -> dict[str, str]:
    """SVG pictures by file name."""
    default = Policy()
    shown = (
        (
            "min_confidence",
            "how sure a reading has to be, 0 to 1 (min_confidence)",
            default.lowest_confidence,
        ),
        (
            "near_ratio",
            "how much likelier than any other a near match has to be (near_ratio)",
            default.near_ratio,
        ),
        ("near_frames", "readings before a near match counts; 100: never", float(default.near_frames)),
        ("k_eff", "readings that all pictures of one car count as, at most (K_EFF)", K_EFF),
    )
    return {
        "false-opens.svg": trade_off(
            [_curve(words, found.curves[name], marked) for name, words, marked in shown],
            title=f"What each setting costs and gives, with {found.recognizer}",
            x_words="listed cars let in, % of those that drive up (modelled)",
            y_words=f"strangers let in, of a million (list of {GOAL_AT:,} plates)",
            goal=(GOAL_LISTED_PERCENT, GOAL_PER_MILLION),
        )
    }


def as_markdown(found: FalseOpens) -> str:
    """The section `## False opens` of a card."""
    return "\n".join([*_counted(found), *_modelled(found), *_constants(found), *_bounds(found)])


def as_report(found: FalseOpens) -> str:
    """A page that needs nothing but itself: the curves, and the section as text."""
    pictures = "\n".join(as_pictures(found).values())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>False opens</title></head>\n'
        '<body style="max-width:60rem;margin:2rem auto;font-family:system-ui,sans-serif">\n'
        f'{pictures}\n<pre style="white-space:pre-wrap">{escape(as_markdown(found))}</pre>\n</body></html>\n'
    )


def _counted(found: FalseOpens) -> Iterator[str]:
    yield "## False opens"
    yield ""
    yield from _wrapped(
        f"How often the gate would open for a car that is not listed: `{found.recognizer}` with",
        "the shipped bounds, by `platebridge models false-opens`. The two figures must not be mixed.",
    )
    yield ""
    yield "### (a) Counted on real reads"
    yield ""
    yield from _wrapped(
        f"Every validation crop is a stranger, shown once and up to {COPIES} times, to lists of",
        f"other real plates. {found.corrections} labels of the set were corrected by eye; strangers let in",
        "as labelled / corrected:",
    )
    yield ""
    yield "| List | Plates | Came | Let in | Share, 95 % interval | Below, 95 % sure |"
    yield "|---|---|---|---|---|---|"
    for raw, right in zip(found.real_as_labelled, found.real, strict=True):
        yield _row(raw, right)
    yield ""
    yield from _wrapped(
        "Only different plates count as independent, so the last column says all that these",
        "reads allow: with none of n let in it is 3 / n. It is a bound, not an estimate.",
    )
    yield ""


def _modelled(found: FalseOpens) -> Iterator[str]:
    modelled = found.modelled
    yield "### (b) Modelled"
    yield ""
    yield "| Plates listed | Strangers one character off | False opens per million | 95 % interval |"
    yield "|---|---|---|---|"
    for figure in modelled.figures:
        share, rate = f"{figure.neighbours_percent:g} %", f"{figure.false_opens_per_million:.2g}"
        yield f"| {figure.listed:,} | {share} | {rate} | {_spread(figure)} |"
    interval = modelled.listed_opened_interval_95_percent
    spread = "" if interval is None else f" ({interval[0]:.1f} to {interval[1]:.1f})"
    yield ""
    yield from _wrapped(
        f"Of listed cars {modelled.listed_opened_percent:.1f} %{spread} are let in.", _judged(found)
    )
    yield ""
    yield "![False opens against listed cars let in](../docs/images/models/false-opens.svg)"
    yield ""
    yield from _assumptions(found)
    yield ""


def _assumptions(found: FalseOpens) -> Iterator[str]:
    scenario, check = found.scenario, found.model_check
    yield "Assumed:"
    yield ""
    yield from _wrapped(
        f"- Plates of the form {scenario.form}, each equally likely.",
        f"{scenario.neighbours_percent:g} % of",
        f"strangers at {GOAL_AT:,} listed plates differ from a listed one in one character of the",
        "same kind,",
        "in proportion on other lists: about what plates out of one series of ten million give.",
    )
    yield from _wrapped(
        f"- {scenario.frames} reads of each car. Two of them are correlated by",
        f"{scenario.correlation:.2f}, as",
        f"measured below: a character looks the same throughout in {100 * found.persistence:.0f}",
        "% of cars,",
        "and new in each read of the others.",
    )
    yield from _wrapped(
        "- Characters of one read depend on each other through how legible it is; errors are",
        "those on the",
        "validation crops, wherever the character stands. These crops are harder than what a",
        "well-placed",
        "camera sees, but leave out most plates that their teacher could not read.",
    )
    yield from _wrapped(
        f"- {found.stray_percent:.1f} % of reads miss a character or have one too many; they help",
        "nobody.",
    )
    yield from _wrapped(
        f"- Single reads, crops / model: right {_pair(check.right)}, sure {_pair(check.sure)},",
        "sure and wrong",
        f"{_pair(check.sure_and_wrong)}, wrong in two places {_pair(check.wrong_in_two_places)}.",
    )
    yield ""
    yield from _wrapped(
        "Rates as small as these are computed, not counted: each approach is followed through",
        "the POD's evidence",
        "and decision, which tells every plate it would open for; how likely a list holds one of",
        "them is",
        "arithmetic (conditional Monte Carlo). Misreads are sought out and weighted (importance",
        "sampling).",
    )


def _constants(found: FalseOpens) -> Iterator[str]:
    yield "### Constants of the decision"
    yield ""
    yield "| Constant | Shipped | Fitted | Holds |"
    yield "|---|---|---|---|"
    for finding in found.findings:
        holds = "yes" if finding.holds else "**no**"
        yield f"| `{finding.name}` | {finding.shipped} | {finding.fitted} | {holds} |"
    yield ""
    yield "| Looks at one plate | Plates | Looks | Correlation | of errors | `K_EFF` (95 %) |"
    yield "|---|---|---|---|---|---|"
    alike = dict(found.alikeness)
    if found.rendered.alikeness is not None:
        alike["rendered approaches"] = found.rendered.alikeness
    for name, fit in alike.items():
        low, high = fit.k_eff_interval_95
        likeness = f"{fit.correlation:.2f} | {fit.correlation_of_errors:.2f}"
        yield f"| {name} | {fit.plates} | {fit.looks} | {likeness} | {fit.k_eff:g} ({low:g} to {high:g}) |"
    rendered, told = found.rendered, found.contradictions
    yield ""
    yield from _wrapped(
        f"Of {rendered.approaches} rendered approaches, read by detector and reader,",
        f"{rendered.approaches - rendered.unseen} were seen; {rendered.listed_opened} of these",
        "would have been",
        f"let in if listed, {rendered.opened_for_another} if some other plate was. Of {told.same}",
        "pairs of looks",
        f"at one plate the evidence held back {told.same_percent:.1f} % as of two cars; of",
        f"{told.different}",
        f"pairs of two plates, both read surely, {told.different_percent:.1f} %.",
    )
    yield ""


def _bounds(found: FalseOpens) -> Iterator[str]:
    yield from _wrapped(
        f"Each bound by itself, at {GOAL_AT:,} plates; the shipped value in bold:",
    )
    yield ""
    yield "| Bound | Value | False opens per million | Listed let in, % |"
    yield "|---|---|---|---|"
    default = Policy()
    shipped = {
        "min_confidence": default.lowest_confidence,
        "near_ratio": default.near_ratio,
        "near_frames": default.near_frames,
        "k_eff": K_EFF,
    }
    for name, points in found.curves.items():
        for point in points:
            value = f"**{point.value:g}**" if point.value == shipped.get(name) else f"{point.value:g}"
            rate, opened = f"{point.false_opens_per_million:.2g}", f"{point.listed_opened_percent:.1f}"
            yield f"| {name} | {value} | {rate} | {opened} |"
    yield ""
    yield from _wrapped(
        "`ambiguity_margin` is not among them: it decides between two listed plates one confusion",
        "apart, which a list refuses to hold unless one of them is exact-only. It is chosen, not fitted.",
    )
    yield ""


def _wrapped(*parts: str) -> Iterator[str]:
    """A paragraph or a point of a list, in lines."""
    indent = "  " if parts[0].startswith("- ") else ""
    yield from textwrap.wrap(" ".join(parts), 116, subsequent_indent=indent, break_long_words=False)


def _curve(words: str, points: Sequence[Point], marked: float) -> Curve:
    values = [p.value for p in points]
    default = values.index(marked) if marked in values else None
    named = {0, len(points) - 1}  # and the default stands out: more words would lie on each other
    return Curve(
        words,
        [
            (p.listed_opened_percent, p.false_opens_per_million, f"{p.value:g}" if i in named else "")
            for i, p in enumerate(points)
        ],
        default,
    )


def _row(raw: ListFigure, right: ListFigure) -> str:
    interval = right.interval_95_percent
    share = f"{right.percent:.4f} %"
    if interval is not None:
        share += f", {interval[0]:.3f} to {interval[1]:.3f}"
    bound = f"{right.bound_95_percent:.2f} % ({right.plates_let_in} of {right.plates} plates)"
    came, let_in = f"{right.attempts:,}", f"{raw.let_in} / {right.let_in}"
    return f"| {_KINDS[right.kind]} | {right.listed:,} | {came} | {let_in} | {share} | {bound} |"


def _spread(figure: ModelledFigure) -> str:
    if figure.bound_95_per_million is not None:
        return f"none found; below {figure.bound_95_per_million:.2g}"
    if figure.interval_95_per_million is None:
        return "not to be had: it hangs on too few plates"
    low, high = figure.interval_95_per_million
    return f"{low:.2g} to {high:.2g}"


def _judged(found: FalseOpens) -> str:
    figure = next((f for f in found.modelled.figures if f.listed == GOAL_AT), None)
    if figure is None:
        return ""
    few_enough = figure.false_opens_per_million <= GOAL_PER_MILLION
    met = few_enough and found.modelled.listed_opened_percent >= GOAL_LISTED_PERCENT
    return (
        f"The goal, at most {GOAL_PER_MILLION:g} per million at {GOAL_AT:,} plates with "
        f"{GOAL_LISTED_PERCENT:g} % of listed cars let in, is {'met' if met else 'not met'}."
    )


def _pair(both: tuple[float, float]) -> str:
    return f"{both[0]:.2f} / {both[1]:.2f} %"
