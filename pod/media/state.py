"""How a camera is doing: the states a source reports and the counters it keeps. Pure."""

from dataclasses import dataclass
from typing import Literal

StateKind = Literal["connecting", "playing", "stale", "failed", "ended"]


@dataclass(frozen=True, slots=True)
class CameraState:
    """One state of a camera.

    `connecting` before the first session, `playing` while fresh frames come, `stale` while a session is open
    but its frames are late or missing, `failed` from its end until frames come again, `ended` for good.

    Attributes:
        reason: a stable code; "" while connecting or playing.
        text: for people; says how to mend it where it needs mending.
        since_s: monotonic clock.
    """

    kind: StateKind
    reason: str
    text: str
    since_s: float


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
