"""What the page says of cars and parts."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import pod.web
from pod.domain.access import REASONS
from pod.domain.history import ApproachRecord
from pod.services.health import Health, PartHealth, Status
from pod.web.car_words import UNFINISHED_AFTER_S, ago, car_of, days_of
from pod.web.health_words import health_of, part_words

NOW = datetime(2026, 3, 2, 0, 30, tzinfo=ZoneInfo("Europe/Berlin"))


def record(**changes: object) -> ApproachRecord:
    facts: dict[str, object] = {
        "approach": "entry-1",
        "at": NOW - timedelta(minutes=5),
        "camera": "entry",
        "gate": "main",
        "plate": "AB123",
        "outcome": "not opened",
        "reason": "not_listed",
        "why": REASONS[str(changes.get("reason", "not_listed"))],
        "confidence": 0.97,
        "label": "",
        "revisions": 1,
    }
    return ApproachRecord(**(facts | changes))  # type: ignore[arg-type]  # a table of fields, typed above


@pytest.mark.parametrize(
    ("facts", "look", "title"),
    [
        pytest.param(
            {"outcome": "open commanded", "reason": "listed"}, "opened", "Open commanded", id="pulsed"
        ),
        pytest.param({"outcome": "opening", "reason": "listed"}, "opening", "Opening now", id="under way"),
        pytest.param(
            {"outcome": "open already", "reason": "gate_already_open"}, "already", "Already open", id="open"
        ),
        pytest.param(
            {"outcome": "let in already", "reason": "just_served"}, "already", "Already let in", id="served"
        ),
        pytest.param({"reason": "not_listed"}, "kept", "Not opened", id="by the list"),
        pytest.param({"reason": "store_failed"}, "fault", "Not opened: fault", id="by a fault"),
        pytest.param({"reason": "gate_unavailable"}, "fault", "Not opened: fault", id="gate never asked"),
        pytest.param(
            {"outcome": "failed", "reason": "gate_failed"}, "fault", "Gate fault", id="gate unclear"
        ),
        pytest.param({"reason": "gate_failed"}, "fault", "Gate fault", id="gate unclear, then recorded"),
    ],
)
def test_each_outcome_has_its_own_look_and_a_fault_is_told_from_a_refusal(
    facts: dict[str, object], look: str, title: str
) -> None:
    at = NOW - timedelta(seconds=1)
    car = car_of(record(at=at, **facts), NOW)
    assert (car.look, car.title) == (look, title)


def test_an_opening_that_never_ended_is_told_as_not_known() -> None:
    at = NOW - timedelta(seconds=UNFINISHED_AFTER_S + 1)
    car = car_of(record(outcome="opening", reason="listed", at=at), NOW)
    assert car.title == "Outcome not known"
    assert "not known whether it opened" in car.why


def test_a_listed_plate_is_shown_as_the_list_has_it() -> None:
    car = car_of(record(plate="K0A1", entry="KOAI", label="flat 3", type="resident"), NOW)
    assert (car.plate, car.who) == ("KOAI", "Flat 3, resident")


@pytest.mark.parametrize(
    ("label", "who"),
    [
        pytest.param("", "Resident", id="no label"),
        pytest.param("Flat 3", "Flat 3, resident", id="label"),
        pytest.param("Resident of flat 3", "Resident of flat 3", id="label that says it"),
    ],
)
def test_whom_an_entry_is_for_is_said_once(label: str, who: str) -> None:
    assert car_of(record(entry="AB123", label=label, type="resident"), NOW).who == who


@pytest.mark.parametrize(
    ("confidence", "sure"),
    [pytest.param(0.99, "99 % sure", id="99"), pytest.param(0.9999, "over 99 % sure", id="all but certain")],
)
def test_a_reading_is_never_called_certain(confidence: float, sure: str) -> None:
    assert car_of(record(confidence=confidence), NOW).sure == sure


@pytest.mark.parametrize(
    ("plate", "shown"),
    [
        pytest.param("AB1", ("AB1", True, "40 % sure"), id="a guess"),
        pytest.param("", ("", False, ""), id="none"),
    ],
)
def test_a_plate_that_was_not_legible_is_no_more_than_a_guess(
    plate: str, shown: tuple[str, bool, str]
) -> None:
    car = car_of(record(plate=plate, reason="low_confidence", confidence=0.4), NOW)
    assert (car.plate, car.guess, car.sure) == shown


def test_listeners_hear_the_end_of_an_opening_and_not_its_start() -> None:
    at = NOW - timedelta(seconds=1)
    assert car_of(record(outcome="opening", reason="listed", at=at), NOW).said == ""
    car = car_of(record(outcome="open commanded", reason="listed", at=at), NOW)
    assert car.said == "AB123: Open commanded. The plate is on the list."


def test_days_turn_at_midnight_of_the_site_and_none_appears_twice() -> None:
    ages_min = {
        "a": 5,
        "b": 40,
        "c": 20,
        "d": 60 * 26,
        "e": 60 * 24 * 90,
    }  # the clock was set back between b and c
    records = [record(approach=name, at=NOW - timedelta(minutes=age)) for name, age in ages_min.items()]
    days = days_of(records, NOW)
    assert [(day.title, "".join(car.id for car in day.cars)) for day in days] == [
        ("Today", "ac"),
        ("Yesterday", "b"),
        ("Saturday 28 February", "d"),
        ("Tuesday 2 December 2025", "e"),
    ]


@pytest.mark.parametrize(
    ("age_s", "words"),
    [
        pytest.param(-5, "just now", id="a clock ahead"),
        pytest.param(9.9, "just now", id="a moment"),
        pytest.param(59.9, "50 s ago", id="seconds"),
        pytest.param(60, "1 min ago", id="a minute"),
        pytest.param(3599, "59 min ago", id="most of an hour"),
        pytest.param(86399, "23 h ago", id="hours"),
        pytest.param(86400, "", id="a day"),
    ],
)
def test_ages_are_told_roughly(age_s: float, words: str) -> None:
    assert ago(age_s) == words


def test_what_fails_comes_first_and_says_what_to_do() -> None:
    health = health_of(
        Health(
            (
                PartHealth("store", Status.OK),
                PartHealth("gate main", Status.DEGRADED, "the guard starts again"),
                PartHealth("camera entry", Status.FAILING, "rtsp://192.0.2.1 sent nothing: check its power"),
            )
        )
    )
    assert health.title == "Needs attention"
    assert [(part.title, part.state, part.sentence) for part in health.parts] == [
        ("Camera entry", "Does not work", "rtsp://192.0.2.1 sent nothing: check its power."),
        ("Gate main", "Limited", "The guard starts again."),
        ("Records", "Works", "Up to date"),
    ]


def test_a_camera_that_is_read_in_another_way_says_so_though_all_is_well() -> None:
    told = "fresh frames come in, through libav: its codec is JPEG"
    plain, other = (part_words(PartHealth("camera entry", Status.OK, text)) for text in ("", told))
    assert (plain.sentence, other.sentence) == ("Fresh pictures", f"F{told[1:]}.")


@pytest.mark.parametrize("name", ["clips", "live video", "who may watch"])
def test_each_part_of_live_video_and_clips_has_good_news_to_tell(name: str) -> None:
    (part,) = health_of(Health((PartHealth(name, Status.OK),))).parts
    assert part.title == name.capitalize()
    assert part.sentence


@pytest.mark.parametrize(
    ("statuses", "blind"),
    [
        pytest.param([Status.FAILING, Status.DEGRADED], True, id="all down"),
        pytest.param([Status.FAILING, Status.OK], False, id="one works"),
        pytest.param([], False, id="no camera"),
    ],
)
def test_a_pod_is_blind_when_no_camera_works(statuses: list[Status], blind: bool) -> None:
    parts = [PartHealth(f"camera {n}", status) for n, status in enumerate(statuses)]
    assert health_of(Health(tuple(parts))).blind == blind


def test_every_state_has_a_drawing_of_its_own() -> None:
    icons = (Path(pod.web.__file__).parent / "templates" / "icons.html").read_text()
    drawn = set(re.findall(r'"(\w+)"', icons))
    assert {"opened", "already", "opening", "kept", "fault"} | {status.value for status in Status} <= drawn


def test_a_plate_that_one_character_left_in_doubt_is_not_told_in_percent() -> None:
    near = record(outcome="open commanded", reason="listed", confidence=0.5, flags=("near_match",))
    assert car_of(near, NOW).sure == "sure but for one character"
    assert car_of(record(confidence=0.5), NOW).sure == "50 % sure"
