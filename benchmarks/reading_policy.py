"""`reading-policy`: what more crops of a plate, or wider ones, win in plates read for each ms they cost.

Policies are chosen on one half of the plates and judged on the other, many times over: the best figure on all
of them would flatter whichever policy had luck. Single pictures and approaches are judged apart, because at a
gate the next frame is a second look, too. Approaches are drawn from the pictures: the plate nears from under
half its size, shaken, blurred and noisy. Needs ../shared.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.known_plates import SAME_PLATE_IOU, Boxes, KnownPlate, known_plates
from benchmarks.reading_policies import (
    MARGINS,
    Policy,
    Slots,
    candidates,
    candidates_for_frames,
    chosen,
    text_of,
)
from models.evaluation.intervals import wilson
from pod.config import AccessConfig, CameraConfig, VisionConfig
from pod.domain.evidence import Evidence
from pod.domain.geometry import iou_matrix
from pod.domain.plates import match_key
from pod.domain.reads import PlateRead
from pod.services.pace import hurried_period_s
from pod.vision.pictures import load_picture
from pod.vision.pipeline import Models, crop, open_models

_SURE = AccessConfig().min_confidence
_SPLITS = 400
_WORTH = 0.04
"""Plates in a hundred that as much time again as a whole read takes, search included, has to win: four."""

_FRAMES = 7
_FIRST_SCALE = 0.45
_EVERY = 2
"""Every so many plates drive up; all of them stand still."""

_COMPONENTS_TIMED = 60


@dataclass(frozen=True, slots=True)
class Scores:
    """Policies on the same plates.

    Attributes:
        right: shape (policies, plates): whether each plate was read, or opened for.
        sure_wrong: shape (policies,): plates that were read with confidence as another.
        ms: shape (policies,): what reading costs, a plate or a frame of it.
        wait_ms: shape (policies, plates): from the first frame to the first sure one; zeros for pictures.
    """

    right: npt.NDArray[np.bool_]
    sure_wrong: npt.NDArray[np.int64]
    ms: npt.NDArray[np.float64]
    wait_ms: npt.NDArray[np.float64]


def measure() -> dict[str, float]:
    """Both tables go to stderr; the figures tell how far the shipped policy is behind the chosen ones."""
    models = open_models(VisionConfig(provider="cpu"))
    plates = known_plates()
    pictures = [load_picture(plate.picture) for plate in plates]
    stills = [answers_at(models, rgb, plate.box) for plate, rgb in zip(plates, pictures, strict=True)]
    detect_ms, crop_ms = _times_ms(models, pictures)
    figures = {"plates": float(len(plates)), "detect_ms": detect_ms, "crop_ms": crop_ms}
    figures["found_percent"] = 100 * float(np.mean([answers is not None for answers in stills]))
    shipped = Policy((int(np.argmin([abs(m - models.crop_margin) for m in MARGINS])),))

    policies = candidates()
    scores = _of_pictures(policies, plates, stills, crop_ms=crop_ms)
    here = policies.index(shipped)
    _print_table("single pictures", policies, scores, shipped=here)
    ahead, taken = _held_out(
        scores.right,
        lambda half: chosen(scores.right[:, half], scores.ms / (detect_ms + crop_ms), worth=_WORTH),
        shipped=here,
    )
    _print_choices(policies, taken)
    figures["pictures_shipped_read_percent"] = 100 * float(scores.right[here].mean())
    figures["pictures_choice_ahead_percent"] = 100 * ahead

    policies = candidates_for_frames()
    driving = range(0, len(plates), _EVERY)
    approaches = [_approach(models, pictures[i], plates[i].box, seed=i) for i in driving]
    scores = _of_approaches(policies, [plates[i] for i in driving], approaches, crop_ms=crop_ms)
    here = policies.index(shipped)
    _print_table(f"approaches of {_FRAMES} frames", policies, scores, shipped=here)
    slower, taken = _held_out(
        scores.wait_ms, lambda half: int(scores.wait_ms[:, half].mean(axis=1).argmin()), shipped=here
    )
    _print_choices(policies, taken)
    figures["approaches_shipped_wait_ms"] = float(scores.wait_ms[here].mean())
    figures["approaches_choice_saves_ms"] = -slower
    return figures


def answers_at(models: Models, rgb: npt.NDArray[np.uint8], box: Boxes) -> list[Slots] | None:
    """The recogniser's answer for each margin around what the detector found there; None: it found nothing.

    Args:
        box: shape (4,), float32, where the plate is, xyxy in pixels of `rgb`.
    """
    found = models.detector.detect(rgb)
    if not len(found):
        return None
    overlaps = iou_matrix(found.boxes, box[None])[:, 0]
    best = int(overlaps.argmax())
    if overlaps[best] < SAME_PLATE_IOU:
        return None
    return list(models.recognizer.read([crop(rgb, found.boxes[best], margin=m) for m in MARGINS]))


def _of_pictures(
    policies: Sequence[Policy],
    plates: Sequence[KnownPlate],
    stills: Sequence[list[Slots] | None],
    *,
    crop_ms: float,
) -> Scores:
    right = np.zeros((len(policies), len(plates)), bool)
    wrong, crops = np.zeros(len(policies), np.int64), np.zeros(len(policies))
    for p, policy in enumerate(policies):
        for i, (plate, answers) in enumerate(zip(plates, stills, strict=True)):
            if answers is not None:
                slots, taken = policy.read(answers)
                right[p, i] = _is(slots, plate)
                wrong[p] += not right[p, i] and float(slots.max(axis=1).min()) >= _SURE
                crops[p] += taken
    seen = max(1, sum(answers is not None for answers in stills))
    return Scores(right, wrong, crops * crop_ms / seen, np.zeros(right.shape))


def _of_approaches(
    policies: Sequence[Policy],
    plates: Sequence[KnownPlate],
    approaches: Sequence[Sequence[list[Slots] | None]],
    *,
    crop_ms: float,
) -> Scores:
    """Right is an approach whose evidence is sure of the plate, and was not sure of another before."""
    period_ms = 1000 * hurried_period_s(CameraConfig(name="gate", url="x.mp4", gate="gate").detect_fps)
    right = np.zeros((len(policies), len(plates)), bool)
    wait_ms = np.full(right.shape, period_ms * _FRAMES)
    wrong, crops, reads = (np.zeros(len(policies), np.int64) for _ in range(3))
    for p, policy in enumerate(policies):
        for i, (plate, frames) in enumerate(zip(plates, approaches, strict=True)):
            evidence = Evidence()
            for n, answers in enumerate(frames):
                if answers is None:
                    continue
                slots, taken = policy.read(answers, frame=n)
                crops[p], reads[p] = crops[p] + taken, reads[p] + 1
                evidence.add(PlateRead((0, 0, 1, 1), 1.0, text_of(slots), 1.0, slots))
                consensus = evidence.consensus()
                if consensus.confidence >= _SURE:
                    right[p, i] = match_key(consensus.text) == match_key(plate.text)
                    wrong[p] += not right[p, i]
                    if right[p, i]:
                        wait_ms[p, i] = period_ms * n + crop_ms * taken
                    break
    return Scores(right, wrong, crops * crop_ms / np.maximum(reads, 1), wait_ms)


def _approach(
    models: Models, rgb: npt.NDArray[np.uint8], box: Boxes, *, seed: int
) -> list[list[Slots] | None]:
    """The answers in each frame of a drawn approach, the nearest frame last and as large as the picture."""
    rng = np.random.default_rng(seed)
    height, width = rgb.shape[:2]
    middle = np.array([width / 2, height / 2])
    answers = []
    for scale in np.linspace(_FIRST_SCALE, 1, _FRAMES):
        turn = rng.normal(0, 0.015)
        turned = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        placed = np.column_stack([turned, middle - turned @ middle + rng.uniform(-3, 3, 2)])
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        frame = cv2.warpAffine(rgb, placed, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE)
        frame = cv2.blur(frame, (int(rng.integers(1, 4)), 1))
        noisy = frame * rng.uniform(0.75, 1.15) + rng.normal(0, rng.uniform(2, 8), frame.shape)
        corners = box.reshape(2, 2) @ placed[:, :2].T + placed[:, 2]
        seen = np.clip(noisy, 0, 255).astype(np.uint8)
        answers.append(answers_at(models, seen, corners.reshape(4).astype(np.float32)))
    return answers


def _held_out(
    outcome: npt.NDArray[np.bool_] | npt.NDArray[np.float64],
    choose: Callable[[npt.NDArray[np.intp]], int],
    *,
    shipped: int,
) -> tuple[float, npt.NDArray[np.int64]]:
    """By how much choices made on one half beat the shipped policy on the other, on average; and how often
    each policy was the choice."""
    rng = np.random.default_rng(0)
    policies, plates = outcome.shape
    ahead, taken = [], np.zeros(policies, np.int64)
    for _ in range(_SPLITS):
        order = rng.permutation(plates)
        ours, theirs = order[: plates // 2], order[plates // 2 :]
        choice = choose(ours)
        taken[choice] += 1
        ahead.append(float(outcome[choice, theirs].mean()) - float(outcome[shipped, theirs].mean()))
    return float(np.mean(ahead)), taken


def _times_ms(models: Models, pictures: Sequence[npt.NDArray[np.uint8]]) -> tuple[float, float]:
    """Processor time of one search and of one crop, medians taken in turns."""
    search_s, crop_s = [], []
    for rgb in pictures[:_COMPONENTS_TIMED]:
        piece = rgb[: max(1, rgb.shape[0] // 8), : max(1, rgb.shape[1] // 3)]
        for spent_s, work in (
            (search_s, lambda rgb=rgb: models.detector.detect(rgb)),
            (crop_s, lambda piece=piece: models.recognizer.read([piece])),
        ):
            started_s = time.process_time()
            work()
            spent_s.append(time.process_time() - started_s)
    return 1000 * float(np.median(search_s)), 1000 * float(np.median(crop_s))


def _is(slots: Slots, plate: KnownPlate) -> bool:
    return match_key(text_of(slots)) == match_key(plate.text)


def _print_table(what: str, policies: Sequence[Policy], scores: Scores, *, shipped: int) -> None:
    plates = scores.right.shape[1]
    print(f"\n{what}: {plates} plates, O read as 0 and I as 1", file=sys.stderr)
    head = ("policy: rims of the crops", "read %", "95 %", "sure, wrong", "ms", "won % per ms", "wait ms")
    print("{:<28}{:>8}{:>14}{:>13}{:>8}{:>14}{:>9}".format(*head), file=sys.stderr)
    for p, policy in enumerate(policies):
        low, high = wilson(int(scores.right[p].sum()), plates)
        dearer_ms = scores.ms[p] - scores.ms[shipped]
        won = 100 * (scores.right[p].mean() - scores.right[shipped].mean())
        per_ms = f"{won / dearer_ms:+.2f}" if dearer_ms > 0.01 else f"({won:+.1f})"
        print(
            f"{policy.name + (' (shipped)' if p == shipped else ''):<28}{100 * scores.right[p].mean():>8.1f}"
            f"{f'{100 * low:.1f}-{100 * high:.1f}':>14}{scores.sure_wrong[p]:>13}{scores.ms[p]:>8.2f}"
            f"{per_ms:>14}{scores.wait_ms[p].mean():>9.0f}",
            file=sys.stderr,
        )


def _print_choices(policies: Sequence[Policy], taken: npt.NDArray[np.int64]) -> None:
    often = [p for p in np.argsort(-taken) if taken[p]][:4]
    names = ", ".join(f"{policies[p].name} ({100 * taken[p] / _SPLITS:.0f} %)" for p in often)
    print(f"chosen on halves: {names}", file=sys.stderr)
