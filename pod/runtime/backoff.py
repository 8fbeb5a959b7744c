"""How long to wait before trying again: growing delays with jitter. Pure; randomness is brought along."""

from collections.abc import Callable, Iterator

GROWTH = 2.0
"""Each bound against the one before."""


def backoff_delays_s(
    random_unit: Callable[[], float], first_s: float = 0.5, *, longest_s: float = 30.0
) -> Iterator[float]:
    """Delays without end: each between half and the whole of a bound that grows to `longest_s`.

    Args:
        random_unit: uniform in [0, 1), such as `random.Random().random`.
    """
    bound_s = first_s
    while True:
        yield bound_s * (0.5 + 0.5 * random_unit())
        bound_s = min(longest_s, bound_s * GROWTH)
