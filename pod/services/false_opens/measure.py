"""The whole measurement in one run: reads crops, counts, models, fits, and holds the constants against it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pod.domain.errors import MeasurementError
from pod.domain.evidence import K_EFF
from pod.domain.policy import Policy
from pod.services.false_opens.confusion_fit import (
    Confusions,
    count_confusions,
    fitted_pairs,
    shipped_pairs,
)
from pod.services.false_opens.corrections import corrected
from pod.services.false_opens.crops import LabelledCrop, Reads, load_crops, read_crops, read_key
from pod.services.false_opens.modelled import (
    GROUPS,
    Drawn,
    Modelled,
    PlateForm,
    Scenario,
    draw,
    modelled_figures,
    rates,
)
from pod.services.false_opens.noise_model import NoiseModel
from pod.services.false_opens.openings import openings, policy_with
from pod.services.false_opens.real import ListFigure, real_figures
from pod.services.false_opens.rendered import rendered_approaches
from pod.services.false_opens.shipped import Finding, check_confusions, check_k_eff
from pod.services.false_opens.sightings import (
    LEAST_PLATES,
    Alikeness,
    Contradictions,
    Sighting,
    alikeness,
    contradictions,
    sightings,
)
from pod.vision.pipeline import Models
from pod.vision.recognizer import Recognizer

CONFIDENCES = (0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98)
RATIOS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
FRAMES_NEEDED = (1, 2, 3, 5, 8, 100)
K_COMPARED = (1.0, 2.0, 3.0, 5.0, 12.0)
CORRELATIONS = (0.0, 1.0)
READS = (3, 24)

Stage = Callable[[str, int], Callable[[int], None]]
"""Begins a part of the work, by its name and number of steps; answers with what is told the steps done."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to try.

    Attributes:
        crops: training crops of plates seen once or more that the constants are fitted on.
        approaches: made-up approaches of the main scenario.
        approaches_compared: of each other scenario, and of each that leaves plates out.
        draws: random lists of each length.
        rendered: rendered approaches.
    """

    crops: int = 2400
    approaches: int = 4000
    approaches_compared: int = 1000
    draws: int = 200
    rendered: int = 24


QUICK = Effort(crops=900, approaches=500, approaches_compared=120, draws=20, rendered=4)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve: a bound's value, and what it makes of strangers and of listed cars."""

    value: float
    false_opens_per_million: float
    listed_opened_percent: float


@dataclass(frozen=True, slots=True)
class RenderedFigure:
    """What rendered approaches gave.

    Attributes:
        unseen: approaches whose plate was found in fewer than two pictures.
        listed_opened: of the seen ones, those that their own plate, listed, opens for.
        opened_for_another: those that some other plate, listed, would be opened for.
        alikeness: None where too few were seen.
    """

    approaches: int
    unseen: int
    listed_opened: int
    opened_for_another: int
    alikeness: Alikeness | None


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """Single made-up reads beside the held-out reads they imitate, percent: the model's test."""

    right: tuple[float, float]
    sure: tuple[float, float]
    sure_and_wrong: tuple[float, float]
    wrong_in_two_places: tuple[float, float]


@dataclass(frozen=True, slots=True)
class FalseOpens:
    """Everything that was measured."""

    recognizer: str
    sizes: tuple[int, ...]
    seed: int
    effort: Effort
    corrections: int
    real_as_labelled: list[ListFigure]
    real: list[ListFigure]
    scenario: Scenario
    persistence: float
    stray_percent: float
    modelled: Modelled
    model_check: ModelCheck
    curves: dict[str, list[Point]]
    alikeness: dict[str, Alikeness]
    contradictions: Contradictions
    rendered: RenderedFigure
    misreads: dict[str, int]
    fitted_pairs: list[str]
    findings: list[Finding]


