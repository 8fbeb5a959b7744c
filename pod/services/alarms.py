"""What somebody must look at now: alarms raised once, shown until cleared, and audited both times."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that does not mend itself.

    Attributes:
        code: what it is, such as `gate_forced`.
        subject: the gate, camera or part it is about.
        text: what happened and what to do, for people.
        since: aware UTC.
    """

    code: str
    subject: str
    text: str
    since: datetime


class Alarms:
    """The alarms that stand now. Any thread may call; nothing here blocks.

    Args:
        note: told of each change as an audit payload; must not block.
        now: the wall clock, aware UTC.
    """

    def __init__(self, note: Callable[[dict[str, object]], None], *, now: Callable[[], datetime]) -> None:
        self._note = note
        self._now = now
        self._lock = threading.Lock()
        self._standing: dict[tuple[str, str], Alarm] = {}

    def begin(self, code: str, subject: str, text: str) -> None:
        """Raise an alarm; one that stands already keeps its first words and time."""
        with self._lock:
            if (code, subject) in self._standing:
                return
            self._standing[code, subject] = Alarm(code, subject, text, self._now())
        self._note({"alarm": code, "subject": subject, "state": "raised", "text": text})

    def end(self, code: str, subject: str) -> None:
        """Clear an alarm; nothing happens where it does not stand."""
        with self._lock:
            if self._standing.pop((code, subject), None) is None:
                return
        self._note({"alarm": code, "subject": subject, "state": "cleared", "text": ""})

    def standing(self) -> tuple[Alarm, ...]:
        """The alarms that stand, oldest first."""
        with self._lock:
            return tuple(sorted(self._standing.values(), key=lambda alarm: alarm.since))
