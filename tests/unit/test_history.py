"""Audit rows folded into what people ask about: one record per car."""

from datetime import UTC, datetime, timedelta

import pytest

from pod.domain.history import AuditEvent, approaches, gate_facts

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


def test_a_pulse_in_which_the_pod_ended_is_told_as_not_known() -> None:
    rows = [
        event(1, "intent", verdict="allow", reason="listed"),
        event(2, "outcome", result="unknown", reason="gate_failed", error="the POD ended"),
    ]
    [record] = approaches(rows)
    assert (record.outcome, record.reason) == ("not known", "gate_failed")
    assert record.story[-1].error == "the POD ended"


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


def test_the_story_keeps_every_step_with_its_time_and_what_it_rested_on() -> None:
    slots = [[["A", 0.9], ["4", 0.05]], [["B", 1.0]]]
    rows = [
        event(1, "decision", read="A8123", reason="low_confidence", evidence=slots, frames=3),
        event(
            2,
            "intent",
            verdict="allow",
            reason="listed",
            flags=["near_match"],
            rules="r1",
            models={"detector": "yolo v0", "recognizer": "ocr v0"},
            list_version=7,
            late=True,
        ),
        event(3, "outcome", result="pulsed", on_ms=500.2),
    ]
    (record,) = approaches(rows)
    first, second, third = record.story
    assert (first.read, first.frames, first.why) == (
        "A8123",
        3,
        "The plate could not be read clearly enough.",
    )
    assert first.evidence == ((("A", 0.9), ("4", 0.05)), (("B", 1.0),))
    assert (second.flags, second.rules, second.list_version, second.late) == (
        ("near_match",),
        "r1",
        7,
        True,
    )
    assert second.models == "yolo v0, ocr v0"
    assert (third.outcome, third.on_ms, third.at - first.at) == (
        "open commanded",
        500.2,
        timedelta(seconds=2),
    )
    assert record.decided == second


def test_rows_that_keep_no_evidence_are_told_without_it() -> None:
    (record,) = approaches([event(1, "decision")])
    (step,) = record.story
    assert (step.evidence, step.flags, step.list_version, step.rules) == ((), (), None, "")
    assert step.read == "AB123"


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param("AB123", id="a-text"),
        pytest.param([["A", 0.9]], id="no-pairs"),
        pytest.param([[["A", "much"]]], id="no-probability"),
        pytest.param([[]], id="an-empty-slot"),
        pytest.param([None], id="no-slot"),
    ],
)
def test_evidence_of_another_form_is_told_as_none_kept(spoiled: object) -> None:
    (record,) = approaches([event(1, "decision", evidence=spoiled)])
    assert record.story[0].evidence == ()


def test_a_row_that_was_erased_is_passed_over() -> None:
    rows = [AuditEvent(1, START, "intent", None), event(2, "decision"), AuditEvent(3, START, "outcome", None)]
    (record,) = approaches(rows)
    assert (record.outcome, record.last_seq) == ("not opened", 2)


def test_a_refusal_after_the_intent_ends_the_story() -> None:
    rows = [
        event(1, "intent", verdict="allow", reason="listed"),
        event(2, "outcome", result="refused", reason="stale_frame"),
        event(3, "decision", reason="stale_frame"),
    ]
    (record,) = approaches(rows)
    assert [step.outcome for step in record.story] == ["opening", "failed", "not opened"]
    assert (record.outcome, record.reason) == ("not opened", "stale_frame")


def test_what_inputs_at_the_gate_told_belongs_to_the_car_until_the_next_command() -> None:
    def fact(seq: int, name: str, gate: str = "main") -> AuditEvent:
        return AuditEvent(seq, START + timedelta(seconds=seq), "gate_fact", {"gate": gate, "fact": name})

    rows = [
        fact(1, "closed"),
        event(2, "intent", verdict="allow", reason="listed"),
        fact(3, "commanded"),
        fact(4, "moved", gate="north"),
        fact(5, "moved"),
        event(6, "outcome", result="pulsed"),
        fact(7, "opened"),
        fact(8, "vehicle_present"),
        fact(9, "commanded"),
        fact(10, "closed"),
    ]
    assert gate_facts(rows) == (
        (START + timedelta(seconds=5), "moved"),
        (START + timedelta(seconds=7), "opened"),
    )
    assert gate_facts([fact(1, "moved"), event(2, "decision")]) == ()
    assert approaches(rows)[0].outcome == "open commanded"
