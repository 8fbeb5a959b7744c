"""The rules in force at one site: what decisions are held to. Pure data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pod.domain.confusions import CONFUSED_WITH
from pod.domain.countries import plates_of
from pod.domain.entry import EntryType
from pod.domain.entry_types import TYPE_RULES, TypeRules


@dataclass(frozen=True, slots=True)
class Policy:
    """Bounds that decisions keep.

    Attributes:
        types: one row for every type of entry.
        country: ISO 3166-1 alpha-2 code of the site's country; None where it is not said.
        near_ratio: a listed plate that is not the most likely reading opens only where the evidence speaks
            for that reading at most this many times as much; at least 1.
        near_frames: how many reads must stand behind such an opening.
        ambiguity_margin: another listed plate that is less likely than the best by no more than this factor
            makes the reading ambiguous; at least `near_ratio`.
        version: short hash of all of it, for the audit.
        lowest_confidence: the lowest that any type asks for; a reading below it counts as unread.

    Raises:
        ValueError: a bound is outside its range, or a type has no row.
    """

    types: Mapping[EntryType, TypeRules] = field(default_factory=lambda: TYPE_RULES)
    country: str | None = None
    near_ratio: float = 2.0
    near_frames: int = 3
    ambiguity_margin: float = 10.0
    version: str = field(init=False)
    lowest_confidence: float = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.near_ratio <= self.ambiguity_margin:
            raise ValueError("near_ratio must be at least 1, and ambiguity_margin at least near_ratio")
        if set(self.types) != set(EntryType):
            raise ValueError("every type of entry needs its row")
        object.__setattr__(self, "version", self._hash())
        object.__setattr__(self, "lowest_confidence", min(r.min_confidence for r in self.types.values()))

    def _hash(self) -> str:
        effective = {
            "types": {kind.value: asdict(rules) for kind, rules in self.types.items()},
            "country": [self.country, asdict(plates_of(self.country))],
            "near": [self.near_ratio, self.near_frames, self.ambiguity_margin],
            "confusions": CONFUSED_WITH,
        }
        return hashlib.sha256(json.dumps(effective, sort_keys=True).encode()).hexdigest()[:12]
