"""Follow plates from frame to frame: which box is the car seen before, does it move, and which way. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import hypot, log
from statistics import fmean, median

import numpy as np

from pod.domain.geometry import centre, iou_matrix
from pod.domain.reads import Box

_LOST_S = 1.0
_LOST_FRAMES = 2
_LOST_AT_ONCE_S = 5.0
"""A track survives a second unseen (a wiper, a pedestrian, a few missed detections) and, where frames are
rare, two of them; but not a gap this long, in which cars change places."""

_MAX_TRACKS = 64
"""Tracks kept; more boxes than that in one frame are no gate. The track unseen longest goes first."""

_WINDOW_S = 1.5
_WINDOW_FRAMES = 32
"""How far back motion is judged; farther where so few frames come that five take longer."""

_MIN_GROWTH = 0.05
_WIDTH_NOISE = 0.02
_SIGNIFICANT = 3.5
"""A car nears or leaves when the log of its plate's width changes over the window by 5 % and by 3.5
standard errors. Detectors jitter by about 2 % of the width, so less is never believed even where the frames
happen to agree."""

_STILL_AFTER_S = 0.5
_STILL_SHIFT = 0.2
_STILL_GROWTH = 0.15
"""A car stands while its plate stays within this part of its width, and of its size, of where it stopped."""

_MOVED_SHIFT = 0.5
_MOVED_GROWTH = 0.25
_MOVED_FRAMES = 5
"""A car has really moved once its plate is half its width away, or a quarter larger or smaller, than at
first: the medians of so many first and last frames, or a parked car's jitter would pass for movement within
    the hour."""

_REACH_WIDTHS = 0.9
_REACH_WIDTHS_PER_S = 2.0
_REACH_GROWTH = 0.35
_STANDING_REACH = 0.6
"""How far from the predicted place, in plate widths, and how different in size a box may be and still be the
same car; the longer unseen, the farther, and less far for a standing car, which starts slowly."""

_MAX_PREDICTED_S = 0.5


class Direction(StrEnum):
    """Where a car is going, as far as its plate tells."""

    APPROACHING = "approaching"
    LEAVING = "leaving"
    STILL = "still"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Track:
    """One plate over time, as of one frame.

    Attributes:
        id: counts up within one tracker; never reused.
        box: where it was last seen, in pixels of that frame.
        first_seen_s, last_seen_s: monotonic.
        hits: frames it was seen in.
        session_born: it was there when the camera's session started, or very soon after.
        moved: it has clearly moved since it was first seen; once true it stays so.
        still_since_s: monotonic; since when it has stood where it is now.
    """

    id: int
    box: Box
    first_seen_s: float
    last_seen_s: float
    hits: int
    session_born: bool
    direction: Direction
    moved: bool
    still_since_s: float

    def still_for_s(self, now_s: float) -> float:
        """For how long the car has been standing; a car in motion yields next to nothing."""
        return max(0.0, now_s - self.still_since_s)


@dataclass(frozen=True, slots=True)
class TrackUpdate:
    """What one frame did to the tracks.

    Attributes:
        assigned: parallel to the boxes given.
        ended: tracks that will not be seen again.
    """

    assigned: tuple[Track, ...]
    ended: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class _Sighting:
    at_s: float
    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, box: Box, at_s: float) -> "_Sighting":
        x, y = centre(box)
        return cls(at_s, x, y, max(box[2] - box[0], 1e-3), max(box[3] - box[1], 1e-3))

    def scaled(self, sx: float, sy: float) -> "_Sighting":
        return _Sighting(self.at_s, self.x * sx, self.y * sy, self.width * sx, self.height * sy)


class _Follower:
    """The state behind one track."""

    def __init__(self, track_id: int, box: Box, now_s: float, *, session_born: bool) -> None:
        first = _Sighting.of(box, now_s)
        self._start: list[_Sighting] = [first]
        self._recent: deque[_Sighting] = deque([first], maxlen=_WINDOW_FRAMES)
        self._stop = first
        self.missed = 0
        self.track = Track(
            track_id, box, now_s, now_s, 1, session_born, Direction.UNKNOWN, moved=False, still_since_s=now_s
        )

    def see(self, box: Box, now_s: float) -> None:
        seen = _Sighting.of(box, now_s)
        if len(self._start) < _MOVED_FRAMES:
            self._start.append(seen)
        self._recent.append(seen)
        while len(self._recent) > _MOVED_FRAMES and now_s - self._recent[0].at_s > _WINDOW_S:
            self._recent.popleft()
        here = _middle(list(self._recent)[-3:])
        still_since_s = self.track.still_since_s
        if _apart(self._stop, here, _STILL_SHIFT, _STILL_GROWTH):
            self._stop, still_since_s = here, now_s
        moved = self.track.moved or (
            len(self._recent) >= _MOVED_FRAMES
            and _apart(
                _middle(self._start),
                _middle(list(self._recent)[-_MOVED_FRAMES:]),
                _MOVED_SHIFT,
                _MOVED_GROWTH,
            )
        )
        self.missed = 0
        self.track = replace(
            self.track,
            box=box,
            last_seen_s=now_s,
            hits=self.track.hits + 1,
            direction=direction_of(self._recent, still_for_s=now_s - still_since_s),
            moved=moved,
            still_since_s=still_since_s,
        )

    def is_lost(self, now_s: float) -> bool:
        unseen_s = now_s - self.track.last_seen_s
        return (unseen_s > _LOST_S and self.missed >= _LOST_FRAMES) or unseen_s > _LOST_AT_ONCE_S

    def predicted(self, now_s: float) -> Box:
        """Where the plate should be now if it went on as before."""
        last, ahead_s = self._recent[-1], min(now_s - self._recent[-1].at_s, _MAX_PREDICTED_S)
        past = next((s for s in self._recent if last.at_s - s.at_s <= 0.5), last)
        span_s = last.at_s - past.at_s
        x1, y1, x2, y2 = self.track.box
        if span_s <= 0:
            return self.track.box
        dx, dy = (last.x - past.x) * ahead_s / span_s, (last.y - past.y) * ahead_s / span_s
        return x1 + dx, y1 + dy, x2 + dx, y2 + dy

    def rescale(self, sx: float, sy: float) -> None:
        """The camera changed its resolution in flight."""
        self._start = [s.scaled(sx, sy) for s in self._start]
        self._recent = deque((s.scaled(sx, sy) for s in self._recent), maxlen=_WINDOW_FRAMES)
        self._stop = self._stop.scaled(sx, sy)
        x1, y1, x2, y2 = self.track.box
        self.track = replace(self.track, box=(x1 * sx, y1 * sy, x2 * sx, y2 * sy))


class Tracker:
    """The tracks of one camera. Not thread-safe: it belongs to the camera's thread."""

    def __init__(self, *, still_after_start_s: float = 3.0) -> None:
        self._still_after_start_s = still_after_start_s
        self._followers: list[_Follower] = []
        self._next_id = 1
        self._session_started_s: float | None = None
        self._frame_size: tuple[int, int] | None = None

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks that have not ended, oldest first."""
        return tuple(f.track for f in self._followers)

    def session_started(self, now_s: float) -> tuple[Track, ...]:
        """The camera was opened, or opened again: end all tracks and return them."""
        ended = self.tracks
        self._followers = []
        self._session_started_s = now_s
        self._frame_size = None
        return ended

    def update(
        self, now_s: float, boxes: Sequence[Box], *, frame_width_px: int, frame_height_px: int
    ) -> TrackUpdate:
        """Take in what the detector saw in one frame; call it for empty frames too.

        The first call starts the session if `session_started` did not.

        Args:
            now_s: monotonic, of the frame; frames come in order.
            boxes: plates in pixels of a frame of the given size.
        """
        if self._session_started_s is None:
            self._session_started_s = now_s
        self._fit_to((frame_width_px, frame_height_px))
        ended = self.expire(now_s)
        owner = self._match(now_s, boxes)
        for seen_before in self._followers:
            seen_before.missed += 1
        assigned: list[Track] = []
        for index, box in enumerate(boxes):
            follower = owner.get(index)
            if follower is None:
                follower = self._begin(box, now_s)
            else:
                follower.see(box, now_s)
            assigned.append(follower.track)
        surplus = self._over_bound(now_s)
        return TrackUpdate(tuple(assigned), (*ended, *(f.track for f in surplus)))

    def expire(self, now_s: float) -> tuple[Track, ...]:
        """End the tracks that have been unseen for too long by now, and return them.

        For times without a frame: nobody looked, so no track counts as missed.
        """
        lost = [f for f in self._followers if f.is_lost(now_s)]
        self._followers = [f for f in self._followers if f not in lost]
        return tuple(f.track for f in lost)

    def _begin(self, box: Box, now_s: float) -> _Follower:
        started_s = self._session_started_s if self._session_started_s is not None else now_s
        born = now_s - started_s <= self._still_after_start_s
        follower = _Follower(self._next_id, box, now_s, session_born=born)
        self._next_id += 1
        self._followers.append(follower)
        return follower

    def _over_bound(self, now_s: float) -> list[_Follower]:
        surplus = len(self._followers) - _MAX_TRACKS
        if surplus <= 0:
            return []
        unseen = [f for f in self._followers if f.track.last_seen_s < now_s]
        dropped = sorted(unseen, key=lambda f: f.track.last_seen_s)[:surplus]
        self._followers = [f for f in self._followers if f not in dropped]
        return dropped

    def _fit_to(self, size: tuple[int, int]) -> None:
        if self._frame_size is not None and self._frame_size != size:
            sx, sy = size[0] / self._frame_size[0], size[1] / self._frame_size[1]
            for follower in self._followers:
                follower.rescale(sx, sy)
        self._frame_size = size

    def _match(self, now_s: float, boxes: Sequence[Box]) -> dict[int, _Follower]:
        """Which follower each box belongs to, closest pairs first."""
        if not boxes or not self._followers:
            return {}
        predicted = [f.predicted(now_s) for f in self._followers]
        overlap = iou_matrix(np.array(predicted, dtype=np.float32), np.array(boxes, dtype=np.float32))
        pairs: list[tuple[float, int, int]] = []
        for row, follower in enumerate(self._followers):
            unseen_s = min(max(0.0, now_s - follower.track.last_seen_s), _LOST_S)
            reach = _STANDING_REACH if follower.track.direction is Direction.STILL else 1.0
            for column, box in enumerate(boxes):
                cost = _mismatch(predicted[row], box, unseen_s, reach)
                if cost is not None:
                    pairs.append((cost - float(overlap[row, column]), row, column))
        owner: dict[int, _Follower] = {}
        taken: set[int] = set()
        for _, row, column in sorted(pairs):
            if row not in taken and column not in owner:
                taken.add(row)
                owner[column] = self._followers[row]
        return owner


def direction_of(sightings: Sequence[_Sighting], *, still_for_s: float) -> Direction:
    """Judge by the growth of the plate over the window, a straight line through the log of its width."""
    if len(sightings) < 2:
        return Direction.UNKNOWN
    times = [s.at_s for s in sightings]
    widths = [log(s.width) for s in sightings]
    mean_t, mean_w, span_s = fmean(times), fmean(widths), times[-1] - times[0]
    spread = sum((t - mean_t) ** 2 for t in times)
    if spread > 0:
        slope = sum((t - mean_t) * (w - mean_w) for t, w in zip(times, widths, strict=True)) / spread
        residuals = [w - mean_w - slope * (t - mean_t) for t, w in zip(times, widths, strict=True)]
        noise = max(_WIDTH_NOISE, (sum(r * r for r in residuals) / max(1, len(residuals) - 2)) ** 0.5)
        growth, error = slope * span_s, noise * span_s / spread**0.5
        if abs(growth) > max(_MIN_GROWTH, _SIGNIFICANT * error):
            return Direction.APPROACHING if growth > 0 else Direction.LEAVING
    return Direction.STILL if still_for_s >= _STILL_AFTER_S else Direction.UNKNOWN


def _mismatch(predicted: Box, box: Box, unseen_s: float, reach: float) -> float | None:
    """How badly a box fits a prediction; None where it cannot be the same car."""
    a, b = _Sighting.of(predicted, 0), _Sighting.of(box, 0)
    distance = hypot(a.x - b.x, a.y - b.y) / max(a.width, b.width)
    growth = abs(log(b.width / a.width))
    farthest = reach * (_REACH_WIDTHS + _REACH_WIDTHS_PER_S * unseen_s)
    if distance > farthest or growth > _REACH_GROWTH * (1 + unseen_s):
        return None
    return distance + growth


def _middle(sightings: Sequence[_Sighting]) -> _Sighting:
    """The median sighting, so that one stray box moves nothing."""
    return _Sighting(
        sightings[-1].at_s,
        median(s.x for s in sightings),
        median(s.y for s in sightings),
        median(s.width for s in sightings),
        median(s.height for s in sightings),
    )


def _apart(a: _Sighting, b: _Sighting, shift: float, growth: float) -> bool:
    """Whether two places differ by more than `shift` plate widths or `growth` of the log of the size."""
    distance = hypot(a.x - b.x, a.y - b.y) / max(a.width, b.width)
    return distance > shift or abs(log(b.width / a.width)) > growth
