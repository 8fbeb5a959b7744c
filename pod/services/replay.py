"""Decide again what was decided: by other rules, or on another model's reading of the kept pictures."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from pod.domain.access import REASONS, Decision, decide
from pod.domain.entry import Verdict
from pod.domain.evidence import Consensus
from pod.domain.evidence_record import from_record
from pod.domain.policy import Policy
from pod.domain.situation import Situation
from pod.services.past_list import PastList
from pod.store.audit import AuditRow

AFTER_ACCESS = frozenset(
    {
        "leaving",
        "direction_unknown",
        "not_moved",
        "stale_frame",
        "gate_already_open",
        "gate_not_closed",
        "gate_unavailable",
        "gate_failed",
        "just_served",
        "store_failed",
    }
)
"""Reasons that overrode a grant later on: who bears one had been let in by the list."""

Reread = Callable[[str, int], Consensus | None]
"""What another model reads of the picture of one revision of one approach; None where none is kept."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision beside what it would have been.

    Attributes:
        allowed: whether the list had let the car in then, whatever the gate did.
        reason, plate: as they were recorded.
        would: the decision made again.
    """

    seq: int
    at: datetime
    approach: str
    camera: str
    gate: str
    allowed: bool
    reason: str
    plate: str
    would: Decision

    @property
    def would_allow(self) -> bool:
        return self.would.verdict is Verdict.ALLOW

    @property
    def is_changed(self) -> bool:
        """Whether a car would have been let in that was not, or the other way round."""
        return self.allowed is not self.would_allow

    @property
    def was(self) -> str:
        """The recorded reason in plain words."""
        return REASONS.get(self.reason, self.reason)


@dataclass(slots=True)
class Missing:
    """Decisions that cannot be made again.

    Attributes:
        erased: their content is gone by age or request.
        without_evidence: recorded before evidence was kept, or nothing had been read.
        without_picture: no picture is kept for another model to read.
    """

    erased: int = 0
    without_evidence: int = 0
    without_picture: int = 0


@dataclass(slots=True)
class Replay:
    """One run over the audit, newest row first.

    Args:
        past: the list as it is now; walked back on the way.
        reread: reads the kept pictures anew; None: the kept evidence counts.
    """

    past: PastList
    site: str
    zone: tzinfo
    policy: Policy
    reread: Reread | None = None
    missing: Missing = field(default_factory=Missing)

    def run(self, rows: Iterable[AuditRow]) -> Iterator[Replayed]:
        """Every decision of `rows` made again, in their order.

        Args:
            rows: the audit from its end back, without a gap.
        """
        came_to_nothing: set[object] = set()
        for row in rows:
            payload = row.payload
            if row.kind == "outcome" and payload is not None and _gave_back(payload):
                came_to_nothing.add(payload.get("pulse"))
            pulse = None if payload is None else payload.get("pulse")
            self.past.take_back(row, came_to_nothing=pulse in came_to_nothing)
            if row.kind in ("decision", "intent"):
                replayed = self._again(row)
                if replayed is not None:
                    yield replayed

    def _again(self, row: AuditRow) -> Replayed | None:
        fact = row.payload
        if fact is None:
            self.missing.erased += 1
            return None
        if "approach" not in fact:  # a pulse by hand
            return None
        consensus = self._consensus(fact)
        if consensus is None:
            return None
        flags = fact.get("flags")
        doubted = isinstance(flags, list) and "clock_unsure" in flags
        situation = Situation(
            camera=str(fact["camera"]),
            gate=str(fact["gate"]),
            now=row.at,
            site=self.site,
            zone=self.zone,
            clock_doubt="the clock was in doubt then" if doubted else "",
            state=self.past.state,
        )
        candidates = self.past.index.candidates(consensus)
        reason = str(fact["reason"])
        return Replayed(
            seq=row.seq,
            at=row.at,
            approach=str(fact["approach"]),
            camera=situation.camera,
            gate=situation.gate,
            allowed=fact["verdict"] == Verdict.ALLOW.value or reason in AFTER_ACCESS,
            reason=reason,
            plate=str(fact["plate"]),
            would=decide(consensus, candidates, situation=situation, policy=self.policy),
        )

    def _consensus(self, fact: dict[str, object]) -> Consensus | None:
        if self.reread is not None:
            seen = self.reread(str(fact["approach"]), int(str(fact["revision"])))
            self.missing.without_picture += seen is None
            return seen
        evidence = fact.get("evidence")
        if isinstance(evidence, list) and evidence:
            return from_record(
                evidence,
                text=str(fact["read"]),
                confidence=float(str(fact["read_confidence"])),
                frames=int(str(fact["frames"])),
            )
        self.missing.without_evidence += 1
        return None


def _gave_back(outcome: dict[str, object]) -> bool:
    """Whether it is certain that no pulse went out, so that the use was returned."""
    return outcome.get("result") in ("refused", "failed") and outcome.get("reason") != "gate_failed"
