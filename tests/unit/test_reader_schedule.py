"""The learning rate is level for most of a training, and low at its end."""

import pytest

from models.training.reader_schedule import LEAST, WARM_UP_STEPS, Schedule


def test_the_rate_rises_over_the_first_steps() -> None:
    rates = [Schedule(10).rate(0.0, step=step) for step in range(WARM_UP_STEPS)]
    assert rates == sorted(rates)
    assert rates[0] < 0.01
    assert rates[-1] == 1


def test_the_rate_stays_until_the_last_third_and_then_only_falls() -> None:
    schedule = Schedule(20)
    rates = [schedule.rate(epoch, step=9999) for epoch in range(21)]
    assert set(rates[: schedule.stable_epochs + 1]) == {1.0}
    falling = rates[schedule.stable_epochs :]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(LEAST)


@pytest.mark.parametrize("epochs", [1, 2, 3, 60])
def test_every_length_ends_low(epochs: int) -> None:
    schedule = Schedule(epochs)
    assert 0 <= schedule.stable_epochs < epochs
    assert schedule.rate(float(epochs), step=9999) == pytest.approx(LEAST)


def test_a_longer_training_shares_the_level_part_of_a_shorter_one() -> None:
    short, long = Schedule(10), Schedule(40)
    shared = range(short.stable_epochs + 1)
    assert [short.rate(e, step=e * 500) for e in shared] == [long.rate(e, step=e * 500) for e in shared]
