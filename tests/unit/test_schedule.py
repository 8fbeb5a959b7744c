from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mutations import meet, spoilt
from promises import Prove

from pod.domain.errors import PlateListError
from pod.domain.schedule import (
    MAX_TEXT_LENGTH,
    MAX_WINDOWS,
    Schedule,
    Window,
    format_schedule,
    parse_schedule,
)

MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    "America/Santiago": [
        datetime(2026, 9, 6, 4, tzinfo=UTC),
        datetime(2026, 4, 5, 3, tzinfo=UTC),
    ],  # midnight
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)],
    "Africa/Casablanca": [datetime(2026, 2, 15, 2, tzinfo=UTC), datetime(2026, 3, 22, 2, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, 10, tzinfo=UTC)],  # a whole Friday left out
    "Asia/Kolkata": [datetime(2026, 6, 1, 0, tzinfo=UTC)],  # no changes at all
}

windows = st.builds(
    lambda days, start, end: Window(tuple(sorted(days)), start, end if end != start else end % 1440 + 1),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
).filter(lambda w: w.start_min != w.end_min)
schedules = st.lists(windows, min_size=1, max_size=3).map(lambda w: Schedule(tuple(w)))


@st.composite
def moments(draw):
    """A zone and a moment within a day and a half of one of its changes, to the half minute."""
    name = draw(st.sampled_from(sorted(CHANGES)))
    near = draw(st.sampled_from(CHANGES[name]))
    return ZoneInfo(name), near + timedelta(seconds=30 * draw(st.integers(-4320, 4320)))


def wall_clock_says(schedule: Schedule, moment: datetime, zone: ZoneInfo) -> bool:
    """What somebody reads off the wall clock, who knows nothing of changes."""
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    return any(
        (
            local.weekday() in w.days
            and w.start_min <= minute < (w.end_min if w.end_min > w.start_min else 1440)
        )
        or ((local.weekday() - 1) % 7 in w.days and w.end_min < w.start_min and minute < w.end_min)
        for w in schedule.windows
    )


@settings(deadline=None)
@given(schedules, moments())
def test_a_change_of_the_clock_never_lets_in_beyond_what_the_wall_clock_says(schedule, where):
    zone, moment = where
    assert not schedule.holds(moment, zone) or wall_clock_says(schedule, moment, zone)


@settings(deadline=None)
@given(schedules, moments())
def test_a_change_of_the_clock_never_narrows_what_keeps_out(schedule, where):
    zone, moment = where
    assert schedule.may_hold(moment, zone) or not wall_clock_says(schedule, moment, zone)
    assert schedule.may_hold(moment, zone) or not schedule.holds(moment, zone)


@settings(deadline=None)
@given(schedules, moments())
def test_both_readings_are_the_wall_clock_s_where_no_change_is_near(schedule, where):
    zone, moment = where
    days = [moment + timedelta(hours=h) for h in range(-72, 73, 12)]
    if all(a.astimezone(zone).utcoffset() == b.astimezone(zone).utcoffset() for a, b in pairwise(days)):
        says = wall_clock_says(schedule, moment, zone)
        assert (schedule.holds(moment, zone), schedule.may_hold(moment, zone)) == (says, says)


@settings(max_examples=30, deadline=None)
@given(windows.filter(lambda w: w.end_min > w.start_min), st.sampled_from(sorted(CHANGES)))
@example(Window((6,), 114, 1440), "America/Santiago")
@example(Window((6,), 90, 210), "Europe/Berlin")
def test_a_window_of_one_night_with_a_change_is_open_no_longer_than_it_is_written(window, name):
    """Unless the hour that comes twice lies wholly inside it, where it lasts that much longer."""
    zone, change = ZoneInfo(name), CHANGES[name][-1]
    day = change.astimezone(zone).replace(hour=0, minute=0, second=0, tzinfo=None)
    schedule = Schedule((Window((day.weekday(),), window.start_min, window.end_min),))
    morning = day.replace(tzinfo=zone).astimezone(UTC) - 2 * timedelta(hours=1)
    open_min = sum(schedule.holds(morning + i * MINUTE, zone) for i in range(30 * 60))
    written_min = window.end_min - window.start_min
    twice_min = sum((morning + i * MINUTE).astimezone(zone).fold for i in range(30 * 60))
    first_twice = next(
        (t for t in ((morning + i * MINUTE).astimezone(zone) for i in range(30 * 60)) if t.fold), None
    )
    spans = first_twice is not None and (
        window.start_min < first_twice.hour * 60 + first_twice.minute
        and first_twice.hour * 60 + first_twice.minute + twice_min <= window.end_min
    )
    assert open_min <= written_min + (twice_min if spans else 0)


@pytest.mark.parametrize(
    ("text", "night", "open_min", "shut_min"),
    [
        ("daily 22:00-06:00", "autumn", 9 * 60, 9 * 60),
        ("daily 02:15-02:45", "autumn", 30, 90),
        ("daily 01:00-02:30", "autumn", 90, 150),
        ("daily 02:30-04:00", "autumn", 90, 150),
        ("daily 22:00-06:00", "spring", 7 * 60, 7 * 60),
        ("daily 02:15-02:45", "spring", 0, 90),
        ("daily 01:00-02:30", "spring", 60, 90),
        ("daily 02:30-04:00", "spring", 60, 90),
    ],
)
def test_a_night_with_a_change_in_berlin(text, night, open_min, shut_min):
    schedule = parse_schedule(text)
    noon = (
        datetime(2026, 10, 24, 10, tzinfo=UTC) if night == "autumn" else datetime(2026, 3, 28, 11, tzinfo=UTC)
    )
    minutes = [noon + i * MINUTE for i in range(24 * 60)]
    assert sum(schedule.holds(m, BERLIN) for m in minutes) == open_min
    assert sum(schedule.may_hold(m, BERLIN) for m in minutes) == shut_min


