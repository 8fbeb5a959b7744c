"""A fitted temperature undoes what makes a network too sure or too unsure."""

import numpy as np
import numpy.typing as npt
import pytest

from models.training.calibration import LEAST, MOST, fit_temperature, negative_log_likelihood


def an_honest_network(crops: int = 3000) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Logits, and a truth drawn from the very probabilities that they say."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (crops, 4, 6))
    shares = np.exp(logits)
    shares /= shares.sum(-1, keepdims=True)
    drawn = (shares.cumsum(-1) < rng.random((crops, 4, 1))).sum(-1)
    return logits, drawn


@pytest.mark.parametrize("boast", [0.5, 1.0, 2.5], ids=["too unsure", "honest", "too sure"])
def test_the_temperature_is_how_much_the_logits_were_stretched(boast: float) -> None:
    logits, truth = an_honest_network()
    assert fit_temperature(logits * boast, truth) == pytest.approx(boast, rel=0.04)


def test_a_temperature_makes_the_truth_more_likely_and_changes_no_read() -> None:
    logits, truth = an_honest_network()
    boasting = logits * 3
    fitted = fit_temperature(boasting, truth)
    assert negative_log_likelihood(boasting, truth, temperature=fitted) < negative_log_likelihood(
        boasting, truth
    )
    assert np.array_equal((boasting / fitted).argmax(-1), boasting.argmax(-1))


def test_what_all_logits_of_a_slot_have_in_common_does_not_matter() -> None:
    logits, truth = an_honest_network(500)
    shifted = logits + np.random.default_rng(1).normal(0, 50, (500, 4, 1))
    assert fit_temperature(shifted, truth) == pytest.approx(fit_temperature(logits, truth), rel=1e-6)


def test_the_temperature_keeps_its_bounds_where_nothing_was_read_wrongly() -> None:
    logits, _ = an_honest_network(50)
    assert LEAST <= fit_temperature(logits, logits.argmax(-1)) < 1.01 * LEAST
    assert 0.99 * MOST < fit_temperature(logits * 100, logits.argmin(-1)) <= MOST


def test_logits_past_what_an_exponential_can_hold_still_have_a_likelihood() -> None:
    logits = np.array([[[2000.0, 1000.0]]])
    assert negative_log_likelihood(logits, np.array([[0]])) == 0
    assert negative_log_likelihood(logits, np.array([[1]])) == 1000


@pytest.mark.parametrize(
    ("logits", "truth"),
    [((3, 4, 6), (3, 5)), ((3, 4), (3,)), ((0, 4, 6), (0, 4))],
    ids=["other slots", "no characters", "no crops"],
)
def test_shapes_that_do_not_fit_are_refused(logits: tuple[int, ...], truth: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one index per slot"):
        fit_temperature(np.zeros(logits), np.zeros(truth, np.intp))
