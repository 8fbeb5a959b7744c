"""The search form for cars: from what was typed to a query, and the links to further pages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from pod.store.car_search import CarQuery

OUTCOMES = {
    "opened": ("Opened", ("open commanded", "open already", "let in already", "opening")),
    "refused": ("Not opened", ("not opened",)),
    "fault": ("Fault", ("failed", "not known")),
}
"""What people choose from, and the outcomes of a record that are meant by it."""

_MOST_WRITTEN = 40


@dataclass(frozen=True, slots=True)
class CarSearch:
    """The fields as they are shown; `problems` has the mend by name of the field."""

    plate: str = ""
    day: str = ""
    camera: str = ""
    outcome: str = ""
    before: int | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def narrows(self) -> bool:
        return bool(self.plate or self.day or self.camera or self.outcome)

    def link(self, before: int | None = None) -> str:
        """The address of this search, from `before` on."""
        fields = {"plate": self.plate, "day": self.day, "camera": self.camera, "outcome": self.outcome}
        asked: dict[str, str | int] = {name: text for name, text in fields.items() if text}
        if before is not None:
            asked["before"] = before
        return f"/events?{urlencode(asked)}" if asked else "/events"


def search_of(address: Mapping[str, str], now: datetime) -> CarSearch:
    """The search that the query of an address asks for; what cannot be read is named, and asks for nothing.

    Args:
        now: aware, in the site's time zone.
    """

    def text(name: str) -> str:
        return address.get(name, "").strip()[:_MOST_WRITTEN]

    day, outcome, before = text("day"), text("outcome"), text("before")
    problems = {}
    if day and _day(day) is None:
        problems["day"] = "Write the day as 2030-05-31."
    elif day and day > now.date().isoformat():
        problems["day"] = "That day is still to come."
    return CarSearch(
        plate=text("plate"),
        day=day,
        camera=text("camera"),
        outcome=outcome if outcome in OUTCOMES else "",
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
        problems=problems,
    )


def query_of(search: CarSearch, now: datetime) -> CarQuery:
    """What to ask the audit for; `now` as in `search_of`."""
    day = _day(search.day)
    since = None if day is None else datetime.combine(day, time(), now.tzinfo)
    until = None if day is None else datetime.combine(day + timedelta(days=1), time(), now.tzinfo)
    return CarQuery(
        plate=search.plate,
        since=since,
        until=until,
        camera=search.camera,
        outcomes=OUTCOMES[search.outcome][1] if search.outcome else (),
        before=search.before,
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2200 else None
