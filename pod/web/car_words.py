"""What the page says of cars, in words for whoever looks after the gate. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pod.domain.history import ApproachRecord

UNFINISHED_AFTER_S = 30.0
"""A pulse ends within seconds; an opening without an end for this long will get none any more."""

_LOOKS = {
    "open commanded": ("opened", "Open commanded"),
    "open already": ("already", "Already open"),
    "let in already": ("already", "Already let in"),
    "opening": ("opening", "Opening now"),
    "not opened": ("kept", "Not opened"),
    "failed": ("fault", "Not opened: fault"),
    "not known": ("fault", "Outcome not known"),
}
"""Look and title by outcome. A look has its own icon, so that nothing rests on colour alone."""

_FAULTS = {"gate_failed", "gate_unavailable", "store_failed", "stale_frame"}
"""Reasons for which a car was not let in because something did not work, not because of the list."""

_UNKNOWN_END = {"gate_failed"}
"""Faults after which the gate may have opened all the same."""


@dataclass(frozen=True, slots=True)
class CarWords:
    """One car as the page shows it.

    Attributes:
        look: opened, already, opening, kept or fault: names its icon and its style.
        plate: as people wrote it on the list, else as it was read; "" where nothing was legible.
        guess: the plate is no more than the best guess.
        sure: how sure the reading is.
        who: whom the entry is for, such as "Flat 3, resident"; "" for a plate without entry.
        at: local time of the site.
        said: one sentence for those who listen to the page; "" while the end is open.
    """

    id: str
    look: str
    title: str
    plate: str
    guess: bool
    why: str
    who: str
    where: str
    sure: str
    at: datetime
    ago: str
    said: str


@dataclass(frozen=True, slots=True)
class DayWords:
    """The cars of one day, newest first."""

    day: date
    title: str
    cars: Sequence[CarWords]


def days_of(records: Iterable[ApproachRecord], now: datetime) -> list[DayWords]:
    """The records by day, in their order.

    Args:
        now: aware, in the site's time zone, which is that of every time in the result.
    """
    days: dict[date, list[CarWords]] = {}
    for record in records:
        car = car_of(record, now)
        days.setdefault(car.at.date(), []).append(car)
    return [DayWords(day, _day_title(day, now.date()), cars) for day, cars in days.items()]


def car_of(record: ApproachRecord, now: datetime) -> CarWords:
    """One record in words; `now` as in `days_of`."""
    age_s = (now - record.at).total_seconds()
    outcome, why = record.outcome, record.why
    if outcome == "not known" or (outcome == "opening" and age_s > UNFINISHED_AFTER_S):
        outcome = "not known"
        why = "The gate was being asked to open when the POD stopped: it is not known whether it opened."
    elif outcome == "not opened" and record.reason in _FAULTS:
        outcome = "failed"
    look, title = _LOOKS[outcome]
    if outcome == "failed" and record.reason in _UNKNOWN_END:
        title = "Gate fault"
    plate = record.entry or record.plate
    return CarWords(
        id=record.approach,
        look=look,
        title=title,
        plate=plate,
        guess=bool(plate) and record.reason == "low_confidence",
        why=why,
        who=_who(record.label, record.type),
        where=f"Camera {record.camera}, gate {record.gate}",
        sure=as_sure(record.confidence, record.flags) if plate else "",
        at=record.at.astimezone(now.tzinfo),
        ago=ago(age_s),
        said="" if look == "opening" else f"{plate or 'A car without a legible plate'}: {title}. {why}",
    )


def _who(label: str, type_: str) -> str:
    """The entry's label, with its type where the label does not name it already."""
    known = (label,) if type_.lower() in label.lower() else (label, type_)
    who = ", ".join(filter(None, known))
    return who[:1].upper() + who[1:]


def as_sure(confidence: float, flags: Collection[str] = ()) -> str:
    """Rounded, but never up to certainty; for a near match, what was in doubt."""
    if "near_match" in flags:
        return "sure but for one character"
    return "over 99 % sure" if confidence > 0.99 else f"{confidence * 100:.0f} % sure"


def ago(age_s: float) -> str:
    """How long ago, roughly; "" from a day on, where the day's title says more."""
    if age_s < 10:
        return "just now"
    if age_s < 60:
        return f"{age_s // 10 * 10:.0f} s ago"
    if age_s < 3600:
        return f"{age_s // 60:.0f} min ago"
    return f"{age_s // 3600:.0f} h ago" if age_s < 86400 else ""


def _day_title(day: date, today: date) -> str:
    days = (today - day).days
    if days in (0, 1):
        return ("Today", "Yesterday")[days]
    return f"{day:%A} {day.day} {day:%B}" + ("" if day.year == today.year else f" {day.year}")
