"""A network path in numbers: which datagram is lost, and when the others arrive. Pure: it is seeded."""

from random import Random


class LossyPath:
    """One direction. The same seed loses the same datagrams.

    Args:
        loss: share of the datagrams, 0 to 1.
        delay_s: of those that arrive; none overtakes another.
    """

    def __init__(self, seed: int, *, loss: float, delay_s: float) -> None:
        self._random = Random(seed)
        self._loss = loss
        self._delay_s = delay_s
        self.sent = 0
        self.lost = 0

    def arrival_s(self, now_s: float) -> float | None:
        """When a datagram that is sent now arrives; None where it is lost."""
        self.sent += 1
        if self._random.random() < self._loss:
            self.lost += 1
            return None
        return now_s + self._delay_s
