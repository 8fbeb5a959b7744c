"""What holds at the moment of a decision, beside the plate and the list. Pure data."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo


@dataclass(frozen=True, slots=True)
class SiteState:
    """Switches of the whole site, kept with the list.

    Attributes:
        lockdown: only entry types that lockdown spares are let in.
        auto_grant: False: listed plates are noted and shown, but open nothing by themselves.
    """

    lockdown: bool = False
    auto_grant: bool = True


@dataclass(frozen=True, slots=True)
class Situation:
    """Where and when a car asks to be let in.

    Attributes:
        site: id of this site, as entries name it.
        camera: name of the camera that saw it.
        gate: name of the gate that camera serves.
        now: aware UTC.
        zone: of the site; schedules are in its wall time.
        clock_doubt: why the wall clock cannot be trusted, in words; empty while it can.
        list_age_s: seconds since the owner of the cloud's entries last confirmed them; None where no cloud
            keeps entries here.
        state: the site's switches.
        list_version: of the access list that the candidates come from.
    """

    camera: str
    gate: str
    now: datetime
    site: str = "site"
    zone: tzinfo = UTC
    clock_doubt: str = ""
    list_age_s: float | None = None
    state: SiteState = field(default_factory=SiteState)
    list_version: int = -1
