"""Decide whether a plate may pass. Pure: the caller brings the situation and the candidates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pod.domain.countries import spelled, tells_apart
from pod.domain.entry import Entry, Owner, Verdict
from pod.domain.entry_types import TypeRules
from pod.domain.evidence import Consensus
from pod.domain.matching import Match, Matcher
from pod.domain.plates import MIN_LENGTH
from pod.domain.policy import Policy
from pod.domain.situation import Situation


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with everything needed to answer "why?".

    Attributes:
        reason: a code of `REASONS`.
        plate: the plate it is about: the reading, or the listed plate that a near match took it for.
        confidence: how sure `plate` was read, 0..1.
        entry: the entry that decided; None where none was found.
        flags: what people should know beside the reason: `clock_unsure`, `near_match`, `list_stale`.
        read: the most likely reading itself.
        list_version: of the access list it was made on; -1 where that is not known.
        rules: version of the policy it was held to.
    """

    verdict: Verdict
    reason: str
    plate: str
    confidence: float
    entry: Entry | None
    flags: tuple[str, ...] = ()
    read: str = ""
    list_version: int = -1
    rules: str = ""

    @property
    def sentence(self) -> str:
        """The reason in plain words, for people."""
        return REASONS[self.reason]


REASONS = {
    "listed": "The plate is on the list.",
    "not_listed": "The plate is not on the list.",
    "deny_listed": "The plate is on the deny list.",
    "low_confidence": "The plate could not be read clearly enough.",
    "unsure_match": "One character could not be told for sure, and it decides whether the plate is listed.",
    "ambiguous": "The reading fits more than one plate of the list, and they do not all mean the same.",
    "not_started": "The plate is on the list, but its time has not begun.",
    "expired": "The plate is on the list, but its time is over.",
    "outside_schedule": "The plate is on the list, but not for this hour of the week.",
    "no_uses_left": "The plate is on the list, but has been used as often as it may.",
    "wrong_site": "The plate is on the list, but not for this site.",
    "wrong_gate": "The plate is on the list, but not for this gate.",
    "wrong_camera": "The plate is on the list, but not at this camera.",
    "clock_unsure": "The plate is on the list for certain times, and the clock cannot be trusted now.",
    "list_stale": "The plate is on the list, but the list was last confirmed too long ago.",
    "lockdown": "The site is in lockdown.",
    "auto_grant_off": "The plate is on the list, but opening by itself is switched off.",
    "leaving": "The car is driving away from this gate.",
    "direction_unknown": "The car was gone before it was clear which way it was driving.",
    "not_moved": "The car already stood in view when the camera started; it must move first.",
    "stale_frame": "The picture was too old to act on.",
    "gate_already_open": "The gate was opened moments ago, so it needed no new signal.",
    "gate_not_closed": "The gate was not closed, and this gate's signal could have stopped or closed it.",
    "just_served": "This car was let in moments ago; it is not a new approach.",
    "by_hand": "Somebody pulsed the gate by hand.",
    "gate_failed": "The gate did not answer; whether it opened is not known.",
    "command_expired": "The button was shown too long ago, so nothing was opened. Press it anew.",
    "command_too_long": "The command would have been good for too long, so nothing was opened. Ask anew.",
    "other_session": "The POD was started anew since this was asked for, so nothing was opened. Ask anew.",
    "gate_unknown": "This POD has no gate of that name.",
    "command_unknown": "This was asked for before; whether the gate opened is not known.",
    "confirm_lockdown": "The site is in lockdown: confirm that the gate shall open all the same.",
    "gate_unavailable": "The gate could not be asked to open.",
    "store_failed": "The decision could not be written down, so the gate stayed closed.",
}
"""Reason codes and the sentences people read."""

_CLOSEST_TO_A_YES = (
    "auto_grant_off",
    "lockdown",
    "list_stale",
    "no_uses_left",
    "outside_schedule",
    "not_started",
    "expired",
    "clock_unsure",
    "wrong_camera",
    "wrong_gate",
    "wrong_site",
)
"""Of several entries that all refuse, the one whose obstacle comes first here gives the reason."""


def decide(
    consensus: Consensus, candidates: Sequence[Entry], *, situation: Situation, policy: Policy
) -> Decision:
    """Deny wins over allow; anything unknown, weak, ambiguous, early, stale or expired is denied.

    A deny entry that is certainly out of its time or of its place counts as absent. A listed plate that is
    not the most likely reading opens only within the policy's bounds: it differs in one character that is a
    known confusion, everything else is sure, no other listed plate is nearly as likely, and no deny entry is
    among the candidates. The order of the candidates never matters.

    Args:
        candidates: the entries that an index holds for this reading, not the whole list; entries whose plate
            the evidence may not mean are passed over.
    """
    flags = _flags(situation, policy)
    versions = situation.list_version, policy.version
    read = spelled(consensus.text, policy.country)

    def denied(reason: str, entry: Entry | None = None) -> Decision:
        return Decision(Verdict.DENY, reason, read, consensus.confidence, entry, flags, read, *versions)

    if len(consensus.text) < MIN_LENGTH or not consensus.confidence > 0:  # so that NaN denies too
        return denied("low_confidence")
    matcher = Matcher(consensus, apart=tells_apart(policy.country))
    # By plate, not by entry: a list of before the limit may hold thousands of entries of one plate.
    matches = {e.plate: matcher.match(e) for e in {e.plate: e for e in candidates}.values()}
    matched = [(e, m) for e in sorted(candidates, key=_by_preference) if (m := matches[e.plate]) is not None]
    denying = [(e, m) for e, m in matched if e.verdict is Verdict.DENY and _keeps_out(e, situation)]
    allowing = [(e, m) for e, m in matched if e.verdict is Verdict.ALLOW]
    for entry, match in denying:
        if match.exact and match.confidence >= policy.lowest_confidence:
            return denied("deny_listed", entry)
    meant = [(e, m) for e, m in allowing if _is_sure(m, policy.types[e.type])]
    near = not meant
    if near:
        meant = [(e, m) for e, m in allowing if _is_near(e, m, consensus, policy)]
    if not meant:
        return denied(_unread(matcher, allowing, policy))
    best = max((m for _, m in meant), key=lambda m: (m.weight, m.plate))
    rivals = (m for _, m in matched if m.plate != best.plate)
    if (near and denying) or any(m.weight * policy.ambiguity_margin >= best.weight for m in rivals):
        return denied("ambiguous")
    entry, obstacle = _first_without_obstacle(
        (e for e, m in meant if m.plate == best.plate), situation, policy
    )
    return Decision(
        Verdict.DENY if obstacle else Verdict.ALLOW,
        obstacle or "listed",
        read if best.exact else entry.plate,
        best.confidence,
        entry,
        (*flags, "near_match") if near else flags,
        read,
        *versions,
    )


