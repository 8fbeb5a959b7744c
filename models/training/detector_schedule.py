"""How the detector's learning rate goes over the epochs, and which checkpoint a run goes on from. Pure.

Warm-up, stable, decay: the rate stays until the last quarter of the epochs, then falls in a line to a
hundredth (Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", 2024).
What was trained at the stable rate serves a longer run as well; a cosine would have to begin anew.
"""

from dataclasses import dataclass

_LAST_FACTOR = 0.01


def decay_epochs(epochs: int) -> int:
    """In how many epochs, the last ones, the rate falls: a quarter, at least one."""
    return max(1, epochs // 4)


def stable_epochs(epochs: int) -> int:
    """How many epochs come before the rate falls."""
    return epochs - decay_epochs(epochs)


def epochs_without_mosaic(epochs: int) -> int:
    """How many epochs, the last ones, show whole pictures as the pod sees them."""
    return max(1, decay_epochs(epochs) // 3) if epochs > 1 else 0


def learning_rate_factor(epoch: float, *, epochs: int) -> float:
    """What the learning rate is multiplied by after so many epochs; 2.5 is the middle of the third one."""
    gone = (epoch - stable_epochs(epochs)) / decay_epochs(epochs)
    return 1.0 - (1.0 - _LAST_FACTOR) * max(0.0, gone)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is known of one: how many epochs it has behind it, and how many were planned.

    Attributes:
        done: 0 where training has ended and the optimizer's state is gone.
    """

    done: int
    planned: int


def goes_on_from(epochs: int, *, last: Checkpoint | None, stable: Checkpoint | None) -> str | None:
    """Which checkpoint a run of `epochs` epochs continues: "last", "stable" or, to begin, none.

    Args:
        last: of the last epoch, whatever its rate.
        stable: of the last epoch before the rate fell.
    """
    if last is not None and 0 < last.done < epochs and last.planned == epochs:
        return "last"
    if stable is not None and 0 < stable.done <= stable_epochs(epochs):
        return "stable"
    return None
