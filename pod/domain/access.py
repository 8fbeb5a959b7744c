"""Decide whether a plate may pass. Pure: the caller brings the clock and the lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pod.domain.entry import Entry, Verdict
from pod.domain.evidence import Consensus
from pod.domain.plates import match_key


@dataclass(frozen=True, slots=True)
class Policy:
    """Bounds that a decision keeps; from the `access` section of the configuration."""

    min_confidence: float = 0.85


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with everything needed to answer "why?".

    Attributes:
        reason: a code of `REASONS`.
        entry: the entry that decided; None where none was found.
    """

    verdict: Verdict
    reason: str
    plate: str
    confidence: float
    entry: Entry | None

    @property
    def sentence(self) -> str:
        """The reason in plain words, for people."""
        return REASONS[self.reason]


REASONS = {
    "listed": "The plate is on the list.",
    "not_listed": "The plate is not on the list.",
    "deny_listed": "The plate is on the deny list.",
    "low_confidence": "The plate could not be read clearly enough.",
    "not_started": "The plate is on the list, but its time has not begun.",
    "expired": "The plate is on the list, but its time is over.",
    "wrong_gate": "The plate is on the list, but not for this gate.",
    "leaving": "The car is driving away from this gate.",
    "direction_unknown": "The car was gone before it was clear which way it was driving.",
    "not_moved": "The car already stood in view when the camera started; it must move first.",
    "stale_frame": "The picture was too old to act on.",
    "gate_already_open": "The gate was opened moments ago, so it needed no new signal.",
    "just_served": "This car was let in moments ago; it is not a new approach.",
    "by_hand": "Somebody pulsed the gate by hand.",
    "gate_failed": "The gate did not answer; whether it opened is not known.",
    "command_expired": "The button was shown too long ago, so nothing was opened. Press it anew.",
    "command_unknown": "This was asked for before; whether the gate opened is not known.",
    "confirm_lockdown": "The site is locked down: confirm that the gate shall open all the same.",
    "gate_unavailable": "The gate could not be asked to open.",
    "store_failed": "The decision could not be written down, so the gate stayed closed.",
}
"""Reason codes and the sentences people read."""


def decide(
    consensus: Consensus, candidates: Sequence[Entry], *, gate: str, now: datetime, policy: Policy
) -> Decision:
    """Deny wins over allow; anything unknown, weak, early or expired is denied.

    A deny entry outside its time or for another gate counts as absent. Where several allow entries are
    refused, the reason is the one closest to a yes: not begun, then over, then another gate; the order of
    the list never matters.

    Args:
        candidates: the entries that an index holds for this plate's match key, not the whole list; entries
            of any other plate are passed over.
        gate: name of the gate the camera serves.
        now: aware UTC.
    """

    def decision(verdict: Verdict, reason: str, entry: Entry | None = None) -> Decision:
        return Decision(verdict, reason, consensus.text, consensus.confidence, entry)

    if not consensus.text or not consensus.confidence >= policy.min_confidence:  # so that NaN denies too
        return decision(Verdict.DENY, "low_confidence")
    key = match_key(consensus.text)
    refusals: dict[str, Entry] = {}
    allowed: Entry | None = None
    for entry in candidates:
        if entry.key != key:
            continue
        obstacle = _obstacle(entry, gate, now)
        if entry.verdict is Verdict.DENY:
            if obstacle is None:
                return decision(Verdict.DENY, "deny_listed", entry)
        elif obstacle is None:
            allowed = allowed or entry
        else:
            refusals.setdefault(obstacle, entry)
    if allowed is not None:
        return decision(Verdict.ALLOW, "listed", allowed)
    for reason in ("not_started", "expired", "wrong_gate"):
        if reason in refusals:
            return decision(Verdict.DENY, reason, refusals[reason])
    return decision(Verdict.DENY, "not_listed")


def _obstacle(entry: Entry, gate: str, now: datetime) -> str | None:
    """Why an entry does not count here and now; None where it does."""
    if entry.gates and gate not in entry.gates:
        return "wrong_gate"
    if entry.starts_at is not None and now < entry.starts_at:
        return "not_started"
    if entry.expires_at is not None and now >= entry.expires_at:
        return "expired"
    return None
