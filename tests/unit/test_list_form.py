"""The form for one entry, and the short one for visitors."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.plates import match_key
from pod.domain.schedule import parse_schedule
from pod.web.list_form import EntryForm, FormProblemsError, Places, entry_of, form_of, read_form
from pod.web.list_visitor import VisitorForm, read_visitor, visitor_of

ZONE = ZoneInfo("Europe/Berlin")
PLACES = Places(("main", "north"), ("entry", "exit"))
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=ZONE)


def entry(**changes: object) -> Entry:
    facts: dict[str, object] = {
        "key": match_key("AB123CD"),
        "plate": "AB123CD",
        "verdict": Verdict.ALLOW,
        "type": EntryType.RESIDENT,
    }
    return Entry(**(facts | changes))  # type: ignore[arg-type]  # a table of fields, typed above


def as_sent(form: EntryForm) -> dict[str, list[str]]:
    """What a browser sends of the form as it is shown."""
    fields = {
        name: [str(getattr(form, name))]
        for name in (
            "plate",
            "label",
            "verdict",
            "type",
            "from_day",
            "from_time",
            "until_day",
            "until_time",
            "uses",
        )
    }
    fields["exact_only"] = ["yes"] if form.exact_only else []
    fields["scheduled"] = ["yes" if form.scheduled else "no"]
    fields["gate_scope"] = ["some" if form.scoped_gates else "all"]
    fields["camera_scope"] = ["some" if form.scoped_cameras else "all"]
    fields["gates"], fields["cameras"] = list(form.gates), list(form.cameras)
    for number, row in enumerate(form.windows):
        fields[f"w{number}_day"] = [str(day) for day in row.days]
        fields[f"w{number}_from"], fields[f"w{number}_to"] = [row.start], [row.end]
    return fields


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=400)))
def test_an_entry_that_is_shown_and_sent_back_untouched_is_the_same(start: datetime, span: timedelta) -> None:
    before = entry(
        label="Flat 3",
        starts_at=start,
        expires_at=start + span,
        gates=("gone", "main"),
        cameras=("exit",),
        sites=("linden",),
        schedule=parse_schedule("mon-fri 08:00-18:00; daily 22:00-06:00"),
        uses_left=3,
        exact_only=True,
        owner=Owner.POD,
        id=7,
    )
    assert entry_of(read_form(as_sent(form_of(before, ZONE))), PLACES, ZONE, before=before) == before


def test_a_day_alone_counts_from_its_start_and_until_its_end_in_the_zone_of_the_site() -> None:
    form = EntryForm(plate="ab 123 cd", from_day="2026-03-28", until_day="2026-03-29")
    made = entry_of(form, PLACES, ZONE)
    assert made.plate == "AB123CD"
    assert made.starts_at == datetime(2026, 3, 27, 23, 0, tzinfo=UTC)
    assert made.expires_at == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)  # that night the clocks went forward


@pytest.mark.parametrize(
    ("changes", "field", "mend"),
    [
        pytest.param({"plate": ""}, "plate", "Write the plate", id="no-plate"),
        pytest.param({"plate": "<script>"}, "plate", "use letters", id="markup-for-a-plate"),
        pytest.param({"plate": "A" * 200}, "plate", "write the plate alone", id="overlong"),
        pytest.param({"label": "x" * 81}, "label", "shorten", id="long-label"),
        pytest.param({"label": "a\u202eb"}, "label", "invisible", id="a-label-that-turns-round"),
        pytest.param({"type": "king"}, "type", "use one of", id="no-such-type"),
        pytest.param({"verdict": "maybe"}, "verdict", "use one of", id="no-such-verdict"),
        pytest.param({"until_day": "2026-02-30"}, "until", "not a date", id="no-such-day"),
        pytest.param({"until_time": "12:00"}, "until", "Write the day", id="a-time-without-a-day"),
        pytest.param(
            {"from_day": "2026-03-03", "until_day": "2026-03-01"}, "until", "end before", id="ends-first"
        ),
        pytest.param({"uses": "many"}, "uses", "no number", id="uses-in-words"),
        pytest.param({"uses": "3", "verdict": "deny"}, "uses", "denial", id="uses-of-a-denial"),
        pytest.param({"scoped_gates": True}, "gates", "at least one gate", id="only-no-gate"),
        pytest.param({"scoped_gates": True, "gates": ("east",)}, "gates", "No gate is", id="unknown-gate"),
        pytest.param({"scoped_cameras": True}, "cameras", "at least one camera", id="only-no-camera"),
        pytest.param({"scheduled": True}, "schedule", "Tick weekdays", id="no-times"),
    ],
)
def test_what_cannot_be_taken_is_told_at_its_field(changes: dict[str, object], field: str, mend: str) -> None:
    form = replace(EntryForm(plate="AB123CD"), **changes)  # type: ignore[arg-type]  # a table of fields
    with pytest.raises(FormProblemsError) as refused:
        entry_of(form, PLACES, ZONE)
    assert set(refused.value.problems) == {field}
    assert mend in refused.value.problems[field]


def test_every_problem_is_told_at_once() -> None:
    form = EntryForm(plate="", label="x" * 81, uses="many", until_day="soon")
    with pytest.raises(FormProblemsError) as refused:
        entry_of(form, PLACES, ZONE)
    assert set(refused.value.problems) == {"plate", "label", "uses", "until"}


def test_a_gate_that_left_the_configuration_never_turns_into_every_gate() -> None:
    before = entry(gates=("gone",), id=7)
    form = read_form(as_sent(form_of(before, ZONE)))
    assert entry_of(form, PLACES, ZONE, before=before).gates == ("gone",)
    with pytest.raises(FormProblemsError):
        entry_of(replace(form, gates=()), PLACES, ZONE, before=before)


def test_a_denial_that_becomes_a_permission_has_its_doubtful_hour_read_anew() -> None:
    # 02:30 comes twice that night; a denial ends the second time, leave to enter the first.
    before = entry(verdict=Verdict.DENY, expires_at=datetime(2026, 10, 25, 1, 30, tzinfo=UTC), id=7)
    form = replace(form_of(before, ZONE), verdict="allow")
    assert entry_of(form, PLACES, ZONE, before=before).expires_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "day", "end"),
    [
        pytest.param("tonight", "", datetime(2026, 3, 3, tzinfo=ZONE), id="tonight"),
        pytest.param("tomorrow", "", datetime(2026, 3, 4, tzinfo=ZONE), id="tomorrow"),
        pytest.param("day", "2026-03-29", datetime(2026, 3, 30, tzinfo=ZONE), id="a-day"),
        pytest.param("for ever", "", datetime(2026, 3, 3, tzinfo=ZONE), id="nonsense-means-tonight"),
    ],
)
def test_a_visitor_is_let_in_until_the_end_of_a_day_and_once(until: str, day: str, end: datetime) -> None:
    fields = {"plate": ["ab-123"], "label": ["guest"], "until": [until], "day": [day], "uses": ["1"]}
    made = visitor_of(read_visitor(fields), NOW)
    assert (made.type, made.uses_left, made.expires_at, made.verdict) == (
        EntryType.VISITOR,
        1,
        end,
        Verdict.ALLOW,
    )


@pytest.mark.parametrize(
    ("form", "field"),
    [
        pytest.param(VisitorForm(), "plate", id="no-plate"),
        pytest.param(VisitorForm(plate="AB123", until="day"), "day", id="no-day"),
        pytest.param(VisitorForm(plate="AB123", until="day", day="2026-03-01"), "day", id="a-day-gone-by"),
        pytest.param(VisitorForm(plate="AB123", uses="-1"), "uses", id="fewer-than-none"),
    ],
)
def test_a_visitor_that_cannot_be_taken_is_told_at_the_field(form: VisitorForm, field: str) -> None:
    with pytest.raises(FormProblemsError) as refused:
        visitor_of(form, NOW)
    assert set(refused.value.problems) == {field}
