"""What is known of one car in front of one camera: where, which way, under which plates, how often to look.
Pure."""

from math import hypot, log

from pod.domain.access import Decision
from pod.domain.geometry import centre
from pod.domain.reads import Box
from pod.domain.tracking import Direction, Track

_LEFT_AFTER_S = 0.5
"""A car that goes the other way for so long has left; coming back it approaches anew."""

_MOVED_WIDTHS = 0.5
_MOVED_GROWTH = 0.18
"""A car that stood at the start has left its place when its plate is that far from it, or that much larger
or smaller."""

_MAX_KEYS = 8
"""Readings of one car's plate that are kept; the oldest goes first."""

_STANDS_S = 2.0
_REREAD_DENIED_S = 1.0
_REREAD_GRANTED_S = 2.0
_REREAD_MOVING_S = 0.5
_REREAD_BEFORE_RETRY_S = 0.5
"""How often a decided car is read again: a list may change, or another car take its place."""


class Car:
    """The state behind one approach; `approach.Approaches` holds the rules.

    Attributes:
        keys: match keys it was read as, newest last.
        anchor: where it was first seen.
        must_move: it stood there when the session started and has not left its place since.
        tracks: tracks that show it now.
        read_on: those of them on which its plate was read with confidence.
        pending: the denial that better evidence may still replace.
        recorded_rank: how much the recorded denial tells; -1 before.
        decided: its denial waited its time; more of the same frames change nothing.
        retry_at_s: monotonic; a granted car that got no pulse may ask again from then on.
        seeded: it was granted before a restart, and has not been seen since.
        denied_key: the plate that hit the deny list; empty where none did.
        heading: the way that counts as its approach; None until known.
        left: it has clearly gone the other way.
        has_moved: it was seen to move, on whichever track.
        doubtful: the newest read did not confirm its plate.
    """

    def __init__(self, approach_id: str, now_s: float, *, must_move: bool, anchor: Box | None) -> None:
        self.id = approach_id
        self.keys: list[str] = []
        self.seen_s = now_s
        self.box = self.anchor = anchor
        self.must_move = must_move
        self.tracks: set[int] = set()
        self.read_on: set[int] = set()
        self.hits = 0
        self.revision = 0
        self.pending: Decision | None = None
        self.recorded_rank = -1
        self.decided = False
        self.granted = False
        self.retry_at_s: float | None = None
        self.failures = 0
        self.seeded = False
        self.denied_key = ""
        self.heading: Direction | None = None
        self.left = False
        self.has_moved = False
        self.doubtful = False
        self.read_since_s: float | None = None
        self._last_read_s: float | None = None
        self._other_way_since_s: float | None = None

    @property
    def key(self) -> str:
        """The match key it was last read as; empty before."""
        return self.keys[-1] if self.keys else ""

    @property
    def is_parked(self) -> bool:
        """Whether it stands where it stood when the session started."""
        return self.must_move and self.box is not None and not self._has_left_its_place(self.box)

    def name(self, key: str) -> None:
        """It was read as this. Former readings are kept: they are how it is known again."""
        self.keys = [*(k for k in self.keys if k != key), key][-_MAX_KEYS:]

    def note_direction(self, track: Track, now_s: float, *, one_way: bool) -> None:
        """Which way it goes; where one way opens, nearing is the way that counts, else the first one seen."""
        if track.direction not in (Direction.APPROACHING, Direction.LEAVING):
            return
        if self.heading is None:
            self.heading = Direction.APPROACHING if one_way else track.direction
        if track.direction is self.heading:
            self._other_way_since_s = None
        elif self._other_way_since_s is None:
            self._other_way_since_s = now_s
        elif now_s - self._other_way_since_s >= _LEFT_AFTER_S:
            self.left = True

    def note_read(self, track: Track, now_s: float, *, key: str, settled: bool) -> None:
        """It was read, with confidence (`settled`) or without."""
        self._last_read_s = now_s
        self.doubtful = key != self.key or not settled
        if self.read_since_s is None:
            self.read_since_s = now_s
        # Only where its own plate is read: a track that strayed to a passing car moves no parked one.
        if self.must_move and track.moved and not self.doubtful:
            self.must_move = not self._has_left_its_place(track.box)

    def wants_read(self, track: Track, now_s: float) -> bool:
        """Whether reading its plate again could change anything yet."""
        if self._last_read_s is None:
            return True
        stands = track.still_for_s(now_s) >= _STANDS_S
        if self.granted:
            if self.retry_at_s is not None and now_s >= self.retry_at_s - _REREAD_BEFORE_RETRY_S:
                return True
            interval_s = _REREAD_GRANTED_S if stands and not self.doubtful else _REREAD_MOVING_S
        elif self.decided and stands:
            interval_s = _REREAD_MOVING_S if self.doubtful else _REREAD_DENIED_S
        else:
            return True
        return now_s - self._last_read_s >= interval_s

    def _has_left_its_place(self, box: Box) -> bool:
        if self.anchor is None:
            return True
        shift, growth = difference(self.anchor, box)
        return shift > _MOVED_WIDTHS or growth > _MOVED_GROWTH


def opposite(direction: Direction) -> Direction:
    """Leaving for approaching and the other way round."""
    return Direction.LEAVING if direction is Direction.APPROACHING else Direction.APPROACHING


def difference(a: Box, b: Box) -> tuple[float, float]:
    """Distance of two plates in plate widths, and the change of the log of their width."""
    (ax, ay), (bx, by) = centre(a), centre(b)
    width_a, width_b = max(a[2] - a[0], 1e-3), max(b[2] - b[0], 1e-3)
    return hypot(ax - bx, ay - by) / max(width_a, width_b), abs(log(width_b / width_a))
