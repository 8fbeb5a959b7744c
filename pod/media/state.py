"""How a camera is doing: the states a source reports and the counters it keeps. Pure."""

from dataclasses import dataclass
from typing import Literal

StateKind = Literal["connecting", "playing", "stale", "failed", "ended"]

STEADY_S = 1.0
CLEARLY_FRESH = 0.9
"""After a stale frame, frames younger than this part of the limit for so long make a camera playing again: at
the very limit it would change its state, and write it down, with every frame."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """One state of a camera.

    `connecting` before the first session, `playing` while fresh frames come, `stale` while a session is open
    but its frames are late or missing, `failed` from its end until frames come again, `ended` for good.

    Attributes:
        reason: a stable code; "" while connecting or playing.
        text: for people; says how to mend it where it needs mending.
    """

    kind: StateKind
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class SourceCounters:
    """Counts since the source was started; each only grows.

    Attributes:
        sessions: sessions opened; each after the first is a reconnect.
        attempts_failed: attempts to open a session that failed.
        units: access units received.
        frames: pictures decoded and put into the slot.
        frames_overwritten: frames nobody took before the next came.
        units_dropped: access units the decoder was too slow for.
        frames_undated: pictures of a session too young to know their age; never put into the slot.
        units_corrupt: access units or pictures that arrived damaged or did not decode.
        units_late: access units that arrived beyond the freshness limit.
        packets_lost: packets of the stream that never came; known only where it is read natively.
        packets_refused: packets and reports whose fields cannot be true; known only there, too.
    """

    sessions: int = 0
    attempts_failed: int = 0
    units: int = 0
    frames: int = 0
    frames_overwritten: int = 0
    frames_undated: int = 0
    units_dropped: int = 0
    units_corrupt: int = 0
    units_late: int = 0
    packets_lost: int = 0
    packets_refused: int = 0


class SteadyFreshness:
    """Whether the frames of one session are fresh, without flicker at the limit. Starts out fresh.

    Args:
        limit_s: the age from which on a frame is stale.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._stale = False
        self._clear_since_s: float | None = None

    def is_fresh(self, now_s: float, age_s: float) -> bool:
        """Take in the newest frame; `now_s` is monotonic."""
        if age_s > self._limit_s:
            self._stale = True
        if age_s > self._limit_s * CLEARLY_FRESH:
            self._clear_since_s = None
        elif self._clear_since_s is None:
            self._clear_since_s = now_s
        if self._clear_since_s is not None and now_s - self._clear_since_s >= STEADY_S:
            self._stale = False
        return not self._stale

    def interrupt(self) -> None:
        """No frame came for too long."""
        self._stale, self._clear_since_s = True, None
