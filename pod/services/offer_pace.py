"""How often one person may open a session. Pure: the caller brings the clock."""

from collections import OrderedDict
from dataclasses import dataclass

AT_ONCE = 64.0
"""A wall of screens may open all its sessions together."""

A_SECOND = 2.0
MOST_PEOPLE = 256


@dataclass(slots=True)
class _Left:
    offers: float
    at_s: float


class OfferPace:
    """Bounds what one person can make the POD set up, whatever others do. Not thread-safe."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, _Left] = OrderedDict()

    def wait_s(self, owner: str, now_s: float) -> float:
        """0 where `owner` may open one more session, which is counted; else how long to wait.

        Args:
            now_s: monotonic clock.
        """
        left = self._left.setdefault(owner, _Left(AT_ONCE, now_s))
        self._left.move_to_end(owner)
        while len(self._left) > MOST_PEOPLE:
            self._left.popitem(last=False)
        left.offers = min(AT_ONCE, left.offers + (now_s - left.at_s) * A_SECOND)
        left.at_s = now_s
        if left.offers < 1:
            return (1 - left.offers) / A_SECOND
        left.offers -= 1
        return 0.0
