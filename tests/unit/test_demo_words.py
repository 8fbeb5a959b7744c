"""What the demo prints about a pod's events, and whom its list lets in."""

from datetime import UTC, datetime

import numpy as np
import pytest

from models.render.story import STORY
from pod.commands.demo_check import CheckResult
from pod.commands.demo_list import demo_entries, write_demo_list
from pod.commands.demo_words import Answer, answer_of, line_of
from pod.domain.access import decide
from pod.domain.evidence import Consensus
from pod.domain.plates import match_key
from pod.domain.policy import Policy
from pod.domain.reads import ALPHABET, SLOTS
from pod.domain.situation import Situation
from pod.store.entries import make_entry
from pod.store.store import Store

NOW = datetime(2030, 5, 4, 12, tzinfo=UTC)
DECISION = {
    "kind": "decision",
    "approach": "a-1",
    "camera": "entrance",
    "gate": "main",
    "plate": "AB123",
    "verdict": "deny",
    "reason": "expired",
    "confidence": 0.93,
    "frames": 7,
    "age_ms": 81.5,
    "label": "[bold]Flat 2",
}


def test_a_denial_is_told_with_its_reason_in_words():
    text = line_of(DECISION, "12:00:00").plain
    assert "AB123" in text
    assert "STAYS SHUT" in text
    assert "its time is over" in text
    assert "[bold]Flat 2, 93% sure after 7 pictures" in text


def test_a_near_match_is_told_without_a_percentage():
    event = DECISION | {"kind": "intent", "verdict": "allow", "reason": "listed", "latency_ms": 84.2}
    text = line_of(event | {"flags": ["near_match"]}, "12:00:00").plain
    assert "sure but for one character after 7 pictures" in text


def test_a_grant_is_told_with_its_latency():
    event = DECISION | {"kind": "intent", "verdict": "allow", "reason": "listed", "latency_ms": 84.2}
    assert "OPENS" in line_of(event, "12:00:00").plain
    assert "relay on 84 ms after the camera saw it" in line_of(event, "12:00:00").plain
    assert answer_of(event) == Answer("a-1", "AB123", "allow", "listed", 84.2)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"kind": "outcome", "gate": "main", "result": "pulsed", "on_ms": 500.7}, "on for 500.7 ms"),
        ({"kind": "outcome", "gate": "main", "result": "failed", "reason": "gate_failed"}, "did not answer"),
        ({"kind": "camera_state", "camera": "c", "state": "failed", "text": "off"}, "c is failed: off"),
    ],
    ids=["pulse", "failed pulse", "camera"],
)  # fmt: skip
def test_other_events_are_told_in_one_line_and_answer_no_car(event, words):
    assert words in line_of(event, "12:00:00").plain
    assert answer_of(event) is None


def test_the_demo_list_decides_each_car_of_the_clip_by_its_role():
    entries = demo_entries(NOW)
    reasons = {"resident": "listed", "visitor": "listed", "expired": "expired", "unlisted": "not_listed"}
    for visit in STORY:
        found = [entry for entry in entries if entry.key == match_key(visit.plate)]
        read = Consensus(visit.plate, 0.99, np.zeros((SLOTS, len(ALPHABET)), np.float32), 5)
        situation = Situation(camera="entrance", gate="main", now=NOW)
        decision = decide(read, found, situation=situation, policy=Policy())
        assert decision.reason == reasons[visit.role]


def test_a_list_that_holds_anything_is_left_alone(tmp_path):
    database = tmp_path / "pod.db"
    with Store.open(database) as store:
        store.plates.add(make_entry("OWN 1"), by="test").result()
    assert not write_demo_list(database)
    with Store.open(database) as store:
        assert [entry.plate for entry in store.plates.current.entries] == ["OWN1"]


def test_a_new_list_is_filled_once(tmp_path):
    assert write_demo_list(tmp_path / "pod.db")
    assert not write_demo_list(tmp_path / "pod.db")


GRANT = DECISION | {
    "kind": "intent",
    "verdict": "allow",
    "reason": "listed",
    "latency_ms": 84.2,
    "pulse": "p1",
}


def test_the_check_names_what_it_still_waits_for():
    result = CheckResult()
    result.take(DECISION)
    assert result.missing == ["a car that is let in"]
    result.take(GRANT | {"approach": "a-2"})
    assert result.complete


def test_a_denial_that_a_grant_replaced_is_no_car_kept_out():
    result = CheckResult()
    result.take(DECISION)
    result.take(GRANT)
    assert result.missing == ["a car that is not let in"]


def test_the_check_is_over_only_when_the_relay_is_off_again():
    result = CheckResult()
    result.take(DECISION)
    result.take(GRANT | {"approach": "a-2"})
    assert not result.settled
    result.take({"kind": "outcome", "pulse": "p1"})
    assert result.settled
