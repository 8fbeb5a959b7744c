"""Figure (b): false opens per million strangers, from made-up approaches and the POD's own decision.

Rates near one in a million are not counted but computed: each approach is followed through evidence and
decision, which tells every plate that it would open for; how likely a list holds one of these plates is then
plain arithmetic over the plates of the form (conditional Monte Carlo). Misreads are sought out and weighted
(importance sampling), so that a good reader's rare errors are met often enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod

import numpy as np

from models.evaluation.intervals import Interval
from models.evaluation.rare_events import chance_of_any, jackknife_interval, upper_bound
from pod.domain.errors import MeasurementError
from pod.domain.evidence import K_EFF
from pod.domain.plates import match_key
from pod.domain.policy import Policy
from pod.services.false_opens.crops import LabelledCrop, Progress, Reads
from pod.services.false_opens.noise_model import NoiseModel
from pod.services.false_opens.openings import Openings, openings

_LETTERS = "".join(sorted({match_key(c) for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}))
_DIGITS = "0123456789"

GROUPS = 10
"""Groups of plates that the interval leaves out one by one."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Who comes, and how often they are seen.

    Attributes:
        form: of every plate, L for a letter and N for a digit.
        frames: reads of one approach.
        correlation: of two frames of one approach, 0..1.
        neighbours_percent: share of strangers whose plate differs from a listed one in one character, any of
            the same kind, at 1,000 plates listed; it grows with the list, to 100 at most.
        approaches: how many are drawn.
        seed: equal seeds give equal figures.
    """

    form: str = "LLNNNLL"
    frames: int = 12
    correlation: float = 0.5
    neighbours_percent: float = 1.0
    approaches: int = 4000
    seed: int = 4

    def neighbour_share(self, listed: int) -> float:
        """Of strangers, with so many plates listed."""
        return min(1.0, self.neighbours_percent / 100 * listed / 1000)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One approach, and what it would open for.

    Attributes:
        key: the plate that came.
        found: what it would open for, were it listed.
    """

    key: str
    weight: float
    found: Openings


class PlateForm:
    """All plates of one form; those with characters that the noise model never saw are left out."""

    def __init__(self, form: str, characters: str) -> None:
        """
        Raises:
            MeasurementError: the form is no row of L and N, or a place has fewer than two known characters.
        """
        if not 2 <= len(form) <= 10 or set(form) - set("LN"):
            raise MeasurementError(
                f"'{form}' is no form of a plate: write 2 to 10 of L (a letter) and N (a digit), like LLNNNLL"
            )
        self.places = [
            "".join(c for c in (_LETTERS if kind == "L" else _DIGITS) if c in characters) for kind in form
        ]
        # O and I are among the letters as 0 and 1, and alone they are none.
        if any(
            sum(c.isalpha() == (kind == "L") for c in place) < 2
            for kind, place in zip(form, self.places, strict=True)
        ):
            raise MeasurementError("the held-out crops show fewer than two of the characters this form needs")
        self.size = prod(len(place) for place in self.places)
        self.neighbours = sum(len(place) - 1 for place in self.places)

    def draw(self, rng: np.random.Generator) -> str:
        """One plate, each equally likely."""
        return "".join(place[int(rng.integers(len(place)))] for place in self.places)

    def holds(self, key: str) -> bool:
        """Whether it is a plate of this form."""
        return len(key) == len(self.places) and all(
            c in place for c, place in zip(key, self.places, strict=True)
        )


