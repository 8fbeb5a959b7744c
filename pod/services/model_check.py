"""Tries one model out: loads it beside the bundled one of the other task, and reads the reference picture."""

from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from models import registry
from models.manifest import InputShape, Manifest, ModelError, Task
from models.onnx_wire import NotOnnxError, has_external_data
from models.regular import open_regular
from pod.vision.detector import Detector
from pod.vision.pipeline import DEFAULT_CROP_MARGIN, PlateReader, self_check
from pod.vision.recognizer import Recognizer
from pod.vision.session import open_session

_CONFIDENCE = 0.25
_WIDER = 0.08
"""Where nobody stated a rim: what draws tightly may need this one to be read at all."""

_MOST_SIDE_PX = 2048


@dataclass(frozen=True, slots=True)
class Tried:
    """What a model was seen to do.

    Attributes:
        crop_margin: detector: the rim that its manifest has to state, as the reference plate is not read
            with the usual one; None: it need not state any.
    """

    input: InputShape
    crop_margin: float | None


def try_out(manifest: Manifest) -> Tried:
    """Loads a model on the processor and reads the reference picture with it.

    Raises:
        ModelError: it cannot be loaded, is of another shape or alphabet, or does not read the picture.
    """
    refuse_other_files(manifest.file)
    other = registry.load("bundled", "recognizer" if manifest.task == "detector" else "detector")
    finds, reads = (manifest, other) if manifest.task == "detector" else (other, manifest)
    detector = Detector(finds, "cpu", threads=1, confidence=_CONFIDENCE)
    recognizer = Recognizer(reads, "cpu", threads=1)
    if manifest.task == "detector":
        shape = InputShape(height=detector.height_px, width=detector.width_px, layout="NCHW", color="rgb")
    else:
        shape = InputShape(height=recognizer.height_px, width=recognizer.width_px, layout="NHWC", color="rgb")
    margin = _margin_that_reads(detector, recognizer, stated=finds.crop_margin)
    return Tried(shape, margin if manifest.task == "detector" else None)


def _margin_that_reads(detector: Detector, recognizer: Recognizer, *, stated: float | None) -> float | None:
    """The rim that has to be stated; None where the usual one will do."""
    try:
        self_check(
            PlateReader(detector, recognizer, crop_margin=DEFAULT_CROP_MARGIN if stated is None else stated)
        )
    except ModelError:
        if stated is not None:
            raise
        self_check(PlateReader(detector, recognizer, crop_margin=_WIDER))
        return _WIDER
    return stated


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What a network says of itself, before it is run.

    Attributes:
        classes: how many classes a plain detector tells apart; None where the file does not say.
        metadata: what its maker wrote into the file; nobody checked it.
    """

    task: Task
    classes: int | None
    metadata: dict[str, str]


def network_facts(path: Path) -> NetworkFacts:
    """Which task a network is made for, by what it takes, and what it says of itself.

    Raises:
        ModelError: it is no ONNX file, or takes neither what a detector nor what a recogniser takes.
    """
    refuse_other_files(path)
    session: ort.InferenceSession = open_session(path, "cpu", threads=1)[0]
    taken = session.get_inputs()
    kind, shape = (taken[0].type, list(taken[0].shape)) if taken else ("nothing", [])
    if kind == "tensor(float)" and len(shape) == 4 and shape[1] == 3:
        task: Task = "detector"
    elif kind == "tensor(uint8)" and len(shape) == 4 and shape[3] in (1, 3):
        task = "recognizer"
    else:
        raise ModelError(
            f"{path}: takes {kind} {shape}: a detector takes float (1, 3, height, width), a recogniser uint8 "
            "(N, height, width, 3): export it so"
        )
    sides = shape[2:] if task == "detector" else shape[1:3]
    if not all(isinstance(side, int) and 0 < side <= _MOST_SIDE_PX for side in sides):
        raise ModelError(
            f"{path}: takes pictures of {sides[0]} x {sides[1]}: export it for one size, {_MOST_SIDE_PX} "
            "pixels at most"
        )
    answer = session.get_outputs()[0].shape
    is_plain = task == "detector" and len(answer) == 3 and isinstance(answer[1], int) and answer[1] > 4
    return NetworkFacts(
        task, answer[1] - 4 if is_plain else None, dict(session.get_modelmeta().custom_metadata_map)
    )


def refuse_other_files(path: Path) -> None:
    """Makes sure that a network is one file: what lies beside it would be pinned by no checksum.

    Raises:
        ModelError: it names other files, or is no ONNX file at all.
    """
    try:
        with open_regular(path) as file:
            is_split = has_external_data(file.read())
    except NotOnnxError as error:
        raise ModelError(
            f"{path}: is no ONNX file ({error}): download it again whole, or export the model as ONNX"
        ) from error
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read ({error.strerror}): check the path and its rights"
        ) from error
    if is_split:
        raise ModelError(
            f"{path}: keeps its weights in another file (external data): save it as one file, in Python with "
            "onnx.save(model, path, save_as_external_data=False)"
        )
