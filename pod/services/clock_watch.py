"""The wall clock with what is known against it: asked by every decision, watched in between."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pod.domain.clock_trust import AHEAD, BEHIND, STEPPED, UNSYNCHRONISED, ClockTrust
from pod.runtime.clock_sync import is_clock_synchronised
from pod.services.alarms import Alarms
from pod.services.health import PartHealth, Status

ALARM = "clock_unsure"
WATCH_S = 1.0
_KERNEL_ASKED_S = 1.0

_ACCEPT = "Set it right; where it is right, stop the POD, run `platebridge pod clock --accept` and start it."

_MENDS = {
    UNSYNCHRONISED: (
        "Give this machine a time service (`timedatectl set-ntp true`); where a battery-backed clock keeps "
        "the time without one, set site.clock to rtc."
    ),
    STEPPED: "It is believed again once a time service has kept it for a minute, or after a restart.",
    BEHIND: _ACCEPT,
    AHEAD: _ACCEPT,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at the clock.

    Attributes:
        now: aware UTC.
        doubt: why it cannot be believed; empty while it can.
    """

    now: datetime
    doubt: str


class ClockWatch:
    """Reads and judges the wall clock. Any thread may call; nothing here blocks.

    Args:
        trust: what is known of the clock so far; this watch alone uses it from now on.
        note: told of each change between sure and unsure, as an audit payload; must not block.
        was_doubted: the audit ends in a doubt of an earlier start. Where there is none any more that has to
            be noted: rows after a doubt count for nothing until it is over.
    """

    def __init__(
        self,
        trust: ClockTrust,
        *,
        note: Callable[[dict[str, object]], None],
        alarms: Alarms,
        was_doubted: bool = False,
    ) -> None:
        self._trust = trust
        self._note = note
        self._alarms = alarms
        self._was_doubted = was_doubted
        self._lock = threading.Lock()
        self._doubt: str | None = None
        self._kernel_s = float("-inf")
        self._kernel: bool | None = None

    def look(self) -> Moment:
        """What time it is, and whether that can be believed."""
        with self._lock:
            mono_s = time.monotonic()
            if mono_s - self._kernel_s >= _KERNEL_ASKED_S:
                self._kernel, self._kernel_s = is_clock_synchronised(), mono_s
            now = datetime.now(UTC)
            doubt = self._trust.judge(now, mono_s, synchronised=self._kernel)
            if doubt != self._doubt:
                self._changed(self._doubt, doubt)
                self._doubt = doubt
        return Moment(now, doubt)

    async def watch(self) -> None:
        """Look at the clock once a second, so that a step is seen though no car comes."""
        while True:
            self.look()
            await asyncio.sleep(WATCH_S)

    def probe(self) -> PartHealth:
        """Degraded while in doubt: those who may come at any time still get in."""
        doubt = self._doubt
        if not doubt:
            return PartHealth("clock", Status.OK)
        return PartHealth("clock", Status.DEGRADED, sentence_of(doubt))

    def _changed(self, before: str | None, doubt: str) -> None:
        if doubt:
            self._note({"state": "unsure", "why": doubt})
            self._alarms.end(ALARM, "clock")
            self._alarms.begin(ALARM, "clock", sentence_of(doubt))
        elif before or self._was_doubted:
            self._note({"state": "sure"})
            self._alarms.end(ALARM, "clock")


def sentence_of(doubt: str) -> str:
    """The doubt, what follows from it, and its mend."""
    follows = "Entries with a start, an end or a schedule stay out."
    return f"The time is not certain: {doubt}. {follows} {_MENDS[doubt]}"
