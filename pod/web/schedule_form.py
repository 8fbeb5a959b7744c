"""The schedule editor's fields: from a schedule to rows of the form, and back with a mend by row. Pure.

Row n has the fields `wn_day` (0 to 6, once for each weekday that is ticked), `wn_from` and `wn_to`. A row
left blank counts for nothing, so that the form works without a script: it always ends with a blank row.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pod.domain.errors import PlateListError
from pod.domain.schedule import (
    DAYS,
    MAX_WINDOWS,
    MINUTES_A_DAY,
    Schedule,
    Window,
    format_schedule,
    parse_schedule,
)
from pod.web.schedule_words import clock

Fields = Mapping[str, Sequence[str]]
"""A form as it was sent: the values of each field."""

_ROW = re.compile(r"w(\d{1,3})_(?:day|from|to)", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d)(?::00)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window as the form shows it; times as written, `problem` is the mend or empty."""

    days: tuple[int, ...] = ()
    start: str = ""
    end: str = ""
    problem: str = ""

    @property
    def blank(self) -> bool:
        return not (self.days or self.start or self.end)


def rows_of(schedule: Schedule | None) -> tuple[WindowRow, ...]:
    """The rows that show a schedule; none for "always"."""
    windows = schedule.windows if schedule else ()
    return tuple(WindowRow(w.days, clock(w.start_min), clock(w.end_min % MINUTES_A_DAY)) for w in windows)


def read_rows(fields: Fields) -> tuple[WindowRow, ...]:
    """The rows that were filled in, each with its problem where it has one."""
    numbers = sorted({int(match[1]) for match in map(_ROW.fullmatch, fields) if match})
    rows = [_row(fields, number) for number in numbers]
    return tuple(replace(row, problem=_problem(row)) for row in rows if not row.blank)


def schedule_of(rows: Sequence[WindowRow]) -> Schedule | None:
    """What rows without a problem say, in canonical order; None where there is none: always.

    Raises:
        PlateListError: there are too many.
    """
    if len(rows) > MAX_WINDOWS:
        raise PlateListError(f"the schedule has {len(rows)} windows: at most {MAX_WINDOWS} are kept")
    windows = tuple(_window(row) for row in rows)
    return parse_schedule(format_schedule(Schedule(windows))) if windows else None


def _row(fields: Fields, number: int) -> WindowRow:
    ticked = {text for text in fields.get(f"w{number}_day", ()) if text in map(str, range(len(DAYS)))}
    return WindowRow(
        tuple(sorted(map(int, ticked))),
        _first(fields, f"w{number}_from"),
        _first(fields, f"w{number}_to"),
    )


def _first(fields: Fields, name: str) -> str:
    return next(iter(fields.get(name, ())), "").strip()[:8]


def _problem(row: WindowRow) -> str:
    if not row.days:
        return "Tick at least one weekday."
    if _minutes(row.start) is None or _minutes(row.end) is None:
        return "Write both times, such as 08:00 and 18:00."
    if row.start[:5] == row.end[:5] != "00:00":
        return "It ends when it begins: for a whole day write 00:00 to 00:00."
    return ""


def _window(row: WindowRow) -> Window:
    start_min, end_min = _minutes(row.start), _minutes(row.end)
    if start_min is None or end_min is None:
        raise ValueError("the row still has a problem")
    return Window(row.days, start_min, end_min or MINUTES_A_DAY)


def _minutes(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        return None
    return int(match[1]) * 60 + int(match[2])