def measure(
    folder: Path,
    models: Models,
    *,
    upstream: Recognizer | None,
    sizes: Sequence[int],
    scenario: Scenario,
    effort: Effort,
    stage: Stage,
) -> FalseOpens:
    """Measure everything once; equal seeds, data and models give equal figures.

    Args:
        folder: the plate set.
        upstream: another reader whose errors on training crops count for the table of confusions; None: none.
        scenario: its correlation is replaced by the measured one.

    Raises:
        MeasurementError: the data are missing, broken or too few.
    """
    seed, policy = scenario.seed, Policy()
    labelled = load_crops(folder)
    truths = corrected(labelled)
    held_out = [crop for crop in labelled if crop.held_out]
    recognizer = models.recognizer
    read = read_crops(recognizer, held_out, progress=stage("reading validation crops", len(held_out)))
    true = Reads(tuple(crop for crop in truths if crop.held_out), read.slots)
    _refuse_a_blind(recognizer, true)

    figures = []
    for reads, crops, words in ((read, labelled, "as labelled"), (true, truths, "labels corrected")):
        told = stage(f"real lists, {words}", len(reads.crops))
        keys = [crop.key for crop in crops]
        figures.append(
            real_figures(
                reads, keys, sizes=sizes, draws=effort.draws, policy=policy, seed=seed, progress=told
            )
        )

    train = some_training(truths, effort.crops)
    plain = read_crops(recognizer, train, progress=stage("reading training crops", len(train)))
    spoilt = read_crops(recognizer, train, spoilt=True, progress=stage("reading spoilt crops", len(train)))
    alike: dict[str, Alikeness] = {}
    for name, reads in (("training", plain), ("training, spoilt", spoilt), ("validation", true)):
        seen = sightings(reads)
        if name == "training" or len(seen) >= LEAST_PLATES:
            alike[name] = alikeness(seen, seed=seed, progress=stage(f"fitting K_EFF, {name}", len(seen)))
    fitted_on = alike["training"]
    scenario = replace(scenario, correlation=round(max(0.0, fitted_on.correlation), 2))

    readers = [plain, spoilt]
    if upstream is not None:
        told = stage("reading training crops, upstream", len(train))
        readers.append(read_crops(upstream, train, progress=told))
    pairs = fitted_pairs(readers, len(shipped_pairs()))
    counted, on_validation = count_confusions(*readers), count_confusions(true)
    rendered = _rendered(models, effort.rendered, policy, seed=seed, stage=stage)

    model = NoiseModel(true)
    drawn = list(draw(model, scenario, progress=stage("made-up approaches", scenario.approaches)))
    modelled = modelled_figures(
        true,
        drawn,
        scenario,
        model=model,
        sizes=sizes,
        policy=policy,
        approaches_left_out=effort.approaches_compared,
        progress=stage("plates left out in turn", GROUPS * effort.approaches_compared),
    )
    return FalseOpens(
        recognizer.name,
        tuple(sizes),
        seed,
        effort,
        sum(a.key != b.key for a, b in zip(labelled, truths, strict=True)),
        figures[0],
        figures[1],
        scenario,
        model.persistence(scenario.correlation),
        100 * model.stray_share,
        modelled,
        _model_check(true, model, seed=seed),
        _curves(model, drawn, scenario, effort, stage),
        alike,
        contradictions(sightings(plain), sure=policy.lowest_confidence),
        rendered,
        {"training": counted.misreads.total(), "validation": on_validation.misreads.total()},
        pairs,
        _findings(fitted_on, counted, on_validation, pairs),
    )


def _refuse_a_blind(recognizer: Recognizer, reads: Reads) -> None:
    """A reader that reads nothing lets nobody in, and nothing follows from that.

    Raises:
        MeasurementError: it reads not one crop as it should be.
    """
    if not any(read_key(slots) == crop.key for slots, crop in zip(reads.slots, reads.crops, strict=True)):
        raise MeasurementError(
            f"{recognizer.name}: reads none of {len(reads.crops)} validation crops right, so nothing can be "
            "said of strangers: look at it with `platebridge models eval`, or name another with --recognizer"
        )


def _findings(
    fitted_on: Alikeness, counted: Confusions, on_validation: Confusions, pairs: Sequence[str]
) -> list[Finding]:
    return [check_k_eff(fitted_on), check_confusions(counted, on_validation, fitted=pairs)]


