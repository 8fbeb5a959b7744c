"""Audit rows as people ask for them: one record per approach, newest first. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pod.domain.access import REASONS

COMMANDED = "open commanded"
"""What a pulse proves. Without a position input nobody knows whether the gate moved."""

BY_HAND = "by hand"
"""The `source` of intents and outcomes that no car asked for."""

MEASURED = ("moved", "opened", "closed", "held")
"""Facts of a gate that only an input at the gate can tell."""

SlotGuesses = tuple[tuple[str, float], ...]
"""What one slot of a plate may hold, with probabilities 0..1, the likeliest first; "_" pads."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One row of the audit, as far as history needs it; `payload` is None once erased."""

    seq: int
    at: datetime
    kind: str
    payload: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One thing that was written down about a car: a decision, an opening that began, or how it ended.

    Attributes:
        at: aware UTC, when it was written down.
        kind: decision, intent or outcome, as the audit has it.
        outcome: what had become of the car from then on, as `ApproachRecord.outcome`.
        plate: the plate it was decided for.
        read: what the camera read; differs from `plate` where a listed plate won by the evidence.
        entry: the plate as the entry that decided has it; "" where none was found.
        flags: what people should know beside the reason, such as clock_unsure.
        late: written down after the fact, because the store did not answer in time.
        frames: how many pictures the reading rests on.
        evidence: what each slot may hold; empty where that was not kept.
        list_version: of the access list that decided; None where that was not kept.
        rules, models: versions of what decided and read; "" where they were not kept.
        on_ms: how long the line to the gate was on; None unless it was.
        error: what went wrong at the gate, in words; "" where nothing did.
    """

    at: datetime
    kind: str
    outcome: str
    reason: str
    plate: str
    read: str
    confidence: float
    entry: str
    label: str
    type: str
    flags: tuple[str, ...] = ()
    late: bool = False
    frames: int = 0
    evidence: tuple[SlotGuesses, ...] = ()
    list_version: int | None = None
    rules: str = ""
    models: str = ""
    on_ms: float | None = None
    error: str = ""

    @property
    def why(self) -> str:
        """The reason in plain words."""
        return REASONS.get(self.reason, self.reason)


@dataclass(frozen=True, slots=True)
class ApproachRecord:
    """What became of one car at one camera.

    Attributes:
        at: aware UTC, of the latest row about it.
        outcome: "open commanded", "opening", "open already", "let in already", "not opened" or
            "failed"; "not known", where the POD ended during the pulse.
        why: the reason in plain words.
        revisions: how many decisions were recorded; later ones replaced earlier ones.
        entry: the plate as the entry that decided has it; "" where none was found.
        type: why that entry is on the list, such as "resident"; "" where none was found.
        flags: as in `Revision`, of the latest decision.
        story: everything that was written down about it, oldest first.
        last_seq: the number of the latest row about it.
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
    flags: tuple[str, ...] = ()
    story: tuple[Revision, ...] = ()
    last_seq: int = 0

    @property
    def decided(self) -> Revision | None:
        """The latest decision; None for a record made without its story."""
        return next((r for r in reversed(self.story) if r.kind != "outcome"), None)


def approaches(events: Iterable[AuditEvent]) -> list[ApproachRecord]:
    """Fold audit rows into one record per approach, the most recently changed first.

    Args:
        events: rows in any order; erased rows, rows of other kinds and of pulses by hand are passed over.
    """
    records: dict[str, ApproachRecord] = {}
    for event in sorted(events, key=lambda e: e.seq):
        fact = event.payload
        if fact is None or event.kind not in ("decision", "intent", "outcome"):
            continue
        if fact.get("source") == BY_HAND or "approach" not in fact:
            continue
        key = str(fact["approach"])
        before = records.pop(key, None)
        if event.kind != "outcome":
            records[key] = _with_decision(before, event, fact, key=key)
        elif before is not None:  # otherwise its decision lies before the rows at hand, or is erased
            records[key] = _with_outcome(before, event, fact)
    return list(reversed(records.values()))