def draw(
    model: NoiseModel,
    scenario: Scenario,
    *,
    k_eff: float = K_EFF,
    tilted: bool = True,
    progress: Progress = lambda done: None,
) -> Iterator[Drawn]:
    """Made-up approaches, each followed through evidence and decision."""
    form = PlateForm(scenario.form, model.characters)
    persistence = model.persistence(scenario.correlation)
    for number in range(scenario.approaches):
        rng = np.random.default_rng((scenario.seed, number))
        key = form.draw(rng)
        made = model.approach(key, scenario.frames, persistence=persistence, rng=rng, tilted=tilted)
        yield Drawn(key, made.weight, openings(list(made.frames), k_eff=k_eff))
        progress(1)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one policy makes of the approaches drawn; shares, 0..1.

    Attributes:
        by_neighbour: that a stranger is let in by one certain plate listed that differs in one character.
        by_random: by lists of so many plates: that a stranger is let in by a plate of the list drawn evenly.
        listed_opened: that a listed car is let in.
    """

    by_neighbour: float
    by_random: dict[int, float]
    listed_opened: float

    def false_opens_per_million(self, listed: int, scenario: Scenario) -> float:
        """Strangers let in of a million that come."""
        share = scenario.neighbour_share(listed)
        return 1e6 * (share * self.by_neighbour + (1 - share) * self.by_random[listed])


def rates(drawn: Sequence[Drawn], form: PlateForm, *, sizes: Sequence[int], policy: Policy) -> Rates:
    """Weighted averages over the approaches."""
    total = sum(one.weight for one in drawn)
    neighbour, opened = 0.0, 0.0
    by_random = dict.fromkeys(sizes, 0.0)
    for one in drawn:
        keys = one.found.keys(policy)
        opened += one.weight * (one.key in keys)
        strangers = [key for key in keys if key != one.key and form.holds(key)]
        if not strangers:
            continue
        apart = [sum(a != b for a, b in zip(key, one.key, strict=True)) for key in strangers]
        neighbour += one.weight * apart.count(1) / form.neighbours
        for size in sizes:
            by_random[size] += one.weight * chance_of_any(len(strangers), form.size, listed=size)
    return Rates(neighbour / total, {size: hits / total for size, hits in by_random.items()}, opened / total)


@dataclass(frozen=True, slots=True)
class ModelledFigure:
    """False opens with a list of so many plates.

    Attributes:
        interval_95_per_million: by leaving out groups of plates in turn; None where no approach opened for a
            stranger's neighbour, and only the bound can be given.
        bound_95_per_million: where nothing was found: what three of the held-out plates, misread surely,
            would make of it.
    """

    listed: int
    neighbours_percent: float
    false_opens_per_million: float
    interval_95_per_million: Interval | None
    bound_95_per_million: float | None


@dataclass(frozen=True, slots=True)
class Modelled:
    """Figures at one policy."""

    figures: list[ModelledFigure]
    listed_opened_percent: float
    listed_opened_interval_95_percent: Interval | None


def modelled_figures(
    reads: Reads,
    drawn: Sequence[Drawn],
    scenario: Scenario,
    *,
    model: NoiseModel,
    sizes: Sequence[int],
    policy: Policy,
    approaches_left_out: int,
    progress: Progress = lambda done: None,
) -> Modelled:
    """The figures with their intervals.

    Args:
        reads: what the model was made of.
        approaches_left_out: drawn for each of the `GROUPS` models that lack a group of plates.
    """
    form = PlateForm(scenario.form, model.characters)
    whole = rates(drawn, form, sizes=sizes, policy=policy)
    parts = [
        rates(list(some), smaller_form, sizes=sizes, policy=policy)
        for some, smaller_form in _left_out(reads, scenario, approaches_left_out, progress)
    ]
    figures = []
    plates = len({crop.key for crop in reads.crops})
    for size in sizes:
        rate = whole.false_opens_per_million(size, scenario)
        interval = jackknife_interval(rate, [part.false_opens_per_million(size, scenario) for part in parts])
        bound = None
        if rate == 0:
            bound = 1e6 * scenario.neighbour_share(size) * upper_bound(0, plates) / form.neighbours
        figures.append(
            ModelledFigure(size, 100 * scenario.neighbour_share(size), rate, _or_none(interval), bound)
        )
    missed = _or_none(jackknife_interval(1 - whole.listed_opened, [1 - part.listed_opened for part in parts]))
    return Modelled(
        figures,
        100 * whole.listed_opened,
        None if missed is None else (100 * max(0.0, 1 - missed[1]), 100 * (1 - missed[0])),
    )


def _left_out(
    reads: Reads, scenario: Scenario, approaches: int, progress: Progress
) -> Iterator[tuple[list[Drawn], PlateForm]]:
    plates = sorted({crop.key for crop in reads.crops})
    shuffled = np.random.default_rng(scenario.seed).permutation(plates)
    for group in range(GROUPS):
        without = frozenset(shuffled[group::GROUPS].tolist())
        model = NoiseModel(reads.where(partial(_is_left, without)))
        smaller = replace(scenario, approaches=approaches)
        yield (
            list(draw(model, smaller, progress=progress)),
            PlateForm(scenario.form, model.characters),
        )


def _is_left(gone: frozenset[str], crop: LabelledCrop) -> bool:
    return crop.key not in gone


def _or_none(interval: Interval) -> Interval | None:
    return None if np.isnan(interval[0]) else interval
