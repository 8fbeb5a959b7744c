"""When each unit of a clip is shown: by the camera's clock while that is believable. Pure."""

from collections.abc import Sequence

from pod.media.clips.boxes import TIMESCALE
from pod.media.frame import AccessUnit

MOST_ASTRAY_S = 5.0
"""So far may camera clock and arrival be apart: networks hold units back and let them go at once."""

MOST_BACK_S = 1.0
"""Coded order puts a picture before one shown earlier; further back than this, the clock was set anew."""


class Timeline:
    """Places the units of one clip, in the order in which they came; the first is at 0."""

    def __init__(self, first: AccessUnit) -> None:
        self._start_s = first.arrival_s
        self._base_s = first.rtp_time_s
        self._newest_s = 0.0
        self._newest_arrival_s = first.arrival_s

    def place(self, unit: AccessUnit) -> int:
        """Ticks since the first unit; negative for a picture shown before it.

        Where the camera's clock jumped, or a new session began, it goes on from what passed since on this
        machine's clock.
        """
        at_s = unit.rtp_time_s - self._base_s
        astray_s = abs(at_s - (unit.arrival_s - self._start_s))
        if astray_s > MOST_ASTRAY_S or at_s < self._newest_s - MOST_BACK_S:
            at_s = self._newest_s + max(1 / TIMESCALE, unit.arrival_s - self._newest_arrival_s)
            self._base_s, self._start_s = unit.rtp_time_s - at_s, unit.arrival_s - at_s
        if at_s > self._newest_s:
            self._newest_s, self._newest_arrival_s = at_s, unit.arrival_s
        return round(at_s * TIMESCALE)


def reordering(units: Sequence[AccessUnit]) -> int:
    """By how much pictures must be shown late, so that each is decoded before, in ticks; 0 without B-frames.

    Args:
        units: in coded order, at least one.
    """
    timeline = Timeline(units[0])
    shown = [at for at in map(timeline.place, units) if at >= 0]
    return max(turn - at for turn, at in zip(sorted(shown), shown, strict=True))
