"""When the gate opened for each car, against the moment the car's plate was legible. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Car:
    """A listed car as the camera sent it; times on the monotonic clock.

    Attributes:
        key: match key of its plate.
        legible_s: when the camera sent the first frame in which the plate is large enough and read correctly
            from that frame alone; None where no frame is like that.
    """

    key: str
    first_s: float
    last_s: float
    legible_s: float | None


@dataclass(frozen=True, slots=True)
class Opening:
    """One edge of the relay to on, and the match key of the plate it was granted to."""

    key: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """One decision that opened nothing."""

    at_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Passage:
    """What came of one car.

    Attributes:
        latency_s: from legible to the relay's edge; below 0 where the gate opened before. None: not opened.
        reason: why it was not opened; empty where it was.
    """

    car: Car
    latency_s: float | None
    reason: str


def passages(
    cars: Sequence[Car], openings: Sequence[Opening], refusals: Sequence[Refusal], *, settle_s: float
) -> tuple[list[Passage], int]:
    """What came of each legible car, and how many pulses went out that no car in view was owed.

    Args:
        openings, refusals: in the order of time.
        settle_s: what is written this long after a car has gone may still be about it.
    """
    owed = [
        next(
            (o for o in openings if o.key == car.key and car.first_s <= o.at_s <= car.last_s + settle_s), None
        )
        for car in cars
    ]
    done = []
    for car, opening in zip(cars, owed, strict=True):
        if car.legible_s is None:
            continue
        if opening is not None:
            done.append(Passage(car, opening.at_s - car.legible_s, ""))
            continue
        reasons = [r.reason for r in refusals if car.first_s <= r.at_s <= car.last_s + settle_s]
        done.append(Passage(car, None, reasons[-1] if reasons else "no_decision"))
    return done, len(openings) - sum(opening is not None for opening in owed)


def figures(done: Sequence[Passage], *, cars: int, wrong_openings: int) -> dict[str, float]:
    """The benchmark's figures.

    A gate that opened before the first legible frame was sent gives no latency: it would only flatter the
    percentiles. It does count as opened in time.

    Args:
        cars: all cars, legible or not.

    Raises:
        ValueError: no car gave a latency.
    """
    latencies_s = [p.latency_s for p in done if p.latency_s is not None]
    measured_ms = [1000 * latency_s for latency_s in latencies_s if latency_s >= 0]
    if not measured_ms:
        raise ValueError("no listed car was opened after its first legible frame: there is nothing to time")
    missed = Counter(p.reason for p in done if p.latency_s is None)
    return {
        "p50_ms": float(np.percentile(measured_ms, 50)),
        "p95_ms": float(np.percentile(measured_ms, 95)),
        "opened_within_1s_percent": 100 * sum(s <= WITHIN_S for s in latencies_s) / len(done),
        "cars": cars,
        "legible_cars": len(done),
        "timed_cars": len(measured_ms),
        "opened_before_legible": len(latencies_s) - len(measured_ms),
        "opened_for_nobody": wrong_openings,
        "not_opened": sum(missed.values()),
        **{f"not_opened_{reason}": count for reason, count in sorted(missed.items())},
    }
