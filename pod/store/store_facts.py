"""How a keeping store fares, for health."""

from dataclasses import dataclass
from datetime import datetime

from pod.store.recovery import Recovery


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """How a keeping store fares, apart from its last write.

    Attributes:
        journaled: rows that wait in the journal for the database.
        unwritten: rows that not even the journal takes, and that wait in memory.
        dropped: rows for which there was no room in memory either, since the start.
        is_reserve_held: whether disk space is held back for the database.
        recovered: what was put back since the start; None where nothing had to be.
        copy_at: when the newest good copy was made; None where there is none.
        copy_fault: why there is no newer one; None where nothing is wrong.
    """

    journaled: int
    unwritten: int
    dropped: int
    is_reserve_held: bool
    recovered: Recovery | None
    copy_at: datetime | None
    copy_fault: str | None
