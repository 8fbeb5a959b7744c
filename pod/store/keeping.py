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
        look_every_s: seconds between two looks whether the file is whole on disk; more for a large one.
    """

    reserve_bytes: int = 16 * 1024 * 1024
    journal_bytes: int = DEFAULT_BYTES
    copy_every_s: float = 3600.0
    look_every_s: float = 60.0


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
        self._untold: dict[str, str | None] = {}
        self._is_telling = False

    def attend(self, alarms: AlarmSink, make_room: Callable[[int], int]) -> None:
        """Take them on, and tell them what stands."""
        with self._lock:
            self._alarms, self._make_room = alarms, make_room
        self._tell()

    def begin(self, code: str, text: str) -> None:
        """Raise `disk_full`, `store_corrupt` or `store_journaling`."""
        with self._lock:
            if self._untold.get(code) is None:
                self._untold[code] = text
        self._tell()

    def end(self, code: str) -> None:
        with self._lock:
            self._untold[code] = None
        self._tell()

    def make_room(self, need_bytes: int) -> int:
        """Have files deleted that are worth less than an audit row; returns the bytes freed."""
        with self._lock:
            make_room = self._make_room
        return 0 if make_room is None else make_room(need_bytes)

    def _tell(self) -> None:
        """Pass on what nobody was told yet. One thread at a time, so that no alarm outlives its end."""
        while True:
            with self._lock:
                alarms = self._alarms
                if alarms is None or self._is_telling or not self._untold:
                    return
                code = next(iter(self._untold))
                text = self._untold.pop(code)
                self._is_telling = True
            try:
                if text is None:
                    alarms.end(code, SUBJECT)
                else:
                    alarms.begin(code, SUBJECT, text)
            finally:
                with self._lock:
                    self._is_telling = False
