"""How the detector's learning rate goes, and which checkpoint a run goes on from."""

import pytest

from models.training.detector_schedule import (
    Checkpoint,
    decay_epochs,
    epochs_without_mosaic,
    goes_on_from,
    learning_rate_factor,
    stable_epochs,
)


def test_the_rate_stays_for_three_quarters_and_ends_at_a_hundredth() -> None:
    factors = [learning_rate_factor(epoch, epochs=40) for epoch in (0, 15, 30, 35, 40)]
    assert factors == pytest.approx([1, 1, 1, 0.505, 0.01])


def test_the_rate_falls_within_an_epoch_too() -> None:
    assert learning_rate_factor(0.5, epochs=1) == pytest.approx(0.505)


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 60])
def test_every_run_ends_with_a_falling_rate_and_mosaic_goes_within_it(epochs: int) -> None:
    assert decay_epochs(epochs) >= 1
    assert stable_epochs(epochs) + decay_epochs(epochs) == epochs
    assert epochs_without_mosaic(epochs) <= decay_epochs(epochs)


def test_a_new_run_goes_on_from_nothing() -> None:
    assert goes_on_from(60, last=None, stable=None) is None


def test_a_run_cut_short_goes_on_from_its_last_epoch() -> None:
    cut = goes_on_from(60, last=Checkpoint(50, 60), stable=Checkpoint(45, 60))
    assert cut == "last"


def test_a_finished_run_is_made_longer_from_before_its_rate_fell() -> None:
    assert goes_on_from(80, last=Checkpoint(0, 60), stable=Checkpoint(45, 60)) == "stable"


def test_a_run_under_way_is_brought_to_an_early_end_from_a_stable_epoch() -> None:
    assert goes_on_from(20, last=Checkpoint(15, 60), stable=Checkpoint(15, 60)) == "stable"


def test_a_checkpoint_past_the_wanted_stable_epochs_cannot_be_used() -> None:
    assert goes_on_from(16, last=Checkpoint(15, 60), stable=Checkpoint(15, 60)) is None
