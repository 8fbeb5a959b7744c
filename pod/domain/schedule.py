"""When in the week an entry counts, in the wall time of the site. Pure.

Written `mon-fri 08:00-18:00; sat 09:00-13:00`; `daily 22:00-06:00` runs over midnight.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from pod.domain.errors import PlateListError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60
MAX_WINDOWS = 50
MAX_TEXT_LENGTH = 1000

_FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_NUMBERS = {name: i for names in (DAYS, _FULL_NAMES) for i, name in enumerate(names)}
_DASHES = str.maketrans("\u2013\u2014\u2212", "---")  # as word processors write "-"
_WINDOW = re.compile(r"(?P<days>\S.*?)\s+(?P<start>\d{1,2}:\d\d)\s*-\s*(?P<end>\d{1,2}:\d\d)", re.ASCII)
_FIRST, _LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
"""Beyond these no clock is believed: days around such a moment leave the calendar."""

_EXAMPLE = "write it like 'mon-fri 08:00-18:00; sat 09:00-13:00' or 'daily 22:00-06:00'"


@dataclass(frozen=True, slots=True)
class Window:
    """A span that begins on each of its days.

    Attributes:
        days: 0 (Monday) to 6, sorted, once each, at least one: the days on which it begins.
        start_min: minutes after midnight, 0 to 1439.
        end_min: minutes after midnight, 1 to 1440, never `start_min`; before it, it lies on the next day.

    Raises:
        ValueError: an attribute is out of its range.
    """

    days: tuple[int, ...]
    start_min: int
    end_min: int

    def __post_init__(self) -> None:
        if not self.days or list(self.days) != sorted(set(self.days) & set(range(len(DAYS)))):
            raise ValueError("days must be 0 to 6, sorted, once each, at least one")
        if not (0 <= self.start_min < MINUTES_A_DAY and 0 < self.end_min <= MINUTES_A_DAY):
            raise ValueError("start_min must be 0 to 1439, end_min 1 to 1440")
        if self.start_min == self.end_min:
            raise ValueError("a window must not end in the minute in which it starts")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The windows in which an entry counts; at least one.

    Where the clock is put back, an hour comes twice, and where it is put forward, an hour is missing. What a
    window means then is in doubt, so there are two readings: `holds` is the narrow one, for entries that
    let in, and `may_hold` the wide one, for entries that keep out.
    """

    windows: tuple[Window, ...]

    def holds(self, moment: datetime, zone: tzinfo) -> bool:
        """Whether `moment` (aware) lies in a window by every reading of the wall clock in `zone`.

        The wall clock must show a time inside. Besides, a start that comes twice counts from the second
        time on and an end that comes twice is over the first time; a window that begins and ends inside the
        hour that comes twice counts the first time only. A window inside a missing hour never comes.
        """
        if not _FIRST <= moment <= _LAST:
            return False
        return any(_surely_inside(start, end, moment, zone) for start, end in self._spans(moment, zone))

    def may_hold(self, moment: datetime, zone: tzinfo) -> bool:
        """Whether `moment` (aware) lies in a window by any reading of the wall clock in `zone`.

        From the first time its start comes to the last time its end comes; a start or end in a missing
        hour may mean the hour before or the hour after.
        """
        if not _FIRST <= moment <= _LAST:
            return True
        return any(_maybe_inside(start, end, moment, zone) for start, end in self._spans(moment, zone))

    def _spans(self, moment: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
        """Start and end, in naive wall time, of every window that begins within two days of `moment`."""
        today = moment.astimezone(zone).date()
        for offset in (0, -1, 1, -2, 2):  # a zone may even leave out or repeat a whole day
            day = today + timedelta(days=offset)
            midnight = datetime.combine(day, time())
            for window in self.windows:
                if day.weekday() in window.days:
                    end_min = window.end_min + MINUTES_A_DAY * (window.end_min < window.start_min)
                    yield (
                        midnight + timedelta(minutes=window.start_min),
                        midnight + timedelta(minutes=end_min),
                    )


def parse_schedule(text: str) -> Schedule:
    """The schedule that a person wrote, in canonical order.

    Windows are parted by semicolons or line ends. Days are `daily`, names (`mon` or `monday`), spans
    (`mon-fri`, `sat-mon`) and lists of these with commas. An end of 24:00 or 00:00 is the midnight after.

    Raises:
        PlateListError: a part is not understood; the message says how to write it.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise PlateListError(f"the schedule is longer than {MAX_TEXT_LENGTH} characters: shorten it")
    parts = [part.strip() for part in re.split(r"[;\n]", text.translate(_DASHES).lower())]
    windows = _canonical(_parse_window(part) for part in parts if part)
    if not windows:
        raise PlateListError(f"the schedule is empty: {_EXAMPLE}, or leave it out for 'always'")
    if len(windows) > MAX_WINDOWS:
        raise PlateListError(f"the schedule has {len(windows)} windows: at most {MAX_WINDOWS} are kept")
    return Schedule(windows)


def format_schedule(schedule: Schedule) -> str:
    """The canonical text, which `parse_schedule` reads back: `mon-fri 08:00-18:00; sat 09:00-13:00`."""
    return "; ".join(
        f"{_format_days(w.days)} {_format_minutes(w.start_min)}-{_format_minutes(w.end_min)}"
        for w in _canonical(schedule.windows)
    )


def _surely_inside(start: datetime, end: datetime, moment: datetime, zone: tzinfo) -> bool:
    if not start <= moment.astimezone(zone).replace(tzinfo=None) < end:
        return False
    starts, ends = _passes(start, zone), _passes(end, zone)
    first, last = starts[-1], ends[0]
    if first >= last:  # begins and ends inside the hour that comes twice
        first = starts[0]
    # One pass means that the wall clock alone answers, also where it never shows that very time.
    return (len(starts) == 1 or first <= moment) and (len(ends) == 1 or moment < last)


def _maybe_inside(start: datetime, end: datetime, moment: datetime, zone: tzinfo) -> bool:
    if start <= moment.astimezone(zone).replace(tzinfo=None) < end:
        return True
    return min(_instants(start, zone)) <= moment < max(_instants(end, zone))


def _passes(wall: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """The instants, in order, at which the wall clock shows `wall`: two where it comes twice, else one."""
    before, after = _instants(wall, zone)
    return (before, after) if before < after else (before,)


def _instants(wall: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """`wall` in UTC by the offset before and the offset after a change; equal where nothing changes.

    The second is earlier where `wall` is missing, later where it comes twice (PEP 495).
    """
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return before, after


def _canonical(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Windows of the same times as one, sorted by day and time."""
    days: dict[tuple[int, int], set[int]] = {}
    for window in windows:
        days.setdefault((window.start_min, window.end_min), set()).update(window.days)
    merged = (Window(tuple(sorted(on)), *times) for times, on in days.items())
    return tuple(sorted(merged, key=lambda w: (w.days, w.start_min, w.end_min)))


def _parse_window(part: str) -> Window:
    match = _WINDOW.fullmatch(part)
    if match is None:
        raise PlateListError(f"the schedule's part {part[:40]!r} is not understood: {_EXAMPLE}")
    start_min = _parse_minutes(match["start"])
    end_min = _parse_minutes(match["end"])
    if start_min == MINUTES_A_DAY:
        raise PlateListError(
            f"the schedule's part {part[:40]!r} starts at 24:00: write 00:00 of the next day"
        )
    if start_min == end_min:
        raise PlateListError(
            f"the schedule's part {part[:40]!r} ends when it starts: for a whole day write 00:00-24:00"
        )
    return Window(_parse_days(match["days"]), start_min, end_min or MINUTES_A_DAY)


def _parse_days(text: str) -> tuple[int, ...]:
    if text == "daily":
        return tuple(range(len(DAYS)))
    days: set[int] = set()
    for item in text.split(","):
        names = [name.strip() for name in item.split("-")]
        if len(names) > 2 or any(name not in _DAY_NUMBERS for name in names):
            raise PlateListError(
                f"the schedule's days {text[:40]!r} are not understood: write mon-fri, or mon,wed, or daily"
            )
        first, last = _DAY_NUMBERS[names[0]], _DAY_NUMBERS[names[-1]]
        days.update((first + i) % len(DAYS) for i in range((last - first) % len(DAYS) + 1))
    return tuple(sorted(days))


def _parse_minutes(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours * 60 + minutes > MINUTES_A_DAY:
        raise PlateListError(f"the schedule's time {text!r} does not exist: use 00:00 to 24:00")
    return hours * 60 + minutes


def _format_days(days: tuple[int, ...]) -> str:
    if len(days) == len(DAYS):
        return "daily"
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        f"{DAYS[run[0]]}-{DAYS[run[-1]]}" if len(run) > 2 else ",".join(DAYS[d] for d in run) for run in runs
    )


def _format_minutes(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
