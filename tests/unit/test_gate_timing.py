"""How the gate-latency benchmark judges what a pod did for each car."""

import pytest

from benchmarks.gate_timing import Car, Opening, Passage, Refusal, figures, passages

SETTLE_S = 1.0
CAR = Car("AB123CD", first_s=10.0, last_s=13.0, legible_s=10.5)
UNREAD = Car("XY99ZZ", first_s=20.0, last_s=23.0, legible_s=None)


def passage(latency_s: float | None, reason: str = "") -> Passage:
    return Passage(CAR, latency_s, reason)


def test_the_clock_runs_from_the_first_legible_frame_to_the_edge():
    ((only,), wrong) = passages([CAR], [Opening("AB123CD", 10.62)], [], settle_s=SETTLE_S)
    assert only.latency_s == pytest.approx(0.12)
    assert wrong == 0


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param(Opening("XY99ZZ", 10.6), id="for another plate"),
        pytest.param(Opening("AB123CD", 9.9), id="before the car came"),
        pytest.param(Opening("AB123CD", 14.1), id="after the car had gone"),
    ],
)
def test_a_pulse_that_no_car_in_view_was_owed_is_counted_and_opens_for_nobody(opening):
    ((only,), wrong) = passages([CAR], [opening], [], settle_s=SETTLE_S)
    assert only.latency_s is None
    assert wrong == 1


def test_a_second_pulse_for_the_same_car_is_one_too_many():
    pulses = [Opening("AB123CD", 10.6), Opening("AB123CD", 12.0)]
    ((only,), wrong) = passages([CAR], pulses, [], settle_s=SETTLE_S)
    assert only.latency_s == pytest.approx(0.1)
    assert wrong == 1


def test_a_car_that_stays_outside_names_the_last_reason_written_while_it_was_there():
    refusals = [
        Refusal(9.0, "expired"),
        Refusal(11.0, "low_confidence"),
        Refusal(13.5, "not_listed"),
        Refusal(15.0, "leaving"),
    ]
    ((only,), _) = passages([CAR], [], refusals, settle_s=SETTLE_S)
    assert only.reason == "not_listed"


def test_a_car_about_which_nothing_was_written_says_so():
    ((only,), _) = passages([CAR], [], [], settle_s=SETTLE_S)
    assert only.reason == "no_decision"


def test_a_car_that_is_never_legible_is_owed_nothing_but_its_pulse_is_not_wrong():
    done, wrong = passages([UNREAD], [Opening("XY99ZZ", 21.0)], [], settle_s=SETTLE_S)
    assert (done, wrong) == ([], 0)


def test_percentiles_leave_out_gates_that_opened_before_the_plate_was_legible():
    found = figures([passage(s) for s in (-0.2, 0.1, 0.2, 0.3)], cars=5, wrong_openings=0)
    assert found["p50_ms"] == pytest.approx(200)
    assert found["p95_ms"] == pytest.approx(290)
    assert (found["cars"], found["legible_cars"], found["timed_cars"]) == (5, 4, 3)
    assert found["opened_before_legible"] == 1
    assert found["opened_within_1s_percent"] == 100


def test_the_share_opened_in_time_is_of_all_legible_cars_and_the_rest_is_told_by_reason():
    done = [passage(0.1), passage(1.2), passage(None, "low_confidence"), passage(None, "low_confidence")]
    found = figures(done, cars=4, wrong_openings=3)
    assert found["opened_within_1s_percent"] == 25
    assert (found["not_opened"], found["not_opened_low_confidence"]) == (2, 2)
    assert found["opened_for_nobody"] == 3


def test_a_run_in_which_nothing_could_be_timed_is_no_good_result():
    with pytest.raises(ValueError, match="nothing to time"):
        figures([passage(None, "no_decision")], cars=1, wrong_openings=0)
