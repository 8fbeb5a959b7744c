"""Let a visitor in: the few fields that takes, and the entry they make. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.plates import match_key
from pod.store.entries import parse_label
from pod.store.list_times import parse_end
from pod.web.list_form import FormProblemsError, Taken, parse_typed, uses_of, written
from pod.web.schedule_form import Fields

UNTIL = ("tonight", "tomorrow", "day")
"""Until the end of today, of tomorrow, or of a day of one's choice."""

_MOST_WRITTEN = 200


@dataclass(frozen=True, slots=True)
class VisitorForm:
    """The fields as they are shown; `problems` has the mend by name of the field."""

    plate: str = ""
    label: str = ""
    until: str = UNTIL[0]
    day: str = ""
    uses: str = "1"
    problems: dict[str, str] = field(default_factory=dict)


def read_visitor(fields: Fields) -> VisitorForm:
    """The fields as they were sent, not judged yet."""

    def text(name: str) -> str:
        return written(fields, name)[:_MOST_WRITTEN]

    until = text("until")
    return VisitorForm(
        plate=written(fields, "plate"),
        label=written(fields, "label"),
        until=until if until in UNTIL else UNTIL[0],
        day=text("day"),
        uses=text("uses"),
    )


def visitor_of(form: VisitorForm, now: datetime) -> Entry:
    """The entry for a visitor.

    Args:
        now: aware, in the site's time zone.

    Raises:
        FormProblemsError: fields can't be taken.
    """
    taken = Taken()
    plate = taken.take("plate", lambda: parse_typed(form.plate), "")
    label = taken.take("label", lambda: parse_label(form.label), "")
    uses_left = taken.take("uses", lambda: uses_of(form.uses, Verdict.ALLOW), None)
    expires_at = taken.take("day", lambda: _end(form, now), now)
    if not form.plate:
        taken.problems["plate"] = "Write the plate."
    if taken.problems:
        raise FormProblemsError(taken.problems)
    return Entry(
        key=match_key(plate),
        plate=plate,
        verdict=Verdict.ALLOW,
        type=EntryType.VISITOR,
        label=label,
        expires_at=expires_at,
        uses_left=uses_left,
    )


def _end(form: VisitorForm, now: datetime) -> datetime:
    zone = now.tzinfo
    if zone is None:
        raise ValueError("the time needs its zone")
    day = now.date() + timedelta(days=UNTIL.index(form.until)) if form.until != "day" else None
    if day is None and not form.day:
        raise PlateListError("choose the last day")
    end = parse_end(form.day if day is None else day.isoformat(), zone, verdict=Verdict.ALLOW)
    if end <= now:
        raise PlateListError("that day is over: choose today or a later one")
    return end
