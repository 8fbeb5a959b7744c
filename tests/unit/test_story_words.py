"""What the page says of one car's story, of entries of the list, and of an import."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pod.domain.access import REASONS
from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.history import ApproachRecord, AuditEvent, approaches
from pod.domain.plates import match_key
from pod.domain.schedule import parse_schedule
from pod.store.list_plan import ImportPlan, Problem
from pod.web.approach_words import MENDS, slots_of, story_of
from pod.web.event_search import query_of, search_of
from pod.web.import_words import PROBLEMS_SHOWN, changes, preview_of, problems_of, summary
from pod.web.list_words import PAGE, ListFilter, entry_words, page_of

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=ZONE)

NO_DECISION = {
    "by_hand",
    "command_expired",
    "command_too_long",
    "command_unknown",
    "confirm_lockdown",
    "gate_unknown",
    "other_session",
}
"""Reasons of openings by hand, which no car's record has."""


def record(*rows: dict[str, object]) -> ApproachRecord:
    base = {
        "approach": "entry-1",
        "camera": "entry",
        "gate": "main",
        "plate": "AB123CD",
        "verdict": "deny",
        "reason": "not_listed",
        "confidence": 0.9,
    }
    at = NOW.astimezone(UTC) - timedelta(minutes=5)
    events = [
        AuditEvent(n, at + timedelta(seconds=n), str(row.pop("kind", "decision")), base | row)
        for n, row in enumerate(rows, 1)
    ]
    return approaches(events)[0]


def entry(plate: str = "AB123CD", **changes: object) -> Entry:
    facts: dict[str, object] = {
        "key": match_key(plate),
        "plate": plate,
        "verdict": Verdict.ALLOW,
        "type": EntryType.RESIDENT,
    }
    return Entry(**(facts | changes))  # type: ignore[arg-type]  # a table of fields, typed above


def test_every_reason_that_a_car_can_meet_says_what_would_change_it() -> None:
    assert set(MENDS) == set(REASONS) - NO_DECISION
    nothing_to_change = {reason for reason, mend in MENDS.items() if not mend.sentence}
    assert nothing_to_change == {"listed", "gate_already_open", "just_served"}


def test_the_story_tells_each_step_with_its_own_time_and_words() -> None:
    story = story_of(
        record(
            {"reason": "low_confidence", "plate": "AB12", "frames": 1},
            {"kind": "intent", "verdict": "allow", "reason": "listed", "late": True},
            {"kind": "outcome", "result": "pulsed", "on_ms": 499.6},
        ),
        NOW,
    )
    assert story.question == "Why did it open?"
    assert [step.title for step in story.steps] == ["Refused", "Decided to open", "Gate told to open"]
    assert [step.at.second for step in story.steps] == [1, 2, 3]
    assert "from 1 picture" in story.steps[0].note
    assert "late" in story.steps[1].note
    assert story.steps[2].note == "the signal lasted 500 ms"
    assert story.steps[0].at.tzinfo is ZONE


def test_what_the_gate_was_told_and_what_it_did_are_different_steps() -> None:
    granted = record(
        {"kind": "intent", "verdict": "allow", "reason": "listed"}, {"kind": "outcome", "result": "pulsed"}
    )
    moved = (granted.story[0].at + timedelta(milliseconds=500), "moved")
    story = story_of(granted, NOW, [moved, (moved[0] + timedelta(seconds=3), "opened")])
    titles = [step.title for step in story.steps]
    assert titles == ["Decided to open", "The gate moved", "Gate told to open", "The gate is open"]
    assert story.car.title == "Open commanded"
    assert story.measured
    assert not story_of(granted, NOW).measured


def test_a_gate_that_failed_is_told_with_what_went_wrong() -> None:
    story = story_of(
        record(
            {"kind": "intent", "verdict": "allow", "reason": "listed"},
            {"kind": "outcome", "result": "failed", "reason": "gate_failed", "error": "The line stuck."},
        ),
        NOW,
    )
    assert story.steps[-1].sentence == "The line stuck."
    assert story.mend.action == "gate"


def test_a_plate_that_won_by_the_evidence_is_told_beside_what_was_read() -> None:
    story = story_of(
        record({"plate": "AB123CD", "read": "AB1Z3CD", "flags": ["near_match", "moon_full"]}), NOW
    )
    assert story.read == "AB1Z3CD"
    assert story.notes[0].startswith("One character was in doubt")
    assert story.notes[1] == "moon full"


def test_characters_come_with_their_doubts_and_certainly_empty_places_do_not() -> None:
    evidence = (
        (("A", 0.999),),
        (("8", 0.6), ("B", 0.395), ("R", 0.005)),
        (("_", 0.7), ("1", 0.3)),
        (("_", 0.99),),
    )
    first, second, third = slots_of(evidence)
    assert (first.best.char, first.best.percent, first.doubtful) == ("A", "over 99 %", False)
    assert (second.best.percent, second.best.width, second.doubtful) == ("60 %", 60.0, True)
    assert [guess.percent for guess in second.others] == ["40 %", "under 1 %"]
    assert third.best.char == "none"


def test_an_old_row_without_evidence_or_versions_still_tells_its_story() -> None:
    story = story_of(record({}), NOW)
    assert (story.slots, story.notes, story.read) == ((), (), "")
    assert [name for name, _ in story.facts] == ["Camera", "Gate", "Approach"]


