"""Audit rows folded into what people ask about: one record per car."""

from datetime import UTC, datetime, timedelta

import pytest

from pod.domain.history import AuditEvent, approaches

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def event(seq: int, kind: str, approach: str = "entry-1", **facts: object) -> AuditEvent:
    decision = {
        "approach": approach,
        "camera": "entry",
        "gate": "main",
        "plate": "AB123",
        "verdict": "deny",
        "reason": "not_listed",
        "confidence": 0.97,
    }
    return AuditEvent(seq, START + timedelta(seconds=seq), kind, decision | facts)


def test_a_pulse_is_told_as_commanded_because_nobody_saw_the_gate_move() -> None:
    (record,) = approaches(
        [event(1, "intent", verdict="allow", reason="listed"), event(2, "outcome", result="pulsed")]
    )
    assert record.outcome == "open commanded"
    assert record.why == "The plate is on the list."


def test_a_later_grant_replaces_the_denial_of_the_same_car() -> None:
    (record,) = approaches([event(1, "decision"), event(2, "intent", verdict="allow", reason="listed")])
    assert (record.outcome, record.revisions) == ("opening", 2)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        pytest.param({}, "not opened", id="denied"),
        pytest.param({"verdict": "allow", "reason": "gate_already_open"}, "open already", id="in-the-pause"),
        pytest.param({"verdict": "allow", "reason": "just_served"}, "let in already", id="before-a-restart"),
    ],
)
def test_a_decision_without_a_pulse_says_what_the_gate_did(facts: dict[str, object], outcome: str) -> None:
    (record,) = approaches([event(1, "decision", **facts)])
    assert record.outcome == outcome


def test_a_failed_pulse_gives_its_own_reason() -> None:
    rows = [
        event(1, "intent", verdict="allow", reason="listed"),
        event(2, "outcome", result="failed", reason="gate_failed"),
    ]
    (record,) = approaches(rows)
    assert (record.outcome, record.reason) == ("failed", "gate_failed")


def test_the_car_that_changed_last_comes_first_whatever_the_order_of_rows() -> None:
    rows = [event(3, "decision", "entry-1"), event(1, "decision", "entry-2"), event(2, "decision", "entry-1")]
    assert [r.approach for r in approaches(rows)] == ["entry-1", "entry-2"]


def test_an_outcome_whose_intent_lies_before_the_rows_at_hand_is_passed_over() -> None:
    assert approaches([event(7, "outcome", result="pulsed")]) == []


def test_rows_about_other_things_are_passed_over() -> None:
    assert approaches([AuditEvent(1, START, "pod_started", {"version": "1"})]) == []


def test_a_pulse_by_hand_is_no_car() -> None:
    row = {"source": "by hand", "gate": "main", "pulse": "test-1", "reason": "by_hand"}
    assert approaches([AuditEvent(1, START, "intent", row), AuditEvent(2, START, "outcome", row)]) == []
