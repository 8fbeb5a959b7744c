import random

import pytest
from gate_street import Car, Faults, Street
from hypothesis import given, settings
from hypothesis import strategies as st

BAD = Faults(missed=0.2, burst=0.03, burst_s=1.0, jitter=0.04, misread=0.1)
LISTED = ["AB123CD", "KL804XY", "MP555RT", "BX771QA", "ZS258BD"]
UNLISTED = ["QQ111WW", "ER902TT", "UV340PL"]
seeds = pytest.mark.parametrize("seed", range(6), ids=lambda n: f"seed {n}")


def a_queue(plates: list[str], *, apart_s: float) -> list[Car]:
    return [Car(plate, comes_s=1.0 + 4 + apart_s * i) for i, plate in enumerate(plates)]


@seeds
def test_a_listed_car_is_let_in_with_one_pulse(seed):
    street = Street(a_queue(LISTED[:1], apart_s=0), set(LISTED), seed=seed).run(40)
    assert len(street.pulses) == 1
    assert street.cars[0].passed


@seeds
@pytest.mark.parametrize("apart_s", [3.0, 6.0, 20.0], ids=["bumper to bumper", "close", "one at a time"])
def test_in_a_convoy_of_listed_cars_all_pass_and_none_gets_two_pulses(seed, apart_s):
    street = Street(a_queue(LISTED, apart_s=apart_s), set(LISTED), seed=seed, faults=BAD).run(140)
    assert [c.plate for c in street.cars if not c.passed] == []
    assert max(street.pulses_for(p) for p in LISTED) == 1
    assert {p for _, p in street.pulses} <= set(LISTED)


@seeds
def test_in_a_mixed_queue_no_pulse_is_for_an_unlisted_car_and_the_next_listed_one_is_not_blocked(seed):
    plates = [UNLISTED[0], LISTED[0], UNLISTED[1], LISTED[1], UNLISTED[2]]
    street = Street(a_queue(plates, apart_s=12), set(LISTED), seed=seed, faults=BAD).run(160)
    assert sorted(p for _, p in street.pulses) == sorted(LISTED[:2])
    assert {d.plate for d in street.recorded if d.reason == "not_listed"} >= set(UNLISTED)


@seeds
def test_an_unlisted_car_alone_opens_nothing_and_is_written_down_once(seed):
    street = Street(a_queue(UNLISTED[:1], apart_s=0), set(LISTED), seed=seed).run(40)
    assert street.pulses == []
    assert [d.plate for d in street.recorded if d.reason == "not_listed"] == [UNLISTED[0]]


@seeds
@pytest.mark.parametrize("faults", [Faults(), BAD], ids=["good camera", "bad camera"])
def test_a_listed_car_parked_in_view_opens_nothing_even_over_reconnects(seed, faults):
    parked = Car(LISTED[0], comes_s=0.0, parked=True, distance_m=8.0, lane_px=300)
    street = Street([parked], set(LISTED), seed=seed, faults=faults, reconnects_s=(100.0, 200.0)).run(300)
    assert street.pulses == []


def test_a_parked_car_is_hardly_read():
    parked = Car(LISTED[0], comes_s=0.0, parked=True, distance_m=8.0)
    steady = Faults(burst=0.0)
    street = Street([parked], set(LISTED), faults=steady).run(300)
    assert 100 < street.reads < 450, "of 3000 frames"


@seeds
def test_cars_that_pass_a_parked_listed_one_open_for_themselves_only(seed):
    parked = Car(LISTED[0], comes_s=0.0, parked=True, distance_m=8.0, lane_px=180)
    queue = a_queue([UNLISTED[0], LISTED[1], UNLISTED[1]], apart_s=20)
    street = Street([parked, *queue], set(LISTED), seed=seed, faults=BAD).run(120)
    assert [p for _, p in street.pulses] == [LISTED[1]]


@seeds
def test_a_reconnect_while_a_granted_car_stands_at_the_gate_opens_nothing_again(seed):
    street = Street(a_queue(LISTED[:1], apart_s=0), set(LISTED), seed=seed, open_s=0.0, reconnects_s=(14, 16))
    street.run(25)
    assert len(street.pulses) == 1


@seeds
def test_two_lanes_side_by_side_are_kept_apart(seed):
    left = Car(LISTED[0], comes_s=5.0, lane_px=-260)
    right = Car(UNLISTED[0], comes_s=0.0, lane_px=260, parked=True, distance_m=7.0)
    street = Street([left, right], set(LISTED), seed=seed, faults=BAD).run(40)
    assert [p for _, p in street.pulses] == [LISTED[0]]


@given(
    seed=st.integers(0, 10_000),
    plates=st.lists(st.sampled_from(LISTED + UNLISTED), min_size=1, max_size=6, unique=True),
    apart_s=st.floats(2.5, 15),
    missed=st.floats(0, 0.4),
    jitter=st.floats(0, 0.05),
    direction=st.sampled_from(["in", "both"]),
)
@settings(max_examples=25, deadline=None)
def test_whatever_the_queue_no_car_gets_two_pulses_and_no_stranger_any(
    seed, plates, apart_s, missed, jitter, direction
):
    street = Street(
        a_queue(plates, apart_s=apart_s),
        set(LISTED),
        seed=seed,
        direction=direction,
        faults=Faults(missed=missed, burst=0.02, burst_s=1.0, jitter=jitter),
    ).run(20 + 20 * len(plates))
    assert {p for _, p in street.pulses} <= set(LISTED) & set(plates)
    assert all(street.pulses_for(p) <= 1 for p in plates)


@pytest.mark.proof(10)
def test_in_simulated_queues_each_listed_car_gets_one_pulse_and_none_waits_for_another_in_vain(prove, often):
    """Convoys, mixed queues and parked cars before good and bad cameras, by the seed."""
    streets = cars = pulses = doubled = blocked = strangers = 0
    for seed in range(often(12, 400)):
        chance = random.Random(seed)
        plates = chance.sample(LISTED + UNLISTED, chance.randint(1, 6))
        queue = a_queue(plates, apart_s=chance.choice((3.0, 6.0, 12.0, 20.0)))
        parked = [Car("PK999ED", comes_s=0.0, parked=True, distance_m=8.0, lane_px=300)] * chance.randint(
            0, 1
        )
        faults = chance.choice((Faults(), BAD))
        # Open for less than its pause, a gate leaves the next car to wait for a pulse of its own. Not where a
        # refused car is ahead: that one would drive in with the pulse for the car behind it.
        open_s = chance.choice((6.0, 3.0)) if set(plates) <= set(LISTED) else 6.0
        street = Street([*parked, *queue], {*LISTED, "PK999ED"}, seed=seed, faults=faults, open_s=open_s)
        street.run(40 + 25 * len(plates))
        listed = set(plates) & set(LISTED)
        streets += 1
        cars += len(queue) + len(parked)
        pulses += len(street.pulses)
        doubled += sum(street.pulses_for(plate) > 1 for plate in listed)
        blocked += sum(not car.passed for car in queue if car.plate in listed)
        strangers += sum(opened not in listed for _, opened in street.pulses)
    prove(attempts=cars, losses=doubled + blocked + strangers, streets=streets, pulses=pulses)