def some_training(crops: Sequence[LabelledCrop], most: int) -> list[LabelledCrop]:
    """Training crops, plates seen most often first, so that several looks at one plate stay together."""
    train = [crop for crop in crops if not crop.held_out]
    looks = Counter((crop.source, crop.key) for crop in train)
    several = [crop for crop in train if looks[crop.source, crop.key] > 1]
    plates = sorted({(crop.source, crop.key) for crop in several})
    wanted, taken = set(), 0
    for i in np.random.default_rng(0).permutation(len(plates)):
        if taken >= most:
            break
        wanted.add(plates[i])
        taken += looks[plates[i]]
    chosen = [crop for crop in several if (crop.source, crop.key) in wanted]
    if not chosen:
        raise MeasurementError("no training plate was seen more than once: take the whole plate set")
    return chosen


def _rendered(models: Models, count: int, policy: Policy, *, seed: int, stage: Stage) -> RenderedFigure:
    told = stage("rendered approaches", count)
    seen: list[Sighting] = []
    opened = another = 0
    for sighting in rendered_approaches(models.reader(), count, seed=seed):
        told(1)
        if sighting is None:
            continue
        seen.append(sighting)
        keys = openings(list(sighting.frames)).keys(policy)
        opened += sighting.key in keys
        another += bool(keys - {sighting.key})
    alike = alikeness(seen, seed=seed) if len(seen) >= LEAST_PLATES else None
    return RenderedFigure(count, count - len(seen), opened, another, alike)


def _model_check(reads: Reads, model: NoiseModel, *, seed: int, tries: int = 3000) -> ModelCheck:
    """The same plates, as they were read and as the model has them read."""
    keys = sorted({crop.key for crop in reads.crops if set(crop.key) <= set(model.characters)})
    plates = Counter(crop.key for crop in reads.crops)
    real = np.array([_judged(slots, crop.key) for slots, crop in zip(reads.slots, reads.crops, strict=True)])
    weights = np.array([1 / plates[crop.key] for crop in reads.crops])
    made = []
    for number in range(tries):
        rng = np.random.default_rng((seed, 1, number))
        key = keys[int(rng.integers(len(keys)))]
        one = model.approach(key, 1, persistence=0.0, rng=rng, tilted=False)
        made.append(_judged(one.frames[0], key))
    shares = 100 * np.average(real, axis=0, weights=weights), 100 * np.mean(made, axis=0)
    pairs = [(float(a), float(b)) for a, b in zip(*shares, strict=True)]
    return ModelCheck(*pairs)


def _judged(
    slots: np.ndarray[tuple[int, int], np.dtype[np.float32]], key: str
) -> tuple[bool, bool, bool, bool]:
    text, sure = read_key(slots), float(slots.max(axis=1).min()) >= Policy().lowest_confidence
    two = len(text) == len(key) and sum(a != b for a, b in zip(text, key, strict=True)) == 2
    return text == key, sure, sure and text != key, two


def _curves(
    model: NoiseModel, drawn: Sequence[Drawn], scenario: Scenario, effort: Effort, stage: Stage
) -> dict[str, list[Point]]:
    """False opens at 1,000 plates against listed cars let in, over each bound by itself."""
    told = stage(
        "other bounds", effort.approaches_compared * (len(K_COMPARED) + len(CORRELATIONS) + len(READS))
    )
    fewer = replace(scenario, approaches=effort.approaches_compared)

    def point(value: float, some: Sequence[Drawn], policy: Policy, of: Scenario) -> Point:
        found = rates(some, PlateForm(of.form, model.characters), sizes=(1000,), policy=policy)
        return Point(value, found.false_opens_per_million(1000, of), 100 * found.listed_opened)

    def drawn_as(of: Scenario, k_eff: float = K_EFF) -> list[Drawn]:
        return list(draw(model, of, k_eff=k_eff, progress=told))

    default = Policy()
    return {
        "min_confidence": [point(c, drawn, policy_with(c), scenario) for c in CONFIDENCES],
        "near_ratio": [point(r, drawn, policy_with(near_ratio=r), scenario) for r in RATIOS],
        "near_frames": [point(n, drawn, policy_with(near_frames=n), scenario) for n in FRAMES_NEEDED],
        "k_eff": [point(k, drawn_as(fewer, k), default, fewer) for k in K_COMPARED],
        "correlation": [
            point(c, drawn_as(replace(fewer, correlation=c)), default, fewer) for c in CORRELATIONS
        ],
        "reads": [point(n, drawn_as(replace(fewer, frames=n)), default, fewer) for n in READS],
    }
