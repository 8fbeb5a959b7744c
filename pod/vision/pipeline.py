"""Joins detector and recogniser: a frame in, the plates read in it out."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models import reference, registry
from models.registry import ModelError
from pod.config import CameraConfig, VisionConfig
from pod.domain.geometry import Boxes
from pod.domain.plates import match_key
from pod.domain.reads import ALPHABET, SLOTS, Box, PlateRead
from pod.vision.detector import Detections, Detector
from pod.vision.recognizer import Recognizer
from pod.vision.regions import Polygon, plates_in_view
from pod.vision.session import ProviderChoice

_log = logging.getLogger(__name__)

DEFAULT_CONFIDENCE = 0.25
DEFAULT_CROP_MARGIN = 0.02
"""For detectors whose manifest says neither."""

MAX_PLATE_SHARE = 0.5
"""At a gate no plate is wider than half the frame; what is, is a house or a hedge."""


class PlateReader:
    """Reads the plates of one view. Several threads may call it at the same time."""

    def __init__(
        self,
        detector: Detector,
        recognizer: Recognizer,
        *,
        crop_margin: float,
        min_plate_px: int = 0,
        max_plate_share: float = 1.0,
        regions: Sequence[Polygon] = (),
        masks: Sequence[Polygon] = (),
    ) -> None:
        """
        Args:
            crop_margin: what a crop adds on each side, as a fraction of the plate's width and height, because
                recognisers read plates cut at the very edge worse.
            min_plate_px: narrower plates are ignored; pixels of the full frame.
            max_plate_share: wider plates are ignored; a fraction of the frame's width.
            regions: a plate counts when its centre lies in one of them; none: everywhere.
            masks: a plate whose centre lies in one of them is ignored.
        """
        self.detector = detector
        self.recognizer = recognizer
        self._crop_margin = crop_margin
        self._min_plate_px = min_plate_px
        self._max_plate_share = max_plate_share
        self._regions = regions
        self._masks = masks

    def read(self, rgb: npt.NDArray[np.uint8]) -> list[PlateRead]:
        """Finds and reads the plates of a frame, (H, W, 3), uint8, RGB; the surest detection first.

        What the recogniser sees no plate in is left out; `read_boxes` has it.
        """
        return [read for read in self.read_boxes(rgb, self.detect(rgb)) if read.is_plate]

    def detect(
        self, rgb: npt.NDArray[np.uint8], *, frame_size_px: tuple[int, int] | None = None
    ) -> Detections:
        """Finds the plates that count in this view, without reading them.

        Args:
            rgb: shape (H, W, 3), uint8, RGB: the frame, or a smaller copy of it (see `Detector.detect`).
            frame_size_px: height and width of the frame where `rgb` is a copy.
        """
        found = self.detector.detect(rgb, frame_size_px=frame_size_px)
        if not len(found):
            return found
        height, width = frame_size_px or rgb.shape[:2]
        plate_widths = found.boxes[:, 2] - found.boxes[:, 0]
        counted = (plate_widths >= self._min_plate_px) & (plate_widths <= self._max_plate_share * width)
        if self._regions or self._masks:
            counted &= plates_in_view(
                found.boxes, frame_size_px=(height, width), regions=self._regions, masks=self._masks
            )
        return found.only(counted)

    def read_boxes(self, rgb: npt.NDArray[np.uint8], found: Detections) -> list[PlateRead]:
        """Reads plates found before: one answer for each, in their order, those that are no plate among them.

        Args:
            rgb: shape (H, W, 3), uint8, RGB: the full frame that the boxes belong to.
        """
        if not len(found):
            return []
        crops = [crop(rgb, box, margin=self._crop_margin) for box in found.boxes]
        slots = self.recognizer.read(crops)
        return [
            plate_read(_box(found.boxes, i), float(found.scores[i]), slots=slots[i])
            for i in range(len(found))
        ]


def crop(rgb: npt.NDArray[np.uint8], box: npt.NDArray[np.float32], *, margin: float) -> npt.NDArray[np.uint8]:
    """The view of `rgb` that holds a box and `margin` of its sides around it, cut at the frame's edge.

    Args:
        rgb: shape (H, W, 3), uint8.
        box: shape (4,), xyxy in pixels of `rgb`, inside it.

    Returns:
        shape (h, w, 3), h and w at least 1; shares memory with `rgb`.
    """
    height, width = rgb.shape[:2]
    x1, y1, x2, y2 = (float(edge) for edge in box)
    pad_x, pad_y = (x2 - x1) * margin, (y2 - y1) * margin
    left = min(max(0, math.floor(x1 - pad_x)), width - 1)
    top = min(max(0, math.floor(y1 - pad_y)), height - 1)
    right = min(width, max(left + 1, math.ceil(x2 + pad_x)))
    bottom = min(height, max(top + 1, math.ceil(y2 + pad_y)))
    return rgb[top:bottom, left:right]


def plate_read(box: Box, score: float, *, slots: npt.NDArray[np.float32]) -> PlateRead:
    """What the slots' most likely characters spell.

    Args:
        slots: shape (SLOTS, len(ALPHABET)), float32, a distribution per row.
    """
    text = "".join(ALPHABET[i] for i in slots.argmax(axis=1)).replace(ALPHABET[-1], "")
    return PlateRead(box, score, text, float(slots.max(axis=1).min()), slots)


def unread(found: Detections) -> list[PlateRead]:
    """What is known of plates that could not be read, as the recogniser failed: where they are."""
    nothing = np.full((SLOTS, len(ALPHABET)), 1 / len(ALPHABET), np.float32)
    return [
        PlateRead(_box(found.boxes, i), float(found.scores[i]), "", 0.0, nothing) for i in range(len(found))
    ]


@dataclass(frozen=True, slots=True)
class Models:
    """A detector and a recogniser that were seen to work; every camera shares them."""

    detector: Detector
    recognizer: Recognizer
    crop_margin: float

    def reader(self, camera: CameraConfig | None = None) -> PlateReader:
        """A reader for a camera's view, or for any picture."""
        if camera is None:
            return PlateReader(self.detector, self.recognizer, crop_margin=self.crop_margin)
        return PlateReader(
            self.detector,
            self.recognizer,
            crop_margin=self.crop_margin,
            min_plate_px=camera.min_plate_px,
            max_plate_share=MAX_PLATE_SHARE,
            regions=camera.regions,
            masks=camera.masks,
        )


