"""How often each POD may ask for something that costs: so much at once, then at a pace. Pure."""

from collections import OrderedDict


class Allowance:
    """One pace for each POD of very many. `now_s` is always the same monotonic clock.

    Attributes:
        refused: how often one was told to wait.
    """

    def __init__(self, *, at_once: float, per_s: float, most_pods: int = 20_000) -> None:
        """
        Args:
            at_once: what a POD may ask for after a pause.
            per_s: how fast it earns that again.
            most_pods: the one that asked longest ago is forgotten above that, and begins anew.
        """
        self._at_once = at_once
        self._per_s = per_s
        self._most_pods = most_pods
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.refused = 0

    def takes(self, pod: str, now_s: float, *, cost: float = 1.0) -> bool:
        """Whether the POD may have this now; what it is refused costs it nothing."""
        left, since_s = self._left.pop(pod, (self._at_once, now_s))
        left = min(self._at_once, left + (now_s - since_s) * self._per_s)
        is_taken = left >= cost
        self._left[pod] = (left - cost if is_taken else left, now_s)
        if len(self._left) > self._most_pods:
            self._left.popitem(last=False)
        self.refused += not is_taken
        return is_taken
