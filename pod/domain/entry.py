"""One row of the access list: who, for what, where and when. Pure data."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pod.domain.schedule import Schedule


class Verdict(StrEnum):
    """What an entry asks for, and what a decision says."""

    ALLOW = "allow"
    DENY = "deny"


class EntryType(StrEnum):
    """Why somebody is on the list."""

    RESIDENT = "resident"
    VISITOR = "visitor"
    DELIVERY = "delivery"
    SERVICE = "service"
    CONTRACTOR = "contractor"
    EMERGENCY = "emergency"
    STAFF = "staff"


class Owner(StrEnum):
    """Who alone may change an entry."""

    POD = "pod"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the access list.

    Attributes:
        key: the plate's match key (`plates.match_key`); an index finds entries by it.
        plate: the plate as people wrote it, canonical form.
        starts_at: aware UTC; the entry counts from then on. None: always.
        expires_at: aware UTC; the entry counts until just before. None: for ever.
        gates: names of the gates it holds for; empty: all.
        cameras: names of the cameras it holds for; empty: all.
        sites: ids of the sites it holds for; empty: all.
        schedule: when in the week it counts; None: always.
        uses_left: how often it may still open; None: without limit.
        exact_only: opens only for a reading of exactly this plate, never for one that may be a misread of it.
        id: the row in the store; 0 before it has one.
    """

    key: str
    plate: str
    verdict: Verdict
    type: EntryType
    label: str = ""
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    gates: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    schedule: Schedule | None = None
    uses_left: int | None = None
    exact_only: bool = False
    owner: Owner = Owner.POD
    id: int = 0

    @property
    def is_timed(self) -> bool:
        """Whether the wall clock decides about it."""
        return self.starts_at is not None or self.expires_at is not None or self.schedule is not None