def test_a_window_inside_the_hour_that_comes_twice_counts_the_first_time_only():
    schedule = parse_schedule("sun 02:15-02:45")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert schedule.holds(first, BERLIN)
    assert not schedule.holds(first + timedelta(hours=1), BERLIN)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins():
    schedule = parse_schedule("fri 22:00-06:00")
    saturday_early = datetime(2026, 6, 6, 3, tzinfo=UTC)
    assert schedule.holds(saturday_early, UTC)
    assert not schedule.holds(saturday_early - timedelta(days=1), UTC)


def test_a_window_begins_with_its_first_minute_and_is_over_with_its_last():
    schedule = parse_schedule("mon 08:00-18:00")
    eight = datetime(2026, 6, 1, 8, tzinfo=UTC)
    instant = timedelta(microseconds=1)
    ends = eight + timedelta(hours=10)
    assert [schedule.holds(m, UTC) for m in (eight - instant, eight, ends - instant, ends)] == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("moment", [datetime.min, datetime.max], ids=["first", "last"])
@pytest.mark.parametrize("zone", [UTC, BERLIN], ids=str)
def test_at_the_ends_of_the_calendar_nobody_is_let_in_and_whoever_is_kept_out_stays_out(moment, zone):
    always = parse_schedule("daily 00:00-24:00")
    assert not always.holds(moment.replace(tzinfo=UTC), zone)
    assert always.may_hold(moment.replace(tzinfo=UTC), zone)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("mon-fri 08:00-18:00; sat 09:00-13:00", "mon-fri 08:00-18:00; sat 09:00-13:00"),
        ("Daily 22:00 - 6:00", "daily 22:00-06:00"),
        ("Sunday, Monday 08:00\u201318:00", "mon,sun 08:00-18:00"),
        ("sat-mon 10:00-12:00", "mon,sat,sun 10:00-12:00"),
        ("fri 18:00-00:00", "fri 18:00-24:00"),
        ("wed 09:00-10:00\nmon 09:00-10:00;tue 09:00-10:00;", "mon-wed 09:00-10:00"),
        ("mon-sun 00:00-24:00", "daily 00:00-24:00"),
    ],
)
def test_what_people_write_is_kept_in_one_form(written, canonical):
    assert format_schedule(parse_schedule(written)) == canonical


@settings(deadline=None)
@given(schedules)
def test_what_is_written_is_read_back(schedule):
    text = format_schedule(schedule)
    assert format_schedule(parse_schedule(text)) == text


@settings(deadline=None)
@given(schedules, moments())
def test_the_canonical_form_means_the_same(schedule, where):
    zone, moment = where
    again = parse_schedule(format_schedule(schedule))
    assert (again.holds(moment, zone), again.may_hold(moment, zone)) == (
        schedule.holds(moment, zone),
        schedule.may_hold(moment, zone),
    )


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("", "leave it out"),
        (" ; ", "leave it out"),
        ("08:00-18:00", "write it like"),
        ("mon-fri", "write it like"),
        ("mon 8-18", "write it like"),
        ("mon 08:00-25:00", "use 00:00 to 24:00"),
        ("mon 08:75-09:00", "use 00:00 to 24:00"),
        ("mon 24:00-06:00", "write 00:00 of the next day"),
        ("mon 08:00-08:00", "for a whole day write 00:00-24:00"),
        ("mon 00:00-00:00", "for a whole day write 00:00-24:00"),
        ("mom 08:00-18:00", "write mon-fri"),
        ("mon-wed-fri 08:00-18:00", "write mon-fri"),
        ("mon, 08:00-18:00", "write mon-fri"),
        ("mon 08:00-18:00 until may", "write it like"),
        ("mon \u0660\u0668:00-18:00", "write it like"),
        ("x" * (MAX_TEXT_LENGTH + 1), "shorten it"),
        (";".join(f"mon 00:00-00:{m:02}" for m in range(1, MAX_WINDOWS + 2)), f"at most {MAX_WINDOWS}"),
    ],
    ids=lambda text: repr(text)[:24],
)
def test_a_schedule_that_is_not_understood_is_refused_with_the_mend(text, mend):
    with pytest.raises(PlateListError, match=mend):
        parse_schedule(text)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_whatever_is_met_by_anything_but_a_schedule_or_a_named_problem(text):
    try:
        parse_schedule(text)
    except PlateListError:
        return


@pytest.mark.parametrize(
    "window",
    [((), 0, 60), ((1, 0), 0, 60), ((7,), 0, 60), ((0,), -1, 60), ((0,), 0, 1441), ((0,), 60, 60)],
    ids=["no day", "unsorted", "no such day", "before midnight", "too late", "empty"],
)
def test_a_window_outside_its_ranges_cannot_be_made(window):
    with pytest.raises(ValueError, match="must"):
        Window(*window)


@pytest.mark.proof(21)
def test_a_spoilt_schedule_is_understood_or_refused_with_the_mend(
    prove: Prove, often: Callable[[int, int], int]
) -> None:
    good = [b"mon-fri 08:00-18:00; sat 09:00-13:00", b"daily 22:00-06:00", b"sat,sun 00:00-24:00"]

    def parse(data: bytes) -> None:
        schedule = parse_schedule(data.decode("utf-8", "replace"))
        assert parse_schedule(format_schedule(schedule)) == schedule

    met = meet(parse, spoilt(good, often(10_000, 500_000)), refusal=PlateListError)
    prove(attempts=met.all, faults=met.refused)
