"""Finds plates in a frame with a YOLO network exported to ONNX.

Two exports are understood: the plain one of ultralytics, (1, 4 + classes, anchors) with xywh boxes and no
suppression, and the "end2end" one of open-image-models, (plates, 7) with batch, x1, y1, x2, y2, class, score.
Every class counts as a plate, unless the manifest names one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.registry import Manifest, ModelError
from pod.domain.geometry import Boxes
from pod.vision.boxes import nms
from pod.vision.letterbox import Letterbox
from pod.vision.network_faults import NetworkFaults
from pod.vision.session import ProviderChoice, answer_to, open_session

_STRIDES_PX = (8, 16, 32)
_IOU = 0.5
_MOST_CANDIDATES = 300
_FARTHEST_PX = 1e6
_HIGHEST_SCORE = 1.01


@dataclass(frozen=True, slots=True)
class Detections:
    """Plates found in one frame, best first.

    Attributes:
        boxes: shape (N, 4), float32, xyxy in pixels of the full frame, inside it; x2 > x1, y2 > y1.
        scores: shape (N,), float32, 0..1.
    """

    boxes: Boxes
    scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Detections":
        """Those that a mask or a list of indices picks."""
        return Detections(self.boxes[chosen], self.scores[chosen])


class Detector:
    """A loaded detector. Several threads may call it at the same time."""

    def __init__(
        self, manifest: Manifest, provider: ProviderChoice, *, threads: int, confidence: float
    ) -> None:
        """Loads the weights and runs them once.

        Args:
            confidence: boxes that score less are dropped.

        Attributes:
            classes: how many kinds of things it tells apart; None where only its boxes say so (end2end).
            faults: what it failed at since.

        Raises:
            ModelError: the weights cannot be loaded, or are no plate detector.
        """
        self._session, self.provider = open_session(manifest.file, provider, threads=threads)
        self.confidence = confidence
        self._plate_class = manifest.plate_class
        self.name = manifest.name
        self.faults = NetworkFaults()
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or not outputs:
            raise _other_shape(manifest, f"it has {len(inputs)} inputs and {len(outputs)} outputs")
        shape = list(inputs[0].shape)
        sizes_known = len(shape) == 4 and all(isinstance(size, int) for size in shape[2:])
        if inputs[0].type != "tensor(float)" or not sizes_known or shape[1] != 3:
            raise _other_shape(manifest, f"it takes {inputs[0].type} {shape}")
        self._output, self._file = outputs[0].name, manifest.file
        self.height_px, self.width_px = shape[2], shape[3]
        said = manifest.input
        if said is not None and (said.height, said.width) != (self.height_px, self.width_px):
            raise _other_shape(manifest, f"it takes {self.height_px} x {self.width_px} pixels")
        grey = np.full((1, 3, self.height_px, self.width_px), 114 / 255, np.float32)
        answer = self._run(grey)
        anchors = sum((self.height_px // s) * (self.width_px // s) for s in _STRIDES_PX)
        self._end2end = answer.ndim == 2 and answer.shape[1] == 7
        plain = (
            answer.ndim == 3 and answer.shape[0] == 1 and answer.shape[1] > 4 and answer.shape[2] == anchors
        )
        if not (self._end2end or plain):
            raise _other_shape(manifest, f"it answers with shape {answer.shape}")
        self.classes = None if self._end2end else answer.shape[1] - 4
        if self.classes is not None and (self._plate_class or 0) >= self.classes:
            raise _other_shape(manifest, f"it knows {self.classes} classes, none of them {self._plate_class}")

    def fit_px(self, *, height: int, width: int) -> tuple[int, int]:
        """Height and width that a frame of this size is scaled to before the network sees it."""
        placed = self._letterbox(height, width)
        return placed.inner_height, placed.inner_width

    def detect(
        self, rgb: npt.NDArray[np.uint8], *, frame_size_px: tuple[int, int] | None = None
    ) -> Detections:
        """Finds the plates of one frame.

        Args:
            rgb: shape (H, W, 3), uint8, RGB: the frame, or a smaller copy of all of it. A copy of exactly
                `fit_px` is used as it is, which saves decoding the frame to RGB at its full size.
            frame_size_px: height and width of the frame where `rgb` is a copy; boxes are in its pixels.

        Raises:
            ModelError: the network cannot be computed, or answers with what is no box; noted in `faults`.
        """
        height, width = frame_size_px or rgb.shape[:2]
        placed = self._letterbox(height, width)
        decode = decode_end2end if self._end2end else decode_plain
        with self.faults.noted():
            answer = self._run(placed.tensor(rgb))
            boxes, scores = decode(answer, confidence=self.confidence, plate_class=self._plate_class)
            if not are_boxes(boxes, scores):
                raise ModelError(
                    f"{self._file}: answers with what is no number, or with boxes beyond any picture: export "
                    "the model again, or go back to the bundled one"
                )
        return in_frame(boxes, scores, placed=placed)

    def _letterbox(self, height: int, width: int) -> Letterbox:
        return Letterbox.of(
            frame_height=height, frame_width=width, model_height=self.height_px, model_width=self.width_px
        )

    def _run(self, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return answer_to(self._session, tensor, output=self._output, network=str(self._file))


def are_boxes(boxes: Boxes, scores: npt.NDArray[np.float32]) -> bool:
    """Whether boxes and scores can be what they are called; what is no number cannot."""
    return bool(((scores >= 0) & (scores <= _HIGHEST_SCORE)).all() and (np.abs(boxes) < _FARTHEST_PX).all())


def in_frame(boxes: Boxes, scores: npt.NDArray[np.float32], *, placed: Letterbox) -> Detections:
    """Boxes of the model's rectangle as detections in the frame; those without a pixel in it are dropped."""
    boxes = placed.to_frame(boxes)
    solid = np.all(boxes[:, 2:] - boxes[:, :2] >= 1, axis=1)
    return Detections(boxes[solid], scores[solid])


