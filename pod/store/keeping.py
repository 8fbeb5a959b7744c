"""What a store does beyond writing, where its process alone keeps the data directory."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pod.store.journal import DEFAULT_BYTES

SUBJECT = "store"
"""What the store's alarms are about."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """A journal, a reserve, good copies and recovery, for the process that holds the directory's lock.

    Attributes:
        reserve_bytes: disk space held back for the database.
        journal_bytes: size of the journal's file.
        copy_every_s: seconds between two good copies of the database.
    """

    reserve_bytes: int = 16 * 1024 * 1024
    journal_bytes: int = DEFAULT_BYTES
    copy_every_s: float = 3600.0


class AlarmSink(Protocol):
    """Where alarms go; must not block."""

    def begin(self, code: str, subject: str, text: str) -> None: ...

    def end(self, code: str, subject: str) -> None: ...


class Attendants:
    """Whom the store turns to in trouble. They come after it: alarms wait for them. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alarms: AlarmSink | None = None
        self._make_room: Callable[[int], int] | None = None
        self._waiting: dict[str, str] = {}

    def attend(self, alarms: AlarmSink, make_room: Callable[[int], int]) -> None:
        """Take them on, and tell them what stands."""
        with self._lock:
            self._alarms, self._make_room = alarms, make_room
            waiting, self._waiting = self._waiting, {}
        for code, text in waiting.items():
            alarms.begin(code, SUBJECT, text)

    def begin(self, code: str, text: str) -> None:
        """Raise `disk_full`, `store_corrupt` or `store_journaling`."""
        with self._lock:
            alarms = self._alarms
            if alarms is None:
                self._waiting.setdefault(code, text)
        if alarms is not None:
            alarms.begin(code, SUBJECT, text)

    def end(self, code: str) -> None:
        with self._lock:
            alarms = self._alarms
            self._waiting.pop(code, None)
        if alarms is not None:
            alarms.end(code, SUBJECT)

    def make_room(self, need_bytes: int) -> int:
        """Have files deleted that are worth less than an audit row; returns the bytes freed."""
        with self._lock:
            make_room = self._make_room
        return 0 if make_room is None else make_room(need_bytes)
