"""Runs both sides over a data set, with spoilt and drawn crops of known text beside it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.evaluation.boxes import PictureBoxes
from models.evaluation.data_set import CropTruth, DataSet, SceneTruth
from models.evaluation.degrade import DEGRADATIONS, degrade
from models.evaluation.outcomes import CropOutcome, Group, Outcomes, SceneOutcome
from models.evaluation.relabelled import with_truth
from models.evaluation.text import fold
from models.render.crops import render_crop
from pod.domain.errors import MeasurementError, PictureError
from pod.services.model_trial.pictures import small_jpeg
from pod.services.model_trial.sides import Picture, Side, SideError, Teacher
from pod.vision.pictures import load_picture
from pod.vision.pipeline import crop

FIRST_SEED = 10**9
"""Drawn crops have seeds from here on; training keeps below."""

_DRAWN = 1600
_PICTURES_KEPT = 120
"""Failures of each group whose picture goes into the report."""
_QUICK = 8


class Progress(Protocol):
    """Hears of what is done."""

    def __call__(self, step: str, done: int, of: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        quick: take every eighth picture only.
        strict: end at the first picture that has to be left out.
    """

    quick: bool
    strict: bool

    @property
    def every(self) -> int:
        return _QUICK if self.quick else 1


class Trial:
    """One run over a data set."""

    def __init__(
        self, sides: dict[str, Side], teacher: Teacher | None, *, plan: Plan, progress: Progress
    ) -> None:
        """
        Args:
            sides: by name (`outcomes.OURS`, `outcomes.UPSTREAM`).
            teacher: reads plates whose text nobody wrote down; None: they are only searched for.
        """
        self._sides = sides
        self._teacher = teacher
        self._plan = plan
        self._progress = progress
        self._kept: dict[str, int] = {}
        self._left_out: list[str] = []

    def run(self, data: DataSet, place: Path, *, absence: str) -> Outcomes:
        """Measures everything.

        Raises:
            MeasurementError: the plan is strict and a picture cannot be used, or a side fails on it.
        """
        started_s = time.monotonic()
        every = self._plan.every
        seen = [with_truth(truth) for truth in data.crops[::every]]
        readable = [truth for truth in seen if truth is not None]
        crops = [*self._crops(readable), *self._spoilt(readable)]
        if data.layout == "validation" and crops:
            crops += self._drawn()
        scenes = list(self._scenes(data.scenes[::every]))
        return Outcomes(
            place=str(place),
            layout=data.layout,
            sides={name: side.facts for name, side in self._sides.items()},
            absence=absence,
            crops=tuple(crops),
            scenes=tuple(scenes),
            excluded=(*map(str, data.faults), *self._left_out),
            excluded_total=data.faults_total + len(self._left_out),
            unreadable=len(seen) - len(readable),
            every=every,
            wall_s=time.monotonic() - started_s,
        )

    def _crops(self, truths: Sequence[CropTruth]) -> Iterator[CropOutcome]:
        for i, truth in enumerate(truths):
            self._progress("crops", i, len(truths))
            rgb = self._loaded(truth.path, f"{truth.where[0]}:{truth.where[1]}: ")
            if rgb is not None:
                kind = f"{truth.label_by}{', seen by eye' if truth.seen else ''}"
                yield from self._read(rgb, truth, group=_group(truth), kind=kind)

    def _spoilt(self, truths: Sequence[CropTruth]) -> Iterator[CropOutcome]:
        """Every crop whose text its source gave, spoilt in every way; what a source gave is known best."""
        known = [truth for truth in truths if _group(truth) == "source"]
        for i, truth in enumerate(known):
            self._progress("spoilt crops", i, len(known))
            try:
                rgb = load_picture(truth.path)
            except PictureError:
                continue  # told when it was read unspoilt
            for kind in DEGRADATIONS:
                yield from self._read(degrade(rgb, kind, seed=i), truth, group="augmented", kind=kind)

    def _drawn(self) -> Iterator[CropOutcome]:
        count = _DRAWN // self._plan.every
        for i in range(count):
            self._progress("drawn crops", i, count)
            drawn = render_crop(FIRST_SEED + i)
            name = f"seed {FIRST_SEED + i}"
            truth = CropTruth(Path(name), name, drawn.text, "given", "", drawn.region, ("", 0))
            yield from self._read(drawn.picture, truth, group="synthetic", kind=drawn.style)

    def _read(self, rgb: Picture, truth: CropTruth, *, group: Group, kind: str) -> Iterator[CropOutcome]:
        """The outcome; none where a side failed by a fault of its own."""
        try:
            reads = {name: side.read_crop(rgb) for name, side in self._sides.items()}
        except SideError as fault:
            self._leave_out(f"{truth.path}: {fault}")
            return
        failed = any(fold(read.text) != fold(truth.text) for read in reads.values())
        yield CropOutcome(
            truth.key,
            group,
            truth.text,
            truth.source,
            truth.region,
            kind,
            reads,
            small_jpeg(rgb) if failed and self._keeps(group) else None,
        )

    def _keeps(self, group: str) -> bool:
        self._kept[group] = self._kept.get(group, 0) + 1
        return self._kept[group] <= _PICTURES_KEPT

    def _scenes(self, truths: Sequence[SceneTruth]) -> Iterator[SceneOutcome]:
        for i, truth in enumerate(truths):
            self._progress("pictures", i, len(truths))
            rgb = self._loaded(truth.path, "")
            if rgb is None:
                continue
            try:
                yield self._scene(rgb, truth)
            except SideError as fault:
                self._leave_out(f"{truth.path}: {fault}")

    def _scene(self, rgb: Picture, truth: SceneTruth) -> SceneOutcome:
        height, width = rgb.shape[:2]
        found: dict[str, PictureBoxes] = {}
        outcome = SceneOutcome(
            truth.path.name, truth.source, (height, width), found, {}, {}, truth.texts, "given"
        )
        if truth.boxes is not None:
            labels = truth.boxes * np.array([width, height, width, height], np.float32)
            for name, side in self._sides.items():
                found[name] = PictureBoxes(*side.detect(rgb), labels)
            outcome = self._told(rgb, labels, outcome)
        for name, side in self._sides.items():
            picture = side.prepared(rgb)
            started_s = time.process_time()
            outcome.whole[name] = side.read_whole(picture)
            outcome.cpu_ms[name] = (time.process_time() - started_s) * 1000
        return outcome

    def _told(self, rgb: Picture, labels: npt.NDArray[np.float32], outcome: SceneOutcome) -> SceneOutcome:
        """With what the teacher reads in the labelled boxes, where nobody wrote down what they say."""
        if outcome.texts is not None or self._teacher is None or not len(labels):
            return outcome
        widest = labels[(labels[:, 2] - labels[:, 0]).argmax()]
        texts = [self._teacher.text(rgb, box) for box in labels]
        kept = small_jpeg(crop(rgb, widest, margin=0.15)) if self._keeps("scenes") else None
        return replace(outcome, texts=tuple(filter(None, texts)), text_by="teacher", jpeg=kept)

    def _loaded(self, path: Path, where: str) -> Picture | None:
        try:
            return load_picture(path)
        except PictureError as error:
            self._leave_out(f"{where}{path}: {error}")
            return None

    def _leave_out(self, problem: str) -> None:
        if self._plan.strict:
            raise MeasurementError(f"{problem}: mend it, or leave out --strict")
        self._left_out.append(problem)


def _group(truth: CropTruth) -> Group:
    match truth.label_by:
        case "source" | "source+teacher":
            return "source"
        case "teacher":
            return "teacher"
        case "given":
            return "given"
