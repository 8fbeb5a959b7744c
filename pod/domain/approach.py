"""One approach per car: when a decision opens the gate, and when it is written down. Pure.

A grant is immediate and final. A denial is provisional: it is written down after a while, when the car is
gone, or at once on a deny-list hit, and later evidence may turn it into one grant, never the reverse. A car
is known again by its plate, or by its place while it has not been read, so a track that breaks and is found
again opens nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from pod.domain.access import Decision
from pod.domain.car import Car, difference, opposite
from pod.domain.entry import Verdict
from pod.domain.geometry import iou
from pod.domain.plates import match_key, one_edit_apart
from pod.domain.reads import Box
from pod.domain.tracking import Direction, Track

_REFOUND_S = 3.0
"""A new track this soon, in the place where another was lost, is the same car until its plate says
otherwise."""

_REFOUND_WIDTHS = 1.5
_REFOUND_GROWTH = 0.5

_HITS_FOR_DIRECTION = 6
"""Where only one way opens, a car seen in fewer frames than this waits until its direction is known."""

_GHOST_HITS = 3
"""Fewer frames than this, and never legible: a reflection or a stray box, not a car to write down."""

_PARKED_MEMORY_S = 3600.0
"""How long a car that stood there when the camera started is remembered while hidden."""

_MAX_REMEMBERED = 512

_NOT_DRIVEN_RETRY_S = {
    "stale_frame": 0.1,
    "store_failed": 1.0,
    "gate_unavailable": 1.0,
    "gate_not_closed": 1.0,
    "no_uses_left": 5.0,
}
"""Failures before the guard was asked, and how long the first retry waits; each further one waits twice as
long."""

_LONGEST_RETRY_S = 30.0

_RANK = {
    "low_confidence": 0,
    "unsure_match": 0,
    "ambiguous": 0,
    "stale_frame": 0,
    "direction_unknown": 0,
    "deny_listed": 2,
}
"""How much a denial tells; a reason not named here ranks 1. A record is revised only by one that tells
more."""


class Action(StrEnum):
    """What the caller has to do with a step."""

    OPEN = "open"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do about an approach: open the gate for it (which records it too), or record it.

    Attributes:
        revision: 1 for the first step of an approach; each further step supersedes the one before in the
            audit.
    """

    approach_id: str
    revision: int
    action: Action
    decision: Decision


