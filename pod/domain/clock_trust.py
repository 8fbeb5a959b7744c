"""Whether the wall clock can be believed where an entry depends on it. Pure: the caller brings the clocks.

Doubt ends by itself only where a time service vouches for the clock. A clock that lies before what is already
written down is believed again once it has caught up, and one before it or far past it once a person has
accepted it.
"""

from datetime import datetime, timedelta

STEP_S = 2.0
"""A clock that moved by more than this against the monotonic one was set, not corrected."""

SLEW = 0.0005
"""How fast a kernel corrects a clock at most, seconds a second (adjtimex(2): 500 ppm)."""

SETTLED_S = 60.0
"""A time service must vouch for a stepped clock so long, without another step, before it is believed."""

LEAP_S = 35 * 86_400.0
"""A clock so far past the newest row at the start is doubted, unless a time service vouches for it: what it
says of age must not erase a year of audit."""

UNSYNCHRONISED = "no time service keeps this clock right"
STEPPED = "the clock was set while the POD ran"
BEHIND = "the clock is behind what is already written down"
AHEAD = "the clock is more than a month past what was last written down"


class ClockTrust:
    """Judges one wall clock, call by call, from the start of a POD on.

    Args:
        newest: aware UTC, when the newest believable row was written; None before the first.
        needs_sync: whether a time service must vouch for the clock; else the machine's own battery-backed
            clock is believed while it runs on evenly.
    """

    def __init__(self, *, newest: datetime | None, needs_sync: bool) -> None:
        self._newest = newest
        self._needs_sync = needs_sync
        self._lead_s: float | None = None
        self._seen_s = 0.0
        self._stepped_s: float | None = None
        self._unsynced_s: float | None = None
        self._leapt: bool | None = None

    def judge(self, now: datetime, mono_s: float, *, synchronised: bool | None) -> str:
        """Why the clock cannot be believed now; empty while it can.

        Args:
            now: what the wall clock says, aware UTC.
            mono_s: what the monotonic clock says at the same moment.
            synchronised: whether the kernel counts the clock as synchronised; None where it does not tell.
        """
        self._note_step(now.timestamp() - mono_s, mono_s)
        if synchronised is not True:
            self._unsynced_s = mono_s
        if self._stepped_s is not None and self._needs_sync and synchronised is True:
            quiet_since_s = max(self._stepped_s, self._unsynced_s or self._stepped_s)
            if mono_s - quiet_since_s >= SETTLED_S:
                self._stepped_s = None
        if self._needs_sync and synchronised is not True:
            return UNSYNCHRONISED
        if self._stepped_s is not None:
            return STEPPED
        if self._newest is not None and now < self._newest - timedelta(seconds=STEP_S):
            return BEHIND
        if self._has_leapt(now) and synchronised is not True:
            return AHEAD
        self._newest = now if self._newest is None else max(now, self._newest)
        return ""

    def _has_leapt(self, now: datetime) -> bool:
        """Whether the first look found the clock far past the newest row."""
        if self._leapt is None:
            self._leapt = self._newest is not None and now > self._newest + timedelta(seconds=LEAP_S)
        return self._leapt

    def _note_step(self, lead_s: float, mono_s: float) -> None:
        """The wall clock's lead over the monotonic one may change as slowly as a kernel corrects it."""
        if self._lead_s is None:
            self._lead_s, self._seen_s = lead_s, mono_s
            return
        change_s = lead_s - self._lead_s
        if abs(change_s) > STEP_S:
            self._lead_s, self._stepped_s = lead_s, mono_s
        else:
            slewed_s = SLEW * max(0.0, mono_s - self._seen_s)
            self._lead_s += min(max(change_s, -slewed_s), slewed_s)
        self._seen_s = max(self._seen_s, mono_s)