# What is no number stays in the answer, to be found there: a warning on the terminal would stop nothing.
@np.errstate(all="ignore")
def decode_plain(
    answer: npt.NDArray[np.float32], *, confidence: float, plate_class: int | None = None
) -> tuple[Boxes, npt.NDArray[np.float32]]:
    """Boxes and scores of ultralytics' plain output, overlapping ones suppressed, best first.

    Args:
        answer: shape (1, 4 + classes, anchors): centre x, centre y, width, height, then a score per class.
        plate_class: the class that is a plate; None: all of them.

    Returns:
        shapes (N, 4), xyxy, and (N,), float32, in pixels of the model's rectangle; a score that is no number
        comes out as that.
    """
    rows = answer[0]
    if plate_class is not None or len(rows) == 5:
        scores = rows[4 + (plate_class or 0)]
    else:
        scores = rows[4:].max(axis=0)
    candidates = np.flatnonzero(~(scores < confidence))
    scores = scores[candidates]
    centres_x, centres_y, widths, heights = rows[:4, candidates]
    half_x, half_y = widths / 2, heights / 2
    boxes = np.stack([centres_x - half_x, centres_y - half_y, centres_x + half_x, centres_y + half_y], axis=1)
    kept = nms(boxes, scores, iou=_IOU, limit=_MOST_CANDIDATES)
    return boxes[kept], scores[kept]


@np.errstate(all="ignore")
def decode_end2end(
    answer: npt.NDArray[np.float32], *, confidence: float, plate_class: int | None = None
) -> tuple[Boxes, npt.NDArray[np.float32]]:
    """Boxes and scores of the end2end output, which the network has suppressed itself, best first.

    Args:
        answer: shape (N, 7): batch, x1, y1, x2, y2, class, score.
        plate_class: the class that is a plate; None: all of them.

    Returns:
        shapes (M, 4) and (M,), float32, in pixels of the model's rectangle; a score that is no number comes
        out as that.
    """
    if plate_class is not None:
        answer = answer[answer[:, 5] == plate_class]
    scores = answer[:, 6]
    order = np.argsort(-scores, kind="stable")
    order = order[~(scores[order] < confidence)][:_MOST_CANDIDATES]
    return answer[order, 1:5], scores[order]


def _other_shape(manifest: Manifest, found: str) -> ModelError:
    said = manifest.input
    size = f"{said.height} x {said.width}" if said else "a fixed height and width"
    return ModelError(
        f"{manifest.file}: not a plate detector of the expected shape: {found}: use a YOLO exported to ONNX "
        f"with float32 input (1, 3, height, width) of {size}, plain or end2end"
    )
