"""When in the week an entry counts, in the wall time of the site. Pure."""

from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """A span that begins on each of its days.

    Attributes:
        days: 0 (Monday) to 6, sorted, once each, at least one: the days on which it begins.
        start_min: minutes after midnight, 0 to 1439.
        end_min: minutes after midnight, 1 to 1440; at or before `start_min` it lies on the next day.
    """

    days: tuple[int, ...]
    start_min: int
    end_min: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The windows in which an entry counts; at least one."""

    windows: tuple[Window, ...]
