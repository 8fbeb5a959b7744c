"""Holds the constants that decisions ship with against what the reader's own errors say. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pod.domain.evidence import K_EFF
from pod.services.false_opens.confusion_fit import Confusions, Pair, shipped_pairs
from pod.services.false_opens.sightings import Alikeness

K_TOLERANCE = 1.25
"""`K_EFF` may lie outside its fitted interval by this factor: the crops are not the gate's own."""

EXPLAINED_TOLERANCE = 15.0
"""Points: the fitted pairs may explain so many more of the validation misreads than the shipped ones."""

STALE_SHARE = 0.1
"""A shipped pair with less than this share of the weight of the last fitted pair is stale."""

MOST_STALE_PERCENT = 10.0
MOST_HEAVY_UNNAMED = 2
"""Of the heaviest third of the fitted pairs, so many may be unnamed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One constant, beside its fit.

    Attributes:
        name: where it stands in the code.
        mend: what to change where `holds` is False; empty where it holds.
    """

    name: str
    shipped: str
    fitted: str
    tolerance: str
    holds: bool
    mend: str


def check_k_eff(fit: Alikeness, *, shipped: float | None = None) -> Finding:
    """Whether as many independent frames are counted as were measured.

    Args:
        shipped: None: `K_EFF`.
    """
    shipped = K_EFF if shipped is None else shipped
    low, high = fit.k_eff_interval_95
    holds = low / K_TOLERANCE <= shipped <= high * K_TOLERANCE
    return Finding(
        "pod.domain.evidence.K_EFF",
        f"{shipped:g}",
        f"{fit.k_eff:g} ({low:g} to {high:g})",
        f"within the interval, give or take a factor of {K_TOLERANCE:g}",
        holds,
        "" if holds else f"set K_EFF to {fit.k_eff:g}: frames are worth another number of reads than it says",
    )


def check_confusions(
    train: Confusions,
    validation: Confusions,
    *,
    fitted: Sequence[Pair],
    shipped: frozenset[Pair] | None = None,
) -> Finding:
    """Whether the table names what the reader mistakes, and nothing else.

    Args:
        train: counted on training crops, which `fitted` comes from.
        fitted: the heaviest first.
        shipped: None: the pairs of the table.
    """
    named = shipped_pairs() if shipped is None else shipped
    least = min((train.weights[pair] for pair in fitted), default=0.0)
    stale = sorted(pair for pair in named if train.weights.get(pair, 0.0) < STALE_SHARE * least)
    unnamed = [pair for pair in fitted[: max(1, len(fitted) // 3)] if pair not in named]
    ours, theirs = validation.explained_percent(named), validation.explained_percent(fitted)
    worse = theirs - ours > EXPLAINED_TOLERANCE
    too_stale = bool(named) and 100 * len(stale) / len(named) > MOST_STALE_PERCENT
    holds = not (worse or too_stale or len(unnamed) > MOST_HEAVY_UNNAMED)
    return Finding(
        "pod.domain.confusions._MEASURED",
        f"{len(named)} pairs, explain {ours:.0f} % of the validation misreads; without evidence: "
        f"{' '.join(stale) or 'none'}",
        f"{len(fitted)} pairs, explain {theirs:.0f} %; heavy and not named: {' '.join(unnamed) or 'none'}",
        f"at most {EXPLAINED_TOLERANCE:g} points worse, {MOST_STALE_PERCENT:g} % without evidence, "
        f"{MOST_HEAVY_UNNAMED} heavy ones unnamed",
        holds,
        "" if holds else f'set _MEASURED to "{" ".join(fitted)}"',
    )
