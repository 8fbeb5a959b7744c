"""What is known of a gate: commanded, moved, opened, held and forced are different facts. Pure.

A gate without inputs is only ever "commanded": that a relay closed says nothing of the steel behind it. What
the inputs showed while the guard was away is not known, and no fact is made up for it.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

Shows = Literal["closed", "open", "presence"]
"""What an input tells: the gate rests at its closed end, at its open end, a vehicle stands at the gate."""

Position = Literal["not_wired", "unknown", "closed", "open", "moving", "not_closed", "not_open"]
"""With one contact only the other half stays unsaid: `not_closed` may be open, moving or half-way."""

POSITION_WORDS: dict[Position, str] = {
    "not_wired": "no contact is wired, so nobody knows",
    "unknown": "its contacts tell nothing sure",
    "closed": "closed",
    "open": "open",
    "moving": "between open and closed",
    "not_closed": "not closed",
    "not_open": "not open",
}

FactName = Literal[
    "commanded", "moved", "opened", "closed", "held", "forced", "vehicle_present", "vehicle_gone"
]

CONTRADICTS_AFTER_S = 1.0
"""Both ends at once for this long are a fault; a contact that lags for a moment is not."""

LATE_S = 120.0
"""A gate that was reported as stuck and moves within this of the command still moved by it."""

CHATTER_S = 10.0
CHATTER_CHANGES = 20
"""More changes of a gate's inputs than this within that time are a loose wire; no fact is made of them."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is expected of one gate.

    Attributes:
        wired: the inputs there are.
        open_within_s: from the command to its effect: leaving the closed end, reaching the open one.
        held_after_s: away from its closed end for longer than this, it is held.
        answer_s: a command may be told this much later than the gate moved by it.
        forced_alarm: nothing but this system opens the gate.
    """

    pulse_ms: int
    wired: frozenset[Shows] = frozenset()
    open_within_s: float = 15.0
    held_after_s: float = 300.0
    answer_s: float = 0.5
    forced_alarm: bool = True


@dataclass(frozen=True, slots=True)
class Commanded:
    """The relay closed, or the device behind a web address said yes."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Attempted:
    """A pulse failed such that nobody knows whether the gate saw it."""

    at_s: float


@dataclass(frozen=True, slots=True)
class PulseOver:
    """The relay is at rest again."""

    at_s: float
    on_for_ms: float


@dataclass(frozen=True, slots=True)
class Level:
    """An input shows this now; None where nothing is known of it."""

    at_s: float
    shows: Shows
    active: bool | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at_s: float


Signal = Commanded | Attempted | PulseOver | Level | Tick


@dataclass(frozen=True, slots=True)
class GateFact:
    """Something that became true of a gate.

    Attributes:
        at_s: monotonic clock.
    """

    gate: str
    fact: FactName
    at_s: float


@dataclass(frozen=True, slots=True)
class GateFacts:
    """All that is known of one gate now. Times are of the monotonic clock, in seconds; None: never seen.

    Attributes:
        levels: what each wired input shows; one that is missing here tells nothing at present.
        last: what each input showed when it last told something.
        moved_at_s: it left its closed end or, without a contact there, reached its open one.
        away_since_s: since when it is not closed (without a contact there: open); None while it is at rest.
        stuck: which effect of the last command did not come in time.
        chattering: its inputs change too often to be believed.
    """

    wired: frozenset[Shows] = frozenset()
    levels: dict[Shows, bool] = field(default_factory=dict)
    last: dict[Shows, bool] = field(default_factory=dict)
    commanded_at_s: float | None = None
    attempted_at_s: float | None = None
    moved_at_s: float | None = None
    opened_at_s: float | None = None
    closed_at_s: float | None = None
    away_since_s: float | None = None
    awaited: frozenset[Literal["moved", "opened"]] = frozenset()
    awaited_until_s: float = 0.0
    stuck: Literal["", "moved", "opened"] = ""
    held: bool = False
    unexplained_since_s: float | None = None
    forced: bool = False
    both_ends_since_s: float | None = None
    contradicts: bool = False
    changes_s: tuple[float, ...] = ()
    chattering: bool = False
    overrun_ms: float | None = None

    @property
    def position(self) -> Position:
        closed, opened = self.levels.get("closed"), self.levels.get("open")
        ends = self.wired & {"closed", "open"}
        if not ends:
            return "not_wired"
        if self.chattering or (closed and opened) or ends - self.levels.keys():
            return "unknown"
        if closed or opened:
            return "closed" if closed else "open"
        if ends == {"closed", "open"}:
            return "moving"
        return "not_closed" if "closed" in ends else "not_open"

    @property
    def presence(self) -> bool | None:
        """Whether a vehicle stands at the gate; None where that is not wired or not known."""
        return None if self.chattering else self.levels.get("presence")