def _flags(situation: Situation, policy: Policy) -> tuple[str, ...]:
    limits_s = [r.stale_after_s for r in policy.types.values() if r.stale_after_s is not None]
    stale = situation.list_age_s is not None and not _is_fresh(situation, min(limits_s, default=None))
    return tuple(
        flag for flag, holds in (("clock_unsure", situation.clock_doubt), ("list_stale", stale)) if holds
    )


def _is_sure(match: Match, rules: TypeRules) -> bool:
    return match.exact and match.confidence >= rules.min_confidence


def _is_near(entry: Entry, match: Match, consensus: Consensus, policy: Policy) -> bool:
    """Whether the evidence means an entry's plate although one character of it is in doubt."""
    return (
        not entry.exact_only
        and consensus.frames >= policy.near_frames
        and match.but_for_one >= policy.types[entry.type].min_confidence
        and match.ratio <= policy.near_ratio
    )


def _unread(matcher: Matcher, allowing: Sequence[tuple[Entry, Match]], policy: Policy) -> str:
    """Why no entry is meant."""
    if matcher.confidence >= policy.lowest_confidence:
        return "low_confidence" if any(m.exact for _, m in allowing) else "not_listed"
    if any(m.but_for_one >= policy.types[e.type].min_confidence for e, m in allowing):
        return "unsure_match"
    return "low_confidence"


def _first_without_obstacle(
    entries: Iterable[Entry], situation: Situation, policy: Policy
) -> tuple[Entry, str | None]:
    """The entry that lets in, or the one closest to it with what stands in its way."""
    refused: dict[str, Entry] = {}
    for entry in entries:
        obstacle = _obstacle(entry, situation, policy.types[entry.type])
        if obstacle is None:
            return entry, None
        refused.setdefault(obstacle, entry)
    obstacle = min(refused, key=_CLOSEST_TO_A_YES.index)
    return refused[obstacle], obstacle


def _obstacle(entry: Entry, situation: Situation, rules: TypeRules) -> str | None:
    """Why an entry lets nobody in here and now: its own limits first, then those of its type and the site."""
    own = _out_of_place(entry, situation) or _out_of_time(entry, situation)
    if own is not None:
        return own
    if entry.uses_left is not None and entry.uses_left <= 0:
        return "no_uses_left"
    if entry.owner is Owner.CLOUD and rules.stale_after_s is not None:
        if situation.clock_doubt:
            return "clock_unsure"  # the age of the list is counted on this clock
        if not _is_fresh(situation, rules.stale_after_s):
            return "list_stale"
    if situation.state.lockdown and not rules.spared_by_lockdown:
        return "lockdown"
    return None if situation.state.auto_grant else "auto_grant_off"


def _keeps_out(entry: Entry, situation: Situation) -> bool:
    """Whether a deny entry may be in force: where the time is in doubt, it is."""
    if _out_of_place(entry, situation):
        return False
    if not entry.is_timed or situation.clock_doubt:
        return True
    started = entry.starts_at is None or situation.now >= entry.starts_at
    over = entry.expires_at is not None and situation.now >= entry.expires_at
    in_hours = entry.schedule is None or entry.schedule.may_hold(situation.now, situation.zone)
    return started and not over and in_hours


def _out_of_place(entry: Entry, situation: Situation) -> str | None:
    if entry.sites and situation.site not in entry.sites:
        return "wrong_site"
    if entry.gates and situation.gate not in entry.gates:
        return "wrong_gate"
    if entry.cameras and situation.camera not in entry.cameras:
        return "wrong_camera"
    return None


def _out_of_time(entry: Entry, situation: Situation) -> str | None:
    if entry.is_timed and situation.clock_doubt:
        return "clock_unsure"
    if entry.starts_at is not None and situation.now < entry.starts_at:
        return "not_started"
    if entry.expires_at is not None and situation.now >= entry.expires_at:
        return "expired"
    if entry.schedule is not None and not entry.schedule.holds(situation.now, situation.zone):
        return "outside_schedule"
    return None


def _is_fresh(situation: Situation, limit_s: float | None) -> bool:
    """Whether the cloud confirmed its entries recently enough. An age that is unknown or negative is not."""
    if limit_s is None:
        return True
    return situation.list_age_s is not None and 0 <= situation.list_age_s <= limit_s


def _by_preference(entry: Entry) -> tuple[bool, bool, str, int]:
    """Of several entries of one plate, those without a limit first, so that none is used up for nothing."""
    return entry.uses_left is not None, entry.is_timed, entry.plate, entry.id
