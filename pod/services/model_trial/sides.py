"""The two sides of a comparison behind one face: find boxes, read a crop, read a whole picture.

Each computes on one thread of the processor, so that their times can be compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.evaluation.boxes import Boxes
from models.evaluation.outcomes import Read, SideFacts
from pod.config import VisionConfig
from pod.domain.reads import ALPHABET
from pod.services.model_trial.upstream import UpstreamWeights
from pod.vision.pipeline import crop, load_models
from pod.vision.recognizer import Recognizer

Picture = npt.NDArray[np.uint8]
"""Shape (H, W, 3), RGB."""

LOW_CONFIDENCE = 0.05
"""Boxes are kept from here on, for the curve over confidence."""

FAST_ALPR_CONFIDENCE = 0.4
"""The default of fast-alpr's class."""

_MOST_TOLD = 160
_TEACHER_MARGINS = (0.05, 0.10, 0.15)
_TEACHER_SURE = 0.9
_TEACHER_SHORTEST = 3


class SideError(Exception):
    """A side failed on a picture by a fault of its own; the message says which side, and how."""


class Side(Protocol):
    """A detector and a recogniser that work together.

    Its methods raise SideError where they fail on a picture.
    """

    facts: SideFacts

    def detect(self, rgb: Picture) -> tuple[Boxes, npt.NDArray[np.float32]]:
        """Boxes (N, 4), xyxy in pixels, and scores (N,), from `LOW_CONFIDENCE` on."""

    def read_crop(self, rgb: Picture) -> Read:
        """What a crop says."""

    def prepared(self, rgb: Picture) -> Picture:
        """The picture in the channel order that `read_whole` takes; not counted into its time."""

    def read_whole(self, picture: Picture) -> tuple[str, ...]:
        """The texts of all plates of a picture, as this side's users get them."""


class OurSide:
    """PlateBridge with the models of a configuration."""

    def __init__(self, vision: VisionConfig) -> None:
        """
        Raises:
            ModelError: the models are missing or damaged.
        """
        one_thread = vision.model_copy(update={"provider": "cpu", "threads": 1})
        self._reader = load_models(one_thread).reader()
        every = one_thread.model_copy(update={"detector_confidence": LOW_CONFIDENCE})
        self._detector = load_models(every).detector
        bundled = {vision.detector, vision.recognizer} == {"bundled"}
        self.facts = SideFacts(
            name=f"{self._reader.detector.name} and {self._reader.recognizer.name}",
            weights_from="this installation" if bundled else "where you named them",
            confidence=self._reader.detector.confidence,
            input_px=(self._detector.height_px, self._detector.width_px),
        )

    def detect(self, rgb: Picture) -> tuple[Boxes, npt.NDArray[np.float32]]:
        found = self._detector.detect(rgb)
        return found.boxes, found.scores

    def read_crop(self, rgb: Picture) -> Read:
        return _read(self._reader.recognizer.read([rgb])[0])

    def prepared(self, rgb: Picture) -> Picture:
        return rgb

    def read_whole(self, picture: Picture) -> tuple[str, ...]:
        return tuple(read.text for read in self._reader.read(picture))


@contextmanager
def _fast_alpr_at_work() -> Iterator[None]:
    """Within it fast-alpr runs: whatever it fails with, the other pictures are still to be measured."""
    try:
        yield
    # What another program raises on an odd picture has no common base.
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0][:_MOST_TOLD]
        raise SideError(f"fast-alpr failed on it ({type(error).__name__}: {first})") from error


class FastAlprSide:
    """fast-alpr's `ALPR` with its own thresholds, on files instead of downloads."""

    def __init__(self, weights: UpstreamWeights) -> None:
        # fast-alpr is needed for this comparison alone, and takes a second to import.
        from fast_alpr import ALPR
        from open_image_models.detection.core.yolo_v9.inference import YoloV9Detector

        def detector(confidence: float | None) -> YoloV9Detector:
            return YoloV9Detector(
                weights.detector,
                ["License Plate"],
                conf_thresh=confidence,
                providers=["CPUExecutionProvider"],
                sess_options=_one_thread(),
            )

        self._every = detector(LOW_CONFIDENCE)
        self._alpr = ALPR(
            detector=detector(FAST_ALPR_CONFIDENCE),
            ocr_model=None,
            ocr_model_path=weights.recognizer.file,
            ocr_config_path=_plate_config(weights.recognizer.file),
            ocr_providers=["CPUExecutionProvider"],
            ocr_sess_options=_one_thread(),
        )
        height, width = self._every.model.get_inputs()[0].shape[2:]
        self.facts = SideFacts(weights.name, weights.found_in, FAST_ALPR_CONFIDENCE, (height, width))

    def detect(self, rgb: Picture) -> tuple[Boxes, npt.NDArray[np.float32]]:
        with _fast_alpr_at_work():
            found = self._every.predict(self.prepared(rgb))
        boxes = [(f.bounding_box.x1, f.bounding_box.y1, f.bounding_box.x2, f.bounding_box.y2) for f in found]
        scores = np.array([f.confidence for f in found], np.float32)
        return np.array(boxes, np.float32).reshape(-1, 4), scores

    def read_crop(self, rgb: Picture) -> Read:
        with _fast_alpr_at_work():
            said = self._alpr.ocr.predict(self.prepared(rgb))
        if said is None:
            return Read("", 0.0)
        sure = said.confidence if isinstance(said.confidence, list) else [said.confidence]
        return Read(said.text, min(sure, default=0.0))

    def prepared(self, rgb: Picture) -> Picture:
        return np.ascontiguousarray(rgb[..., ::-1])

    def read_whole(self, picture: Picture) -> tuple[str, ...]:
        with _fast_alpr_at_work():
            every = self._alpr.predict(picture)
        return tuple(found.ocr.text for found in every if found.ocr is not None)


class Teacher:
    """Upstream's recogniser with all the help there is: the labelled box, three margins, only sure reads.

    Measured on reserved pictures it was not wrong once where it was sure. It stands in where nobody wrote
    down what the plates of a picture say, and it favours upstream.
    """

    def __init__(self, weights: UpstreamWeights) -> None:
        self._recognizer = Recognizer(weights.recognizer, "cpu", threads=1)

    def text(self, rgb: Picture, box: npt.NDArray[np.float32]) -> str | None:
        """What the plate in a box (4,) says; None where that is not sure."""
        crops = [crop(rgb, box, margin=margin) for margin in _TEACHER_MARGINS]
        read = _read(self._recognizer.read(crops).mean(axis=0))
        return read.text if read.confidence >= _TEACHER_SURE and len(read.text) >= _TEACHER_SHORTEST else None


def _read(slots: npt.NDArray[np.float32]) -> Read:
    """The likeliest text of slots of shape (SLOTS, len(ALPHABET))."""
    text = "".join(ALPHABET[i] for i in slots.argmax(axis=1)).replace(ALPHABET[-1], "")
    return Read(text, float(slots.max(axis=1).min()))


def _plate_config(weights: Path) -> Path:
    return weights.with_name(f"{weights.stem}_plate_config.yaml")


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options