@pytest.mark.parametrize(
    ("changes", "look", "state"),
    [
        pytest.param({}, "allow", "now", id="counts"),
        pytest.param({"verdict": Verdict.DENY}, "deny", "now", id="denies"),
        pytest.param({"expires_at": NOW}, "idle", "over", id="over-this-moment"),
        pytest.param({"starts_at": NOW + timedelta(seconds=1)}, "idle", "later", id="not-begun"),
        pytest.param({"uses_left": 0}, "idle", "spent", id="used-up"),
        pytest.param({"verdict": Verdict.DENY, "expires_at": NOW}, "idle", "over", id="a-denial-over"),
    ],
)
def test_an_entry_that_does_not_count_today_does_not_look_as_if_it_did(
    changes: dict[str, object], look: str, state: str
) -> None:
    words = entry_words(entry(**changes), NOW)
    assert (words.look, words.state) == (look, state)


def test_an_entry_is_told_with_its_bounds() -> None:
    words = entry_words(
        entry(
            expires_at=datetime(2026, 4, 1, tzinfo=ZONE),
            schedule=parse_schedule("mon 08:00-09:00"),
            gates=("main", "north"),
            sites=("linden",),
            uses_left=1,
            exact_only=True,
            owner=Owner.CLOUD,
        ),
        NOW,
    )
    assert words.when == "until the end of 31 Mar 2026; Monday 08:00 to 09:00"
    assert words.where == "gates main, north; site linden"
    assert words.extras == ("1 use left", "only this very plate", "kept by the cloud")
    assert words.locked


def test_an_end_tonight_is_called_tonight() -> None:
    assert entry_words(entry(expires_at=datetime(2026, 3, 3, tzinfo=ZONE)), NOW).when == "until tonight"
    at_six = datetime(2026, 3, 2, 18, tzinfo=ZONE)
    assert entry_words(entry(expires_at=at_six), NOW).when == "until 2 Mar 2026 18:00"


MANY = tuple(sorted((entry(f"ZQ{n:04}W", label=f"Flat {n}") for n in range(10_000)), key=lambda e: e.plate))


def test_ten_thousand_entries_come_in_pages_and_a_page_too_far_is_the_last() -> None:
    first = page_of(MANY, ListFilter(), NOW)
    assert (first.found, first.pages, first.first, first.last) == (10_000, 200, 1, PAGE)
    beyond = page_of(MANY, ListFilter(page=9999), NOW)
    assert (beyond.page, beyond.first, beyond.last) == (200, 9951, 10_000)


@pytest.mark.parametrize(
    ("text", "plates"),
    [
        pytest.param("zq-0777 w", {"ZQ0777W"}, id="another-writing-and-near-ones"),
        pytest.param("flat 4242", {"ZQ4242W"}, id="a-label"),
        pytest.param("nobody", set(), id="nobody"),
    ],
)
def test_the_list_is_searched_by_plate_in_any_writing_and_by_label(text: str, plates: set[str]) -> None:
    found = {words.plate for words in page_of(MANY, ListFilter(text), NOW).entries}
    assert plates <= found
    assert len(found) <= 50
    assert bool(found) is bool(plates)


def test_filters_add_up() -> None:
    entries = (entry(), entry("XY999", verdict=Verdict.DENY), entry("XY998", uses_left=0))
    found = page_of(entries, ListFilter(text="xy", verdict="allow", state="spent"), NOW)
    assert [words.plate for words in found.entries] == ["XY998"]


def test_an_import_says_what_changes_and_counts_what_it_does_not_show() -> None:
    before = entry(label="Flat 3", id=5)
    after = replace(before, label="Flat 4", uses_left=2)
    assert changes(before, after) == ("label: Flat 3 → Flat 4", "uses left: any number → 2")
    plan = ImportPlan(MANY[:150], ((before, after),), 7)
    preview = preview_of(plan, NOW)
    assert (len(preview.added), preview.added_count, preview.updated_count) == (100, 150, 1)
    assert summary(plan) == "Import done: 150 entries added, 1 changed, 7 unchanged."
    assert summary(ImportPlan((), (), 0)) == "Import done: nothing to do."


def test_thousands_of_problems_are_shown_by_line_up_to_a_limit() -> None:
    problems = [Problem(line, "plate", "is empty") for line in range(10_000, 0, -1)]
    told = problems_of(problems)
    assert [problem.line for problem in told.shown[:3]] == [1, 2, 3]
    assert (len(told.shown), told.more) == (PROBLEMS_SHOWN, 10_000 - PROBLEMS_SHOWN)


def test_a_search_asks_for_the_day_of_the_site_and_its_address_leads_back_to_it() -> None:
    asked = search_of({"plate": " ab 12 ", "day": "2026-03-01", "outcome": "refused", "before": "77"}, NOW)
    query = query_of(asked, NOW)
    assert query.since == datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
    assert query.until == datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    assert (query.outcomes, query.before) == (("not opened",), 77)
    assert asked.link(50) == "/events?plate=ab+12&day=2026-03-01&outcome=refused&before=50"


@pytest.mark.parametrize(
    "address",
    [
        pytest.param({"day": "yesterday"}, id="no-day"),
        pytest.param({"day": "2026-02-30"}, id="no-such-day"),
        pytest.param({"day": "9999-12-31"}, id="far-away"),
        pytest.param({"day": "2026-03-03"}, id="still-to-come"),
    ],
)
def test_a_day_that_cannot_be_is_named(address: dict[str, str]) -> None:
    assert set(search_of(address, NOW).problems) == {"day"}


def test_nonsense_in_an_address_asks_for_nothing() -> None:
    asked = search_of({"outcome": "<b>", "before": "-1", "plate": "x" * 500}, NOW)
    assert (asked.outcome, asked.before, asked.problems) == ("", None, {})
    assert len(asked.plate) == 40
