"""What the `plates` verbs say of an entry, in words for the terminal. Pure."""

from datetime import datetime, tzinfo

from pod.domain.entry import Entry, Owner, Verdict
from pod.domain.schedule import format_schedule

TITLES = (
    "Plate",
    "Verdict",
    "Type",
    "Label",
    "From",
    "Until",
    "When",
    "Gates",
    "Cameras",
    "Sites",
    "Uses",
    "Read",
    "Kept by",
    "Now",
)
"""The columns of `cells`."""


def cells(entry: Entry, now: datetime, zone: tzinfo) -> tuple[str, ...]:
    """The row of a table."""
    return (
        entry.plate,
        entry.verdict.value,
        entry.type.value,
        entry.label,
        local(entry.starts_at, zone),
        local(entry.expires_at, zone),
        "" if entry.schedule is None else format_schedule(entry.schedule),
        " ".join(entry.gates) or "all",
        " ".join(entry.cameras),
        " ".join(entry.sites),
        "" if entry.uses_left is None else str(entry.uses_left),
        "exactly" if entry.exact_only else "",
        "cloud" if entry.owner is Owner.CLOUD else "",
        state(entry, now, zone),
    )


def limits(entry: Entry, zone: tzinfo) -> str:
    """What bounds an entry, to follow its plate in a sentence; empty where nothing does."""
    parts = []
    if entry.starts_at is not None:
        parts.append(f"from {local(entry.starts_at, zone)}")
    if entry.expires_at is not None:
        parts.append(f"until {local(entry.expires_at, zone)}")
    if entry.schedule is not None:
        parts.append(format_schedule(entry.schedule))
    if entry.gates:
        parts.append(f"at {', '.join(entry.gates)}")
    if entry.cameras:
        parts.append(f"seen by {', '.join(entry.cameras)}")
    if entry.sites:
        parts.append(f"at site {', '.join(entry.sites)}")
    if entry.uses_left is not None:
        parts.append("once" if entry.uses_left == 1 else f"{entry.uses_left} times")
    if entry.exact_only:
        parts.append("if read exactly")
    return "".join(f" {part}" for part in parts) + (f" ({zone})" if entry.is_timed else "")


def state(entry: Entry, now: datetime, zone: tzinfo) -> str:
    """Whether an entry counts now, and if not, why."""
    if entry.starts_at is not None and now < entry.starts_at:
        return "not yet"
    if entry.expires_at is not None and now >= entry.expires_at:
        return "over"
    if entry.uses_left == 0:
        return "used up"
    if entry.schedule is not None:
        holds = entry.schedule.may_hold if entry.verdict is Verdict.DENY else entry.schedule.holds
        return "counts" if holds(now, zone) else "not now"
    return "counts"


def local(moment: datetime | None, zone: tzinfo) -> str:
    """In the zone's wall time, to the minute; None is empty."""
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")