def gate_facts(events: Iterable[AuditEvent]) -> tuple[tuple[datetime, str], ...]:
    """What inputs at the gate told after a car's opening began, until the gate was commanded anew.

    Args:
        events: the rows about one car, and those of kind gate_fact after them, in any order.

    Returns:
        when (aware UTC) and what: moved, opened, closed or held; oldest first.
    """
    ordered = sorted(events, key=lambda e: e.seq)
    intent = next((e for e in reversed(ordered) if e.kind == "intent" and e.payload is not None), None)
    if intent is None or intent.payload is None:
        return ()
    told: list[tuple[datetime, str]] = []
    commands = 0
    for event in ordered:
        fact = event.payload
        if event.seq < intent.seq or event.kind != "gate_fact" or fact is None:
            continue
        if fact.get("gate") != intent.payload.get("gate"):
            continue
        commands += fact.get("fact") == "commanded"
        if commands > 1:
            break
        if fact.get("fact") in MEASURED:
            told.append((event.at, str(fact["fact"])))
    return tuple(told)


def _with_decision(
    before: ApproachRecord | None, event: AuditEvent, fact: Mapping[str, object], *, key: str
) -> ApproachRecord:
    reason = str(fact["reason"])
    plate = str(fact["plate"])
    revision = Revision(
        at=event.at,
        kind=event.kind,
        outcome=_outcome_of(event.kind, str(fact["verdict"]), reason=reason),
        reason=reason,
        plate=plate,
        read=str(fact.get("read") or plate),
        confidence=float(str(fact["confidence"])),
        entry=str(fact.get("entry") or ""),
        label=str(fact.get("label") or ""),
        type=str(fact.get("type") or ""),
        flags=_texts(fact.get("flags")),
        late=fact.get("late") is True,
        frames=_whole(fact.get("frames")) or 0,
        evidence=_evidence(fact.get("evidence")),
        list_version=_whole(fact.get("list_version")),
        rules=str(fact.get("rules") or ""),
        models=_models(fact.get("models")),
    )
    return ApproachRecord(
        approach=key,
        at=event.at,
        camera=str(fact["camera"]),
        gate=str(fact["gate"]),
        plate=plate,
        outcome=revision.outcome,
        reason=reason,
        why=revision.why,
        confidence=revision.confidence,
        label=revision.label,
        revisions=1 if before is None else before.revisions + 1,
        entry=revision.entry,
        type=revision.type,
        flags=revision.flags,
        story=(*(before.story if before else ()), revision),
        last_seq=event.seq,
    )


def _outcome_of(kind: str, verdict: str, *, reason: str) -> str:
    if kind == "intent":
        return "opening"
    if verdict != "allow":
        return "not opened"
    return "let in already" if reason == "just_served" else "open already"


def _with_outcome(before: ApproachRecord, event: AuditEvent, fact: Mapping[str, object]) -> ApproachRecord:
    pulsed = fact.get("result") == "pulsed"
    outcome = COMMANDED if pulsed else "not known" if fact.get("result") == "unknown" else "failed"
    reason = before.reason if pulsed else str(fact.get("reason") or "gate_failed")
    on_ms = fact.get("on_ms")
    revision = replace(
        before.story[-1],
        at=event.at,
        kind="outcome",
        outcome=outcome,
        reason=reason,
        late=fact.get("late") is True,
        on_ms=float(on_ms) if isinstance(on_ms, int | float) else None,
        error=str(fact.get("error") or ""),
    )
    return replace(
        before,
        at=event.at,
        outcome=outcome,
        reason=reason,
        why=revision.why,
        story=(*before.story, revision),
        last_seq=event.seq,
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _models(value: object) -> str:
    """Names and versions on one line, however the row keeps them."""
    if isinstance(value, Mapping):
        return ", ".join(map(str, value.values()))
    return ", ".join(_texts(value)) if isinstance(value, list | tuple) else str(value or "")


def _evidence(value: object) -> tuple[SlotGuesses, ...]:
    """Slots as the row keeps them; none where any of it is not of the form it should have."""
    if not isinstance(value, list | tuple):
        return ()
    slots = []
    for slot in value:
        if not isinstance(slot, list | tuple):
            return ()
        pairs = [pair for pair in slot if isinstance(pair, list | tuple) and len(pair) == 2]
        guesses = tuple((str(char), float(p)) for char, p in pairs if isinstance(p, int | float))
        if len(guesses) != len(slot) or not guesses:
            return ()
        slots.append(guesses)
    return tuple(slots)
