"""Which plates an approach would open for, were they listed: by the POD's own evidence and decision."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from pod.domain.access import decide
from pod.domain.confusions import likely_neighbours
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.entry_types import TYPE_RULES
from pod.domain.evidence import K_EFF, Consensus, Evidence
from pod.domain.matching import Match, Matcher
from pod.domain.plates import match_key
from pod.domain.policy import Policy
from pod.domain.reads import PlateRead
from pod.domain.situation import Situation

LOOSEST_CONFIDENCE = 0.5
"""Below this no curve is drawn; a match that is less sure is not kept."""

_SITUATION = Situation("camera", "gate", datetime(2026, 6, 1, 12, tzinfo=UTC))
"""A site at peace: nothing but the reading decides."""


def policy_with(
    min_confidence: float | None = None,
    *,
    near_ratio: float | None = None,
    near_frames: int | None = None,
    ambiguity_margin: float | None = None,
) -> Policy:
    """The shipped policy, with some of its bounds replaced; the confidence for every type of entry."""
    shipped = Policy()
    margin = shipped.ambiguity_margin if ambiguity_margin is None else ambiguity_margin
    ratio = shipped.near_ratio if near_ratio is None else near_ratio
    types = TYPE_RULES
    if min_confidence is not None:
        types = {kind: replace(rules, min_confidence=min_confidence) for kind, rules in TYPE_RULES.items()}
    return Policy(
        types=types,
        near_ratio=ratio,
        near_frames=shipped.near_frames if near_frames is None else near_frames,
        ambiguity_margin=max(margin, ratio),
    )


def consensuses(frames: Sequence[npt.NDArray[np.float32]], *, k_eff: float = K_EFF) -> Iterator[Consensus]:
    """What the evidence says after each frame of an approach.

    Args:
        frames: each of shape (SLOTS, len(ALPHABET)), probabilities, the oldest first.
    """
    evidence = Evidence(k_eff=k_eff)
    for slots in frames:
        evidence.add(PlateRead((0, 0, 1, 1), 1.0, "", 0.0, slots))
        yield evidence.consensus()


def listed(key: str) -> Entry:
    """An entry that lets a plate in at any time."""
    return Entry(key, key, Verdict.ALLOW, EntryType.RESIDENT)


def lets_in(consensus: Consensus, candidates: Sequence[Entry], policy: Policy) -> bool:
    """What the POD decides, all else being well."""
    return decide(consensus, candidates, situation=_SITUATION, policy=policy).verdict is Verdict.ALLOW


@dataclass(frozen=True, slots=True)
class Openings:
    """What one approach could open for.

    Attributes:
        moments: by match key, the moments at which that plate alone on the list might be let in: the surest
            exact reading, and every moment at which all but one character of it is sure enough.
    """

    moments: dict[str, tuple[Consensus, ...]]

    def keys(self, policy: Policy) -> frozenset[str]:
        """The plates that would be let in at some moment, each alone on the list.

        On a list with others no more are let in: another plate can only make the reading ambiguous.
        """
        return frozenset(
            key
            for key, moments in self.moments.items()
            if any(lets_in(moment, (listed(key),), policy) for moment in moments)
        )


def openings(frames: Sequence[npt.NDArray[np.float32]], *, k_eff: float = K_EFF) -> Openings:
    """Follow an approach to its end and keep what might open; a grant on the way changes nothing here.

    Args:
        frames: as `consensuses` takes them.
    """
    exact: dict[str, Consensus] = {}
    near: dict[str, list[Consensus]] = {}
    for consensus in consensuses(frames, k_eff=k_eff):
        key = match_key(consensus.text)
        if not key or consensus.confidence <= 0:
            continue
        if consensus.confidence >= LOOSEST_CONFIDENCE and (
            key not in exact or consensus.confidence > exact[key].confidence
        ):
            exact[key] = consensus
        matcher = Matcher(consensus, apart=False)
        for other in (key, *likely_neighbours(consensus)):
            match = matcher.match(listed(other))
            if match is not None and _may_open(match):
                near.setdefault(other, []).append(consensus)
    return Openings(
        {
            key: (*((exact[key],) if key in exact else ()), *near.get(key, ()))
            for key in sorted({*exact, *near})
        }
    )


def _may_open(match: Match) -> bool:
    if match.exact and match.but_for_one <= match.confidence:
        return False  # its confidence alone decides, and the surest exact reading is kept anyway
    return match.but_for_one >= LOOSEST_CONFIDENCE and match.ratio <= LOOSEST_RATIO


LOOSEST_RATIO = 10.0
"""The largest `near_ratio` that curves are drawn for."""
