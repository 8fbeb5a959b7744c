"""The form for one entry: from an entry to fields, and back with a mend at each field. Pure.

A date alone counts from its start, or until its end, as in CSV files. A time that was not touched stays as it
was to the microsecond, also where the form cannot show it so exactly.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta, tzinfo
from typing import TypeVar

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.plates import match_key
from pod.domain.schedule import Schedule
from pod.store.entries import check_span, parse_label, parse_names, parse_uses, parse_written
from pod.store.list_times import parse_end, parse_start
from pod.web.schedule_form import Fields, WindowRow, read_rows, rows_of, schedule_of

T = TypeVar("T")

_MOST_WRITTEN = 200
"""Characters of a field for a date or a number that are shown again after a refusal; a body has its bound."""


@dataclass(frozen=True, slots=True)
class Places:
    """What an entry can be for."""

    gates: tuple[str, ...]
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntryForm:
    """The fields as they are shown.

    Attributes:
        scoped_gates, scoped_cameras: "only these" is chosen; otherwise it counts at all of them.
        problems: the mend by name of the field; "" for the entry as a whole.
    """

    plate: str = ""
    label: str = ""
    verdict: str = Verdict.ALLOW.value
    type: str = EntryType.RESIDENT.value
    from_day: str = ""
    from_time: str = ""
    until_day: str = ""
    until_time: str = ""
    uses: str = ""
    exact_only: bool = False
    scheduled: bool = False
    windows: tuple[WindowRow, ...] = ()
    scoped_gates: bool = False
    gates: tuple[str, ...] = ()
    scoped_cameras: bool = False
    cameras: tuple[str, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)


def form_of(entry: Entry, zone: tzinfo) -> EntryForm:
    """The fields that show an entry."""
    from_day, from_time = _split(entry.starts_at, zone)
    until_day, until_time = _split_end(entry.expires_at, zone)
    return EntryForm(
        plate=entry.plate,
        label=entry.label,
        verdict=entry.verdict.value,
        type=entry.type.value,
        from_day=from_day,
        from_time=from_time,
        until_day=until_day,
        until_time=until_time,
        uses="" if entry.uses_left is None else str(entry.uses_left),
        exact_only=entry.exact_only,
        scheduled=entry.schedule is not None,
        windows=rows_of(entry.schedule),
        scoped_gates=bool(entry.gates),
        gates=entry.gates,
        scoped_cameras=bool(entry.cameras),
        cameras=entry.cameras,
    )


def read_form(fields: Fields) -> EntryForm:
    """The fields as they were sent, not judged yet."""

    def text(name: str) -> str:
        return written(fields, name)[:_MOST_WRITTEN]

    return EntryForm(
        plate=written(fields, "plate"),
        label=written(fields, "label"),
        verdict=text("verdict") or Verdict.ALLOW.value,
        type=text("type") or EntryType.RESIDENT.value,
        from_day=text("from_day"),
        from_time=text("from_time"),
        until_day=text("until_day"),
        until_time=text("until_time"),
        uses=text("uses"),
        exact_only=bool(text("exact_only")),
        scheduled=text("scheduled") == "yes",
        windows=read_rows(fields),
        scoped_gates=text("gate_scope") == "some",
        gates=tuple(fields.get("gates", ()))[:_MOST_WRITTEN],
        scoped_cameras=text("camera_scope") == "some",
        cameras=tuple(fields.get("cameras", ()))[:_MOST_WRITTEN],
    )


def entry_of(form: EntryForm, places: Places, zone: tzinfo, *, before: Entry | None = None) -> Entry:
    """The entry that a form asks for.

    Args:
        before: the entry that is changed; its id, owner and sites stay, and names it has may stay though the
            configuration has them no more.

    Raises:
        FormProblemsError: fields can't be taken.
    """
    taken = Taken()
    plate = taken.take("plate", lambda: parse_typed(form.plate), "")
    label = taken.take("label", lambda: parse_label(form.label), "")
    verdict = taken.take("verdict", lambda: _choice(Verdict, form.verdict), Verdict.ALLOW)
    type_ = taken.take("type", lambda: _choice(EntryType, form.type), EntryType.RESIDENT)
    starts_at = taken.take("from", lambda: _start(form, zone, verdict, before), None)
    expires_at = taken.take("until", lambda: _end(form, zone, verdict, before), None)
    taken.take("until", lambda: check_span(starts_at, expires_at), None)
    uses_left = taken.take("uses", lambda: uses_of(form.uses, verdict), None)
    had = (before.gates, before.cameras) if before else ((), ())
    everywhere: tuple[str, ...] = ()
    gates = taken.take(
        "gates",
        lambda: _names(form.scoped_gates, form.gates, "gate", known=places.gates, before=had[0]),
        everywhere,
    )
    cameras = taken.take(
        "cameras",
        lambda: _names(form.scoped_cameras, form.cameras, "camera", known=places.cameras, before=had[1]),
        everywhere,
    )
    schedule = taken.take("schedule", lambda: _schedule(form), None)
    if not form.plate:
        taken.problems["plate"] = "Write the plate."
    if taken.problems:
        raise FormProblemsError(taken.problems)
    entry = Entry(
        key=match_key(plate),
        plate=plate,
        verdict=verdict,
        type=type_,
        label=label,
        starts_at=starts_at,
        expires_at=expires_at,
        gates=gates,
        cameras=cameras,
        schedule=schedule,
        uses_left=uses_left,
        exact_only=form.exact_only,
    )
    return entry if before is None else replace(entry, sites=before.sites, owner=before.owner, id=before.id)


class FormProblemsError(Exception):
    """A form that can't be taken; `problems` has the mend by name of the field."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


