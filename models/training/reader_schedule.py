"""How the recogniser's learning rate goes: up in some steps, level, and down at the end. Pure."""

import math
from dataclasses import dataclass

WARM_UP_STEPS = 300
DECAY_SHARE = 0.3
LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Schedule:
    """A training of so many epochs; the last DECAY_SHARE of them are the way down."""

    epochs: int

    @property
    def stable_epochs(self) -> int:
        """Epochs at the full rate: from the checkpoint after them a longer training can go on."""
        return self.epochs - math.ceil(DECAY_SHARE * self.epochs)

    def rate(self, epoch: float, *, step: int) -> float:
        """A share of the learning rate, LEAST..1.

        Args:
            epoch: how many have passed, with their part of the one under way.
            step: how many steps have passed, for the way up.
        """
        way_up = min(1.0, (step + 1) / WARM_UP_STEPS)
        if epoch <= self.stable_epochs:
            return way_up
        gone = min(1.0, (epoch - self.stable_epochs) / (self.epochs - self.stable_epochs))
        return way_up * (LEAST + (1 - LEAST) * (1 - math.sqrt(gone)))
