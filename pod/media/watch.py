"""Judges an open session by its units: too late for too long, or giving no picture. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pod.media.faults import SessionError
from pod.media.frame import AccessUnit
from pod.media.stream_facts import SessionPath

LONGEST_GAP_S = 2.0
"""Of the time between two units at most so much counts as time without a picture: in the rest nothing
came that could have given one, as where this machine stood still."""


@dataclass(slots=True)
class SessionWatch:
    """Says when a session should be given up; a new one starts without what network or camera held back.

    Attributes:
        camera: name, for the message.
        opened_s: monotonic clock when the session began.
        path: how the stream is read, for the message.
        freshness_limit_s: a unit with a greater lag is late.
        late_s: how long nothing but late units may come.
        no_picture_s: how long units may come without one picture.
        late: units that were late.
    """

    camera: str
    opened_s: float
    path: SessionPath
    freshness_limit_s: float
    late_s: float
    no_picture_s: float
    late: int = 0
    _late_since_s: float | None = field(default=None, init=False)
    _picture_s: float | None = field(default=None, init=False)
    _unit_s: float | None = field(default=None, init=False)
    _fruitless_s: float = field(default=0.0, init=False)

    def judge(self, unit: AccessUnit, last_picture_s: float | None, *, arrival_lag_s: float) -> None:
        """Take in the newest unit.

        One that is late by the camera's own reports alone ends nothing: a new session would be believed until
        it has brought reports of its own.

        Args:
            last_picture_s: monotonic clock of the newest picture; None before the first.
            arrival_lag_s: how late it is by its arrival, whatever the reports say.

        Raises:
            SessionError: `late` or `undecodable`.
        """
        self.late += self.freshness_limit_s < unit.lag_s < math.inf
        if arrival_lag_s <= self.freshness_limit_s:
            self._late_since_s = None
        else:
            if self._late_since_s is None:
                self._late_since_s = unit.arrival_s
            if unit.arrival_s - self._late_since_s > self.late_s:
                raise SessionError(
                    "late",
                    f"{self.camera} stays more than {self.freshness_limit_s:g} s behind: "
                    "lower its bit rate, or mend the network to it",
                )
        if last_picture_s != self._picture_s:
            self._picture_s, self._fruitless_s = last_picture_s, 0.0
        gap_s = unit.arrival_s - (self.opened_s if self._unit_s is None else self._unit_s)
        self._unit_s = unit.arrival_s
        self._fruitless_s += min(gap_s, LONGEST_GAP_S)
        if self._fruitless_s > self.no_picture_s:
            raise SessionError("undecodable", no_picture(self.camera, self.path))


def old_by_report(lag_s: float) -> str:
    """What to say about pictures that are old by their camera's sender reports, whatever the arrival says."""
    return (
        f"by the camera's own reports its pictures are {lag_s:.1f} s old when they come: restart it, or, "
        "where they are seen to be punctual, set its transport to libav, which reads no reports"
    )


def no_picture(camera: str, path: SessionPath) -> str:
    """What to say about units that no decoder makes a picture of."""
    read, mend = _READ[path]
    return f"{camera} gives video that cannot be decoded{read}: use H.264 or H.265 with 8 bits{mend}"


_READ: Mapping[SessionPath, tuple[str, str]] = {
    "native": (", read natively", ", or set its transport to libav"),
    "libav": (", read through libav", ""),
    "file": ("", ", or another file"),
}
