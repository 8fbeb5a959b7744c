"""What a store does beyond writing, where its process alone keeps the data directory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pod.store.journal import DEFAULT_BYTES


class AlarmSink(Protocol):
    """Where alarms go; must not block."""

    def begin(self, code: str, subject: str, text: str) -> None: ...

    def end(self, code: str, subject: str) -> None: ...


class NoAlarms:
    """For a process that has nobody to show an alarm to; the audit tells of it all the same."""

    def begin(self, code: str, subject: str, text: str) -> None: ...

    def end(self, code: str, subject: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Keeping:
    """A journal, a reserve, good copies and recovery, for the process that holds the directory's lock.

    Attributes:
        alarms: told of `disk_full`, `store_corrupt` and `store_journaling`, each with the subject `store`.
        make_room: asked for bytes on a full disk before the reserve is given up; returns the bytes it freed.
        reserve_bytes: kept free for the database.
        journal_bytes: size of the journal's file.
        copy_every_s: seconds between two good copies of the database.
    """

    alarms: AlarmSink
    make_room: Callable[[int], int]
    reserve_bytes: int = 16 * 1024 * 1024
    journal_bytes: int = DEFAULT_BYTES
    copy_every_s: float = 3600.0
