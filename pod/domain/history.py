"""Audit rows as people ask for them: one record per approach, newest first. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pod.domain.access import REASONS

COMMANDED = "open commanded"
"""What a pulse proves. Without a position input nobody knows whether the gate moved."""

BY_HAND = "by hand"
"""The `source` of intents and outcomes that no car asked for."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One row of the audit, as far as history needs it."""

    seq: int
    at: datetime
    kind: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ApproachRecord:
    """What became of one car at one camera.

    Attributes:
        at: aware UTC, of the latest row about it.
        outcome: "open commanded", "opening", "open already", "let in already", "not opened" or
            "failed".
        why: the reason in plain words.
        revisions: how many decisions were recorded; later ones replaced earlier ones.
        entry: the plate as the entry that decided has it; "" where none was found.
        type: why that entry is on the list, such as "resident"; "" where none was found.
    """

    approach: str
    at: datetime
    camera: str
    gate: str
    plate: str
    outcome: str
    reason: str
    why: str
    confidence: float
    label: str
    revisions: int
    entry: str = ""
    type: str = ""


def approaches(events: Iterable[AuditEvent]) -> list[ApproachRecord]:
    """Fold audit rows into one record per approach, the most recently changed first.

    Args:
        events: rows in any order; rows of other kinds, and of pulses by hand, are passed over.
    """
    records: dict[str, ApproachRecord] = {}
    for event in sorted(events, key=lambda e: e.seq):
        if event.kind not in ("decision", "intent", "outcome") or event.payload.get("source") == BY_HAND:
            continue
        key = str(event.payload["approach"])
        before = records.pop(key, None)
        record = (
            _with_outcome(before, event) if event.kind == "outcome" else _with_decision(before, event, key)
        )
        if record is not None:
            records[key] = record
    return list(reversed(records.values()))


def _with_decision(before: ApproachRecord | None, event: AuditEvent, key: str) -> ApproachRecord:
    fact = event.payload
    reason = str(fact["reason"])
    return ApproachRecord(
        approach=key,
        at=event.at,
        camera=str(fact["camera"]),
        gate=str(fact["gate"]),
        plate=str(fact["plate"]),
        outcome=_outcome_of(event.kind, str(fact["verdict"]), reason=reason),
        reason=reason,
        why=REASONS.get(reason, reason),
        confidence=float(str(fact["confidence"])),
        label=str(fact.get("label") or ""),
        revisions=1 if before is None else before.revisions + 1,
        entry=str(fact.get("entry") or ""),
        type=str(fact.get("type") or ""),
    )


def _outcome_of(kind: str, verdict: str, *, reason: str) -> str:
    if kind == "intent":
        return "opening"
    if verdict != "allow":
        return "not opened"
    return "let in already" if reason == "just_served" else "open already"


def _with_outcome(before: ApproachRecord | None, event: AuditEvent) -> ApproachRecord | None:
    if before is None:
        return None  # its decision lies before the rows at hand
    if event.payload["result"] == "pulsed":
        return _changed(before, event, COMMANDED, before.reason)
    return _changed(before, event, "failed", str(event.payload["reason"]))


def _changed(before: ApproachRecord, event: AuditEvent, outcome: str, reason: str) -> ApproachRecord:
    return replace(before, at=event.at, outcome=outcome, reason=reason, why=REASONS.get(reason, reason))