class Approaches:
    """The approaches in front of one camera. Not thread-safe: it belongs to the camera's thread.

    The caller answers every `Action.OPEN` with exactly one of `gate_opened`, `gate_busy` and `gate_failed`;
    until then, and for ever after `gate_opened`, that approach opens nothing more.

    Args:
        direction: `in` and `out` open for nearing cars only, `both` for either way.
        deny_after_s: how long a denial stays open to better evidence before it is written down.
        reapproach_s: unseen for so long, a plate is a new approach.
        last_grants: match keys with the monotonic time of their last grant here, from before a restart.
        id_prefix: goes before the running number of each approach id; bring one that is unique per start.
    """

    def __init__(
        self,
        camera: str,
        direction: Literal["in", "out", "both"],
        *,
        deny_after_s: float,
        reapproach_s: float,
        last_grants: Mapping[str, float],
        id_prefix: str = "",
    ) -> None:
        self._prefix = id_prefix or camera
        self._one_way = direction != "both"
        self._deny_after_s = deny_after_s
        self._reapproach_s = reapproach_s
        self._count = 0
        self._known: dict[str, Car] = {}
        self._by_track: dict[int, Car] = {}
        self.forgotten = 0
        for key, granted_at_s in last_grants.items():
            seed = self._begin(granted_at_s, must_move=False, anchor=None)
            seed.keys, seed.granted, seed.seeded = [key], True, True

    def observe(self, now_s: float, track: Track, decision: Decision | None = None) -> tuple[Step, ...]:
        """Take in what one frame says about one car.

        Args:
            now_s: monotonic.
            decision: where this frame was read, what follows from the evidence with it; None where it was
                not. An old decision given again would pass for a fresh look at the plate.

        Returns:
            What to do now, in order; mostly nothing. More than one step only where a track passes to another
            car.
        """
        self._forget(now_s)
        steps: list[Step] = []
        approach = (
            self._by_track.get(track.id) or self._refound(now_s, track) or self._begin_for(now_s, track)
        )
        if decision is not None and _is_settled(decision):
            home = self._home(now_s, track, decision, approach)
            if home is not approach:
                self._take_off(track, approach)
                steps += self._gone(approach)
                approach = home
        self._see(now_s, track, approach)
        if decision is not None:
            approach.note_read(track, now_s, key=match_key(decision.plate), settled=_is_settled(decision))
            steps += self._weigh(now_s, track, decision, approach)
        steps += self._overdue(now_s, track, approach)
        return tuple(steps)

    def ended(self, now_s: float, track: Track) -> tuple[Step, ...]:
        """The tracker gave the track up: record the denial that nothing better replaced."""
        approach = self._by_track.pop(track.id, None)
        if approach is None:
            return ()
        self._take_off(track, approach)
        return self._gone(approach)

    def gate_opened(self, approach_id: str, now_s: float) -> None:
        """The pulse went out: this approach is served."""
        approach = self._known.get(approach_id)
        if approach is not None:
            approach.retry_at_s = None
            approach.seen_s = max(approach.seen_s, now_s)

    def gate_busy(self, approach_id: str, until_s: float) -> None:
        """The gate is in its pause: ask again at its end if that car is still there and still read the same.

        Args:
            until_s: monotonic end of the pause.
        """
        approach = self._known.get(approach_id)
        if approach is not None:
            approach.retry_at_s = until_s

    def gate_failed(self, approach_id: str, reason: str) -> None:
        """Nothing was opened, or nobody knows.

        Args:
            reason: a code of `access.REASONS`. After one of `_NOT_DRIVEN_RETRY_S` the line was certainly
                not driven, so the approach asks again, ever more rarely; after any other code it opens
                nothing more.
        """
        approach = self._known.get(approach_id)
        if approach is None or reason not in _NOT_DRIVEN_RETRY_S:
            return
        approach.failures += 1
        wait_s = _NOT_DRIVEN_RETRY_S[reason] * 2 ** min(approach.failures - 1, 8)
        approach.retry_at_s = approach.seen_s + min(wait_s, _LONGEST_RETRY_S)

    def superseding(self, step: Step) -> Step:
        """The same step with the next revision: for a row of its own after the row of `step`."""
        approach = self._known.get(step.approach_id)
        if approach is None:
            return replace(step, revision=step.revision + 1)
        return _step(approach, step.action, step.decision)

    def wants_read(self, track: Track, now_s: float) -> bool:
        """Whether reading this plate again could change anything yet."""
        approach = self._by_track.get(track.id)
        return approach is None or approach.wants_read(track, now_s)

    def _begin(self, now_s: float, *, must_move: bool, anchor: Box | None) -> Car:
        self._count += 1
        approach = Car(f"{self._prefix}-{self._count}", now_s, must_move=must_move, anchor=anchor)
        self._known[approach.id] = approach
        return approach

    def _begin_for(self, now_s: float, track: Track, *, instead_of: Car | None = None) -> Car:
        """A new approach; where a parked car was thought to stand, the new one has to move as well."""
        if instead_of is not None and instead_of.must_move:
            return self._begin(now_s, must_move=True, anchor=instead_of.anchor)
        return self._begin(now_s, must_move=track.session_born and not track.moved, anchor=track.box)

    def _refound(self, now_s: float, track: Track) -> Car | None:
        """The approach whose car was lost where this track begins."""
        nearest: tuple[float, Car] | None = None
        for approach in self._known.values():
            if approach.box is None or approach.seen_s >= track.first_seen_s:
                continue
            parked = approach.is_parked and iou(approach.box, track.box) > 0.5
            distance, growth = difference(approach.box, track.box)
            near = distance <= _REFOUND_WIDTHS and growth <= _REFOUND_GROWTH
            recent = now_s - approach.seen_s <= _REFOUND_S
            if (parked or (near and recent)) and (nearest is None or distance < nearest[0]):
                nearest = (distance, approach)
        return nearest[1] if nearest else None

    def _home(self, now_s: float, track: Track, decision: Decision, current: Car) -> Car:
        """The approach that a car with this plate belongs to."""
        key = match_key(decision.plate)
        home = next((a for a in self._known.values() if key in a.keys), None)
        if home is not None and self._is_back(now_s, track, home):
            home.keys.remove(key)
            home = None
        elif home is None and not current.keys:
            home = current
        elif home is None and any(one_edit_apart(known, key) for known in current.keys):
            another_car = current.granted and track.id not in current.read_on and _allows(decision)
            if current.granted and not another_car:
                return current
            home = None if another_car else current
        if home is None:
            home = self._begin_for(now_s, track, instead_of=current)
        home.name(key)
        home.read_on.add(track.id)
        return home

    def _is_back(self, now_s: float, track: Track, known: Car) -> bool:
        """Whether a known car has left and now comes again."""
        if known.left:
            return track.direction is known.heading
        away = track.id not in known.tracks and now_s - known.seen_s > _REFOUND_S
        turned = known.heading is not None and track.direction is opposite(known.heading)
        return not self._one_way and away and turned

    def _see(self, now_s: float, track: Track, approach: Car) -> None:
        self._by_track[track.id] = approach
        approach.tracks.add(track.id)
        approach.hits += 1
        approach.seen_s = now_s
        approach.box = track.box
        approach.has_moved = approach.has_moved or track.moved
        approach.note_direction(track, now_s, one_way=self._one_way)

    def _take_off(self, track: Track, approach: Car) -> None:
        approach.tracks.discard(track.id)
        approach.read_on.discard(track.id)

    def _weigh(self, now_s: float, track: Track, decision: Decision, approach: Car) -> tuple[Step, ...]:
        if approach.seeded:
            return self._seen_again(decision, approach)
        if approach.granted:
            due = approach.retry_at_s is not None and now_s >= approach.retry_at_s
            same_plate = _allows(decision) and match_key(decision.plate) == approach.key
            if not (due and same_plate) or self._objection(track, approach):
                return ()
            return self._open(decision, approach)
        if _allows(decision):
            objection = self._objection(track, approach)
            if objection is None:
                if approach.denied_key and approach.denied_key != match_key(decision.plate):
                    return ()
                return self._open(decision, approach)
            decision = replace(decision, verdict=Verdict.DENY, reason=objection)
        if approach.pending is None or _rank(decision) >= _rank(approach.pending):
            approach.pending = decision
        if decision.reason == "deny_listed":
            approach.denied_key = match_key(decision.plate)
            return self._record(approach)
        return ()

    def _seen_again(self, decision: Decision, approach: Car) -> tuple[Step, ...]:
        """A car let in before a restart gets no second pulse, and its row says why."""
        approach.seeded = False
        if _allows(decision):
            decision = replace(decision, reason="just_served")
        return (_step(approach, Action.RECORD, decision),)

    def _objection(self, track: Track, approach: Car) -> str | None:
        """Why a listed car is not let in, or not yet."""
        if approach.must_move:
            return "not_moved"
        if not self._one_way:
            return None
        if track.direction is Direction.LEAVING:
            return "leaving"
        if track.direction is Direction.UNKNOWN and track.hits < _HITS_FOR_DIRECTION:
            return "direction_unknown"
        return None

    def _open(self, decision: Decision, approach: Car) -> tuple[Step, ...]:
        approach.granted = True
        approach.keys = [match_key(decision.plate)]
        approach.retry_at_s = None
        approach.pending = None
        return (_step(approach, Action.OPEN, decision),)

    def _overdue(self, now_s: float, track: Track, approach: Car) -> tuple[Step, ...]:
        """The provisional denial, once it has waited long enough.

        A car that still drives up and could not be read yet is not refused on its way.
        """
        if approach.pending is None or approach.read_since_s is None:
            return ()
        if now_s - approach.read_since_s < self._deny_after_s:
            return ()
        if _rank(approach.pending) == 0 and track.direction is Direction.APPROACHING:
            return ()
        approach.decided = True
        return () if _is_no_car(approach) else self._record(approach)

    def _gone(self, approach: Car) -> tuple[Step, ...]:
        if approach.tracks or approach.pending is None:
            return ()
        if (_rank(approach.pending) == 0 and approach.hits < _GHOST_HITS) or _is_no_car(approach):
            return ()
        return self._record(approach)

    def _record(self, approach: Car) -> tuple[Step, ...]:
        pending = approach.pending
        if pending is None or approach.granted or _rank(pending) <= approach.recorded_rank:
            return ()
        approach.recorded_rank = _rank(pending)
        return (_step(approach, Action.RECORD, pending),)

    def _forget(self, now_s: float) -> None:
        for approach in [a for a in self._known.values() if self._is_over(now_s, a)]:
            self._drop(approach)
        idle = [a for a in self._known.values() if not a.tracks]
        for approach in sorted(idle, key=lambda a: a.seen_s)[: max(0, len(self._known) - _MAX_REMEMBERED)]:
            self._drop(approach)
            self.forgotten += 1

    def _is_over(self, now_s: float, approach: Car) -> bool:
        memory_s = _PARKED_MEMORY_S if approach.is_parked else self._reapproach_s
        return not approach.tracks and now_s - approach.seen_s >= memory_s

    def _drop(self, approach: Car) -> None:
        del self._known[approach.id]
        for track_id in approach.tracks:
            self._by_track.pop(track_id, None)


def _allows(decision: Decision) -> bool:
    return decision.verdict is Verdict.ALLOW


def _is_settled(decision: Decision) -> bool:
    """Whether the decision rests on a plate that was read with confidence."""
    return bool(decision.plate) and _rank(decision) > 0


def _is_no_car(approach: Car) -> bool:
    """Never legible and never moved: a window or a sign that the detector takes for a plate."""
    unreadable = approach.pending is not None and approach.pending.reason == "low_confidence"
    return unreadable and not approach.has_moved


def _rank(decision: Decision) -> int:
    return _RANK.get(decision.reason, 1)


def _step(approach: Car, action: Action, decision: Decision) -> Step:
    approach.revision += 1
    return Step(approach.id, approach.revision, action, decision)