class Taken:
    """Takes one field after the other and collects what is wrong with each."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def take(self, name: str, parse: Callable[[], T], default: T) -> T:
        try:
            return parse()
        except PlateListError as error:
            self.problems.setdefault(name, sentence(str(error)))
            return default


def written(fields: Fields, name: str) -> str:
    """A field as it was typed, however long: its true length can be told."""
    return next(iter(fields.get(name, ())), "").strip()


def parse_typed(plate: str) -> str:
    """As `parse_written`; a NUL is refused, as it is in a file. Raises PlateListError."""
    if "\0" in plate:
        raise PlateListError("the plate holds a NUL character: type it anew")
    return parse_written(plate)


def sentence(text: str) -> str:
    """A message as a sentence of its own."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


Choice = TypeVar("Choice", Verdict, EntryType)


def _choice(kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise PlateListError(f"{text[:40]!r} is unknown: use one of {known}") from None


def uses_of(text: str, verdict: Verdict) -> int | None:
    """How often an entry may open; None for no limit. Raises PlateListError."""
    return parse_uses(text, verdict=verdict) if text else None


def _start(form: EntryForm, zone: tzinfo, verdict: Verdict, before: Entry | None) -> datetime | None:
    written = (form.from_day, form.from_time)
    if before is not None and written == _split(before.starts_at, zone) and before.verdict is verdict:
        return before.starts_at
    text = _joined(*written)
    return parse_start(text, zone, verdict=verdict) if text else None


def _end(form: EntryForm, zone: tzinfo, verdict: Verdict, before: Entry | None) -> datetime | None:
    written = (form.until_day, form.until_time)
    if before is not None and written == _split_end(before.expires_at, zone) and before.verdict is verdict:
        return before.expires_at
    text = _joined(*written)
    return parse_end(text, zone, verdict=verdict) if text else None


def _joined(day: str, at: str) -> str:
    if at and not day:
        raise PlateListError("write the day, too")
    return f"{day}T{at}" if at else day


def _split(moment: datetime | None, zone: tzinfo) -> tuple[str, str]:
    """Day and time of the fields; no time for the start of a day."""
    if moment is None:
        return "", ""
    local = moment.astimezone(zone)
    return local.date().isoformat(), "" if local.time() == time() else f"{local:%H:%M}"


def _split_end(moment: datetime | None, zone: tzinfo) -> tuple[str, str]:
    """As `_split`; an end at midnight is the day before it."""
    if moment is None:
        return "", ""
    local = moment.astimezone(zone)
    if local.time() == time():
        return (local.date() - timedelta(days=1)).isoformat(), ""
    return _split(moment, zone)


def _names(
    scoped: bool, names: Sequence[str], what: str, *, known: Collection[str], before: Sequence[str]
) -> tuple[str, ...]:
    if not scoped:
        return ()
    if not names:
        raise PlateListError(f"tick at least one {what}, or choose every {what}")
    return parse_names(names, what, known={*known, *before})


def _schedule(form: EntryForm) -> Schedule | None:
    if not form.scheduled:
        return None
    if not form.windows:
        raise PlateListError("tick weekdays and write times, or choose 'at any time'")
    if any(row.problem for row in form.windows):
        raise PlateListError("mend the times of the week below")
    return schedule_of(form.windows)
