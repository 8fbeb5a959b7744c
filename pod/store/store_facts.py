"""How a keeping store fares, for health."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pod.store.copiers import Copiers
from pod.store.copies import FOLDER, find_copies
from pod.store.detour import Detour
from pod.store.recovery import Recovery
from pod.store.rescue import Rescue


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


def gather(path: Path, rescue: Rescue, detour: Detour, copiers: Copiers) -> StoreFacts:
    """How the parts of a keeping store fare. Looks into a directory, never waits."""
    copies = find_copies(path.parent / FOLDER)
    return StoreFacts(
        journaled=detour.stats.waiting,
        unwritten=len(detour.unwritten),
        dropped=detour.unwritten.dropped,
        is_reserve_held=rescue.is_reserve_held,
        recovered=rescue.recovered,
        copy_at=copies[0].at if copies else None,
        copy_fault=copiers.fault,
    )