def open_models(vision: VisionConfig) -> Models:
    """Loads both models and has them read the reference picture.

    A provider that loads but reads wrongly is given up for the processor, and the log says so.

    Raises:
        ModelError: weights are missing, damaged or of another kind, or do not read the reference picture.
    """
    models = _loaded(vision, vision.provider)
    try:
        self_check(models.reader())
    except ModelError as error:
        if models.detector.provider == models.recognizer.provider == "cpu":
            raise
        _log.warning("inference runs on the processor, not on %s: %s", models.detector.provider, error)
        models = _loaded(vision, "cpu")
        self_check(models.reader())
    _log.info(
        "%s (%s) and %s (%s) read the reference plate",
        models.detector.name,
        models.detector.provider,
        models.recognizer.name,
        models.recognizer.provider,
    )
    return models


def load_models(vision: VisionConfig) -> Models:
    """Loads both models without asking what they read: to measure them, however bad they are.

    Raises:
        ModelError: weights are missing, damaged or of another kind.
    """
    return _loaded(vision, vision.provider)


def open_reader(vision: VisionConfig, camera: CameraConfig | None = None) -> PlateReader:
    """Loads the models for one view; a POD of several cameras shares one `open_models` instead.

    Raises:
        ModelError: as `open_models`.
    """
    return open_models(vision).reader(camera)


def self_check(reader: PlateReader) -> None:
    """Reads the reference picture, whose plate is known.

    Raises:
        ModelError: it is not read as it should be.
    """
    picture = cv2.imread(str(reference.PICTURE), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ModelError(f"{reference.PICTURE}: the reference picture is missing: install PlateBridge again")
    reads = [read.text for read in reader.read(np.asarray(picture, np.uint8))]
    if [match_key(text) for text in reads[:1]] != [match_key(reference.PLATE)]:
        raise ModelError(
            f"{reader.detector.name} on {reader.detector.provider} and {reader.recognizer.name} on "
            f"{reader.recognizer.provider} read {' and '.join(reads) or 'nothing'} in the reference picture, "
            f"not {reference.PLATE}: set vision.provider to cpu, or go back to the bundled models"
        )


def _loaded(vision: VisionConfig, provider: ProviderChoice) -> Models:
    detector = _verified(vision.detector, "detector", vision.store)
    recognizer = _verified(vision.recognizer, "recognizer", vision.store)
    confidence = vision.detector_confidence or detector.thresholds.confidence or DEFAULT_CONFIDENCE
    return Models(
        Detector(detector, provider, threads=vision.threads, confidence=confidence),
        Recognizer(recognizer, provider, threads=vision.threads),
        crop_margin(vision, detector),
    )


def crop_margin(vision: VisionConfig, detector: registry.Manifest) -> float:
    """What crops add on each side: as configured, else as the detector's manifest says, else the default."""
    stated = (vision.crop_margin, detector.crop_margin, DEFAULT_CROP_MARGIN)
    return next(margin for margin in stated if margin is not None)


def _verified(name_or_path: str, task: registry.Task, store: Path | None) -> registry.Manifest:
    manifest = registry.load(name_or_path, task, store=store)
    registry.verify(manifest)
    return manifest


def _box(boxes: Boxes, i: int) -> Box:
    x1, y1, x2, y2 = boxes[i].tolist()
    return (x1, y1, x2, y2)
