"""A schedule in words and as a picture of the week. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pod.domain.schedule import MINUTES_A_DAY, Schedule, Window

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAY_LETTERS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of a day in the picture of the week, in minutes.

    Attributes:
        carried: it goes on from a window that began the day before.
    """

    start_min: int
    length_min: int
    carried: bool


def in_words(schedule: Schedule) -> str:
    """As people say it: "Monday to Friday 08:00 to 18:00; Saturday 22:00 to 06:00 the next day"."""
    return "; ".join(
        f"{days_in_words(w.days)} {clock(w.start_min)} to {clock(w.end_min)}"
        + (" the next day" if runs_over_midnight(w) else "")
        for w in schedule.windows
    )


def days_in_words(days: Sequence[int]) -> str:
    """ "Monday to Friday", "Monday, Wednesday and Saturday", "every day"."""
    if len(days) == len(DAY_NAMES):
        return "every day"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{DAY_NAMES[days[0]]} to {DAY_NAMES[days[-1]]}"
    names = [DAY_NAMES[day] for day in days]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def clock(minutes: int) -> str:
    """Minutes after midnight as hours and minutes; the end of a day is 24:00."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def runs_over_midnight(window: Window) -> bool:
    """Whether its end lies on the day after its start."""
    return window.end_min < window.start_min


def week_bars(schedule: Schedule | None) -> list[list[Bar]]:
    """What to fill on each day from Monday; Sunday's window over midnight ends on Monday."""
    week: list[list[Bar]] = [[] for _ in DAY_NAMES]
    for window in schedule.windows if schedule else ():
        for day in window.days:
            if not runs_over_midnight(window):
                week[day].append(Bar(window.start_min, window.end_min - window.start_min, carried=False))
                continue
            week[day].append(Bar(window.start_min, MINUTES_A_DAY - window.start_min, carried=False))
            week[(day + 1) % len(week)].append(Bar(0, window.end_min, carried=True))
    return week
