"""Prove that an exported network answers as the trained one did; refuse it where it does not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

LARGEST_DIFFERENCE = 0.01
"""Of a probability. Rounding weights to float16 moves them by a few thousandths at most."""
LARGEST_SHIFT_PX = 1.0
SURE_SCORE = 0.25
"""Boxes under this score are never looked at, and may move."""
SURE_READ = 0.5
"""A plate whose weakest character is under this may fall to the other side of a tie; the others must not."""

Floats = npt.NDArray[np.float32]


class ExportError(Exception):
    """The exported file must not be shipped; the message says why."""


@dataclass(frozen=True, slots=True)
class Equality:
    """How far the exported network was from the trained one.

    Attributes:
        pictures: how many were compared.
        largest_difference: of any probability or score.
        changed: plates read otherwise, all of them at a tie between two characters; 0 for a detector.
    """

    pictures: int
    largest_difference: float
    changed: int = 0


def answering(onnx_file: Path) -> Callable[[npt.NDArray[np.generic]], Floats]:
    """What gives the first output of a network for a batch, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(onnx_file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: np.asarray(session.run(None, {name: batch})[0], np.float32)


def compare_readers(trained: list[Floats], exported: list[Floats], what: str) -> Equality:
    """Slot probabilities of both, each item of shape (N, slots, letters).

    Raises:
        ExportError: a probability differs by too much, or a plate is read otherwise.
    """
    ours, theirs = np.concatenate(exported), np.concatenate(trained)
    largest = _checked(ours, theirs, what)
    changed = (ours.argmax(-1) != theirs.argmax(-1)).any(axis=1)
    if wrongly := int((changed & (theirs.max(-1).min(axis=1) >= SURE_READ)).sum()):
        raise ExportError(f"{what}: reads {wrongly} of {len(ours)} plates otherwise than the trained network")
    return Equality(len(ours), largest, int(changed.sum()))


def compare_detectors(trained: list[Floats], exported: list[Floats], what: str) -> Equality:
    """Raw outputs of both, each item of shape (1, 5, anchors): centre, size in pixels, score.

    Raises:
        ExportError: a score differs by too much, or a box that counts lies elsewhere.
    """
    ours, theirs = np.concatenate(exported), np.concatenate(trained)
    largest = _checked(ours[:, 4], theirs[:, 4], what)
    sure = theirs[:, 4] >= SURE_SCORE
    shift = np.abs(ours[:, :4] - theirs[:, :4]).max(axis=1)[sure]
    if sure.any() and float(shift.max()) > LARGEST_SHIFT_PX:
        raise ExportError(f"{what}: a box lies {shift.max():.1f} px from where the trained network saw it")
    return Equality(len(ours), largest)


def prove(
    trained: Callable[[npt.NDArray[np.generic]], Floats],
    onnx_file: Path,
    batches: Iterable[npt.NDArray[np.generic]],
    compare: Callable[[list[Floats], list[Floats], str], Equality],
) -> Equality:
    """Both networks over the same pictures.

    Args:
        batches: asked for one at a time, and not kept: a thousand pictures take gigabytes.

    Raises:
        ExportError: they differ.
    """
    exported = answering(onnx_file)
    pairs = [(trained(batch), exported(batch)) for batch in batches]
    return compare([ours for ours, _ in pairs], [theirs for _, theirs in pairs], str(onnx_file))


def _checked(ours: Floats, theirs: Floats, what: str) -> float:
    if ours.shape != theirs.shape:
        raise ExportError(f"{what}: answers in the shape {ours.shape}, the trained network in {theirs.shape}")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ExportError(f"{what}: answers with what is no number")
    largest = float(np.abs(ours - theirs).max())
    if largest > LARGEST_DIFFERENCE:
        raise ExportError(
            f"{what}: differs from the trained network by {largest:.3f} (at most {LARGEST_DIFFERENCE}): "
            "do not ship it"
        )
    return largest
