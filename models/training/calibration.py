"""Fit the temperature that makes a recogniser's probabilities mean what they say. Pure.

Guo et al., "On calibration of modern neural networks" (ICML 2017): one number that all logits are divided by,
so that no read changes, only how sure it is.
"""

import math

import numpy as np
import numpy.typing as npt

LEAST, MOST = 0.25, 8.0
_STEPS = 60
_GOLDEN = (math.sqrt(5) - 1) / 2

Logits = npt.NDArray[np.floating]


def fit_temperature(logits: Logits, truth: npt.NDArray[np.integer]) -> float:
    """The temperature under which the truth is most likely, within LEAST..MOST.

    Args:
        logits: shape (N, slots, characters), of crops that were not trained on.
        truth: shape (N, slots), the right characters' indices.

    Raises:
        ValueError: no crops, or shapes that do not fit.
    """
    if logits.ndim != 3 or truth.shape != logits.shape[:2] or not truth.size:
        raise ValueError(f"logits {logits.shape} and truth {truth.shape}: give one index per slot")
    low, high = math.log(LEAST), math.log(MOST)
    # The loss is convex in the temperature's inverse, so it has one minimum: golden-section search.
    for _ in range(_STEPS):
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if negative_log_likelihood(logits, truth, temperature=math.exp(a)) <= negative_log_likelihood(
            logits, truth, temperature=math.exp(b)
        ):
            high = b
        else:
            low = a
    return math.exp((low + high) / 2)


def negative_log_likelihood(
    logits: Logits, truth: npt.NDArray[np.integer], *, temperature: float = 1.0
) -> float:
    """Mean over all slots, in nats."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    total = np.log(np.exp(scaled).sum(axis=-1))
    right = np.take_along_axis(scaled, truth[..., None].astype(np.intp), axis=-1)[..., 0]
    return float((total - right).mean())
