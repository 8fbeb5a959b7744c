"""Schedules on the page: in words, as a picture of the week, and as the rows of a form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.domain.errors import PlateListError
from pod.domain.schedule import MAX_WINDOWS, MINUTES_A_DAY, Schedule, Window, format_schedule, parse_schedule
from pod.web.schedule_form import WindowRow, read_rows, rows_of, schedule_of
from pod.web.schedule_words import in_words, week_bars


@st.composite
def windows(draw: st.DrawFn) -> Window:
    days = draw(st.sets(st.integers(0, 6), min_size=1))
    start_min = draw(st.integers(0, MINUTES_A_DAY - 1))
    end_min = draw(st.integers(1, MINUTES_A_DAY).filter(lambda end: end != start_min))
    return Window(tuple(sorted(days)), start_min, end_min)


schedules = st.lists(windows(), min_size=1, max_size=6).map(
    lambda some: parse_schedule(format_schedule(Schedule(tuple(some))))
)


def as_sent(rows: tuple[WindowRow, ...]) -> dict[str, list[str]]:
    """What a browser sends of these rows."""
    fields: dict[str, list[str]] = {}
    for number, row in enumerate(rows):
        fields[f"w{number}_day"] = [str(day) for day in row.days]
        fields[f"w{number}_from"] = [row.start]
        fields[f"w{number}_to"] = [row.end]
    return fields


@given(schedules)
def test_a_schedule_that_is_shown_and_sent_back_untouched_is_the_same(schedule: Schedule) -> None:
    rows = read_rows(as_sent((*rows_of(schedule), WindowRow())))
    assert [row.problem for row in rows] == [""] * len(rows)
    assert schedule_of(rows) == schedule


@given(schedules)
def test_the_picture_of_the_week_fills_as_many_minutes_as_the_windows_have(schedule: Schedule) -> None:
    drawn = sum(bar.length_min for bars in week_bars(schedule) for bar in bars)
    lengths = [(w.end_min - w.start_min) % MINUTES_A_DAY or MINUTES_A_DAY for w in schedule.windows]
    assert drawn == sum(n * len(w.days) for n, w in zip(lengths, schedule.windows, strict=True))
    assert all(
        0 <= bar.start_min <= MINUTES_A_DAY - bar.length_min for bars in week_bars(schedule) for bar in bars
    )


def test_a_window_over_sunday_midnight_is_drawn_into_monday() -> None:
    week = week_bars(parse_schedule("sun 22:00-06:00"))
    assert [(bar.start_min, bar.length_min, bar.carried) for bar in week[6]] == [(1320, 120, False)]
    assert [(bar.start_min, bar.length_min, bar.carried) for bar in week[0]] == [(0, 360, True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("mon-fri 08:00-18:00", "Monday to Friday 08:00 to 18:00", id="a-span"),
        pytest.param("daily 22:00-06:00", "every day 22:00 to 06:00 the next day", id="over-midnight"),
        pytest.param("mon,wed,sat 00:00-24:00", "Monday, Wednesday and Saturday 00:00 to 24:00", id="days"),
        pytest.param("sat,sun 09:00-13:00", "Saturday and Sunday 09:00 to 13:00", id="two-days"),
        pytest.param(
            "mon 08:00-09:00; tue 08:00-10:00", "Monday 08:00 to 09:00; Tuesday 08:00 to 10:00", id="two"
        ),
    ],
)
def test_a_schedule_is_told_as_people_say_it(text: str, words: str) -> None:
    assert in_words(parse_schedule(text)) == words


@pytest.mark.parametrize(
    ("row", "mend"),
    [
        pytest.param(WindowRow((), "08:00", "18:00"), "weekday", id="no-day"),
        pytest.param(WindowRow((0,), "", "18:00"), "both times", id="no-start"),
        pytest.param(WindowRow((0,), "08:00", ""), "both times", id="no-end"),
        pytest.param(WindowRow((0,), "25:00", "18:00"), "both times", id="no-such-time"),
        pytest.param(WindowRow((0,), "<b>", "18:00"), "both times", id="markup"),
        pytest.param(WindowRow((0,), "08:00", "08:00"), "whole day", id="ends-when-it-begins"),
    ],
)
def test_a_row_that_cannot_be_taken_gets_its_own_mend(row: WindowRow, mend: str) -> None:
    (read,) = read_rows(as_sent((row,)))
    assert mend in read.problem


def test_midnight_to_midnight_is_the_whole_day() -> None:
    rows = read_rows(as_sent((WindowRow((0,), "00:00", "00:00"),)))
    schedule = schedule_of(rows)
    assert schedule is not None
    assert format_schedule(schedule) == "mon 00:00-24:00"


def test_rows_left_blank_and_fields_of_other_forms_count_for_nothing() -> None:
    assert read_rows({"w0_from": [""], "w0_to": [""], "w7_day": ["9", "x"], "w9999_day": ["1"]}) == ()
    assert schedule_of(()) is None


def test_more_windows_than_are_kept_are_refused_with_the_limit() -> None:
    rows = [WindowRow((0,), f"{n // 60:02}:{n % 60:02}", "23:59") for n in range(MAX_WINDOWS + 1)]
    with pytest.raises(PlateListError, match=f"at most {MAX_WINDOWS}"):
        schedule_of(rows)