def first_facts(rules: GateRules) -> GateFacts:
    """Nothing is known yet."""
    return GateFacts(wired=rules.wired)


def observe(facts: GateFacts, signal: Signal, rules: GateRules) -> tuple[GateFacts, tuple[FactName, ...]]:
    """What is known after a signal, and what has become true by it, oldest first."""
    match signal:
        case Commanded():
            return _commanded(facts, signal.at_s, rules), ("commanded",)
        case Attempted():
            return _explained(replace(facts, attempted_at_s=signal.at_s), signal.at_s, rules), ()
        case PulseOver():
            late = signal.on_for_ms > rules.pulse_ms + 100
            return replace(facts, overrun_ms=signal.on_for_ms if late else None), ()
        case Level():
            return _levelled(facts, signal, rules)
        case Tick():
            return _ticked(facts, signal.at_s, rules)


def _commanded(facts: GateFacts, at_s: float, rules: GateRules) -> GateFacts:
    awaited: set[Literal["moved", "opened"]] = set()
    if facts.levels.get("closed") and not facts.chattering:
        awaited.add("moved")
    if facts.levels.get("open") is False and not facts.chattering:
        awaited.add("opened")
    commanded = replace(
        facts,
        commanded_at_s=at_s,
        awaited=frozenset(awaited),
        awaited_until_s=at_s + rules.open_within_s,
    )
    return _explained(commanded, at_s, rules)


def _explained(facts: GateFacts, at_s: float, rules: GateRules) -> GateFacts:
    """The gate may have moved by a command of which we hear only now."""
    since_s = facts.unexplained_since_s
    if since_s is not None and at_s - since_s <= rules.answer_s:
        return replace(facts, unexplained_since_s=None)
    return facts


def _levelled(facts: GateFacts, signal: Level, rules: GateRules) -> tuple[GateFacts, tuple[FactName, ...]]:
    shows, active, at_s = signal.shows, signal.active, signal.at_s
    others = {name: level for name, level in facts.levels.items() if name != shows}
    if active is None:
        return _both_ends(replace(facts, levels=others), at_s), ()
    if facts.levels.get(shows) is active:
        return facts, ()
    before = facts.last.get(shows)
    after = replace(facts, levels={**others, shows: active}, last={**facts.last, shows: active})
    after = _both_ends(after, at_s)
    if before is not None and before is not active:
        recent = tuple(s for s in facts.changes_s if at_s - s < CHATTER_S)
        after = replace(after, changes_s=(*recent, at_s)[-CHATTER_CHANGES - 1 :])
    if len(after.changes_s) > CHATTER_CHANGES or facts.chattering:
        return replace(after, chattering=True), ()
    if before is active:
        return after, ()  # It only came back.
    if shows == "presence":
        became: FactName = "vehicle_present" if active else "vehicle_gone"
        return after, (became,) if before is not None else ()
    if shows == "closed":
        return _at_closed_end(after, at_s, rules) if active else _left_closed(after, at_s, rules, before)
    return _at_open_end(after, at_s, rules, before) if active else (_left_open(after), ())


def _left_closed(
    facts: GateFacts, at_s: float, rules: GateRules, before: bool | None
) -> tuple[GateFacts, tuple[FactName, ...]]:
    facts = replace(facts, away_since_s=at_s)
    if before is None:
        return facts, ()  # The first that is known of it: it stood like this already.
    return _moved(facts, at_s, rules), ("moved",)


def _at_closed_end(facts: GateFacts, at_s: float, rules: GateRules) -> tuple[GateFacts, tuple[FactName, ...]]:
    seen = facts.away_since_s is not None
    facts = replace(
        facts,
        away_since_s=None,
        closed_at_s=at_s if seen else facts.closed_at_s,
        held=False,
        forced=False,
        unexplained_since_s=None,
    )
    return facts, ("closed",) if seen else ()


def _at_open_end(
    facts: GateFacts, at_s: float, rules: GateRules, before: bool | None
) -> tuple[GateFacts, tuple[FactName, ...]]:
    became: tuple[FactName, ...] = ()
    if "closed" not in rules.wired:
        facts = replace(facts, away_since_s=at_s)
        if before is not None:
            facts, became = _moved(facts, at_s, rules), ("moved",)
    if before is None:
        return facts, became
    return replace(facts, opened_at_s=at_s, awaited=frozenset(), stuck=""), (*became, "opened")


def _left_open(facts: GateFacts) -> GateFacts:
    if "closed" in facts.wired:
        return facts
    return replace(facts, away_since_s=None, held=False, forced=False, unexplained_since_s=None)


def _moved(facts: GateFacts, at_s: float, rules: GateRules) -> GateFacts:
    asked_s = [t for t in (facts.commanded_at_s, facts.attempted_at_s) if t is not None]
    within_s = max(rules.open_within_s, LATE_S) if facts.stuck == "moved" else rules.open_within_s
    ordered = bool(asked_s) and at_s - max(asked_s) <= within_s
    return replace(
        facts,
        moved_at_s=at_s,
        awaited=facts.awaited - {"moved"},
        stuck="" if facts.stuck == "moved" else facts.stuck,
        unexplained_since_s=None if ordered else at_s,
    )


def _both_ends(facts: GateFacts, at_s: float) -> GateFacts:
    if facts.levels.get("closed") and facts.levels.get("open"):
        return facts if facts.both_ends_since_s is not None else replace(facts, both_ends_since_s=at_s)
    return replace(facts, both_ends_since_s=None, contradicts=False)


def _ticked(facts: GateFacts, now_s: float, rules: GateRules) -> tuple[GateFacts, tuple[FactName, ...]]:
    became: list[FactName] = []
    if facts.chattering:
        if facts.changes_s and now_s - facts.changes_s[-1] < CHATTER_S:
            return facts, ()
        facts = _calm_again(facts, now_s)
    if facts.awaited and now_s >= facts.awaited_until_s:
        facts = _did_not_come(facts)
    since_s = facts.unexplained_since_s
    if since_s is not None and now_s - since_s > rules.answer_s:
        facts = replace(facts, unexplained_since_s=None, forced=True)
        became.append("forced")
    away_s = facts.away_since_s
    if away_s is not None and not facts.held and now_s - away_s >= rules.held_after_s:
        facts = replace(facts, held=True)
        became.append("held")
    both_s = facts.both_ends_since_s
    if both_s is not None and now_s - both_s >= CONTRADICTS_AFTER_S:
        facts = replace(facts, contradicts=True)
    return facts, tuple(became)


def _did_not_come(facts: GateFacts) -> GateFacts:
    """What the command should have done was not seen; where its contact tells nothing, nothing is known."""
    if "moved" in facts.awaited and "closed" in facts.levels:
        return replace(facts, awaited=frozenset(), stuck="moved")
    if "opened" in facts.awaited and "open" in facts.levels:
        return replace(facts, awaited=frozenset(), stuck="opened")
    return replace(facts, awaited=frozenset())


def _calm_again(facts: GateFacts, now_s: float) -> GateFacts:
    """Believe the inputs again, from what they show now; what they claimed in between made no facts."""
    rests = facts.levels.get("closed") if "closed" in facts.wired else not facts.levels.get("open", False)
    return replace(
        facts,
        chattering=False,
        changes_s=(),
        away_since_s=None if rests else facts.away_since_s if facts.away_since_s is not None else now_s,
        held=facts.held and not rests,
        forced=facts.forced and not rests,
    )
