"""How many plates a detector finds, and how many of its boxes are plates. Pure, vectorised.

Boxes are matched as PASCAL VOC does it (Everingham et al., IJCV 88, 2010): the surest first, each to
the free label it overlaps most, and only from an IoU of 0.5. AP50 is the area under all points of the
envelope, as VOC has it since 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
"""Shape (N, 4), xyxy in pixels of one picture; N may be 0."""

MATCH_IOU = 0.5


@dataclass(frozen=True, slots=True)
class PictureBoxes:
    """What was found in one picture, and what is there.

    Attributes:
        found: shape (N, 4), float32, xyxy in pixels of the picture.
        scores: shape (N,), float32, 0..1.
        truth: shape (M, 4), as `found`: the labels.
    """

    found: Boxes
    scores: npt.NDArray[np.float32]
    truth: Boxes


@dataclass(frozen=True, slots=True)
class DetectionMetrics:
    """Counts at one confidence, and the shares they make.

    Attributes:
        labels: plates there are.
        found: boxes of at least that confidence.
        right: those of them that have a label of their own.
        ap50_percent: over every confidence, so it needs boxes from a low one on; NaN without labels.
        matched: per picture, shape (M,), bool: whether each label has a box at that confidence.
    """

    labels: int
    found: int
    right: int
    ap50_percent: float
    matched: tuple[npt.NDArray[np.bool_], ...]

    @property
    def recall_percent(self) -> float:
        return 100 * self.right / self.labels if self.labels else float("nan")

    @property
    def precision_percent(self) -> float:
        return 100 * self.right / self.found if self.found else float("nan")


def detection_metrics(
    pictures: Sequence[PictureBoxes], *, confidence: float, iou: float = MATCH_IOU
) -> DetectionMetrics:
    """Recall and precision at a confidence, and AP50 over all of them."""
    matched, found = [], 0
    for picture in pictures:
        sure = picture.scores >= confidence
        found += int(sure.sum())
        labels = match(picture.found[sure], picture.scores[sure], picture.truth, iou=iou)
        hit = np.zeros(len(picture.truth), np.bool_)
        hit[labels[labels >= 0]] = True
        matched.append(hit)
    right = sum(int(hit.sum()) for hit in matched)
    return DetectionMetrics(
        labels=sum(len(picture.truth) for picture in pictures),
        found=found,
        right=right,
        ap50_percent=100 * average_precision(*confidence_curve(pictures, iou=iou)[1:]),
        matched=tuple(matched),
    )


def match(
    found: Boxes, scores: npt.NDArray[np.float32], truth: Boxes, *, iou: float = MATCH_IOU
) -> npt.NDArray[np.intp]:
    """The label that each box gets: the surest box first, each the free label that it overlaps most.

    Args:
        found: shape (N, 4).
        scores: shape (N,).
        truth: shape (M, 4).

    Returns:
        shape (N,): an index into `truth`, -1 for a box without a label; no index comes twice.
    """
    overlaps = iou_matrix(found, truth)
    labels = np.full(len(found), -1, np.intp)
    for i in np.argsort(-scores, kind="stable"):
        if not len(truth):
            break
        best = int(overlaps[i].argmax())
        if overlaps[i, best] >= iou:
            labels[i] = best
            overlaps[:, best] = -1
    return labels


def confidence_curve(
    pictures: Sequence[PictureBoxes], *, iou: float = MATCH_IOU
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Recall and precision at every confidence that a box has.

    Returns:
        confidences falling, recall rising, and precision, each of shape (boxes,), 0..1; recall is NaN without
        labels.
    """
    scores = np.concatenate([np.empty(0, np.float32), *(picture.scores for picture in pictures)])
    right = np.concatenate(
        [
            np.empty(0, np.bool_),
            *(match(picture.found, picture.scores, picture.truth, iou=iou) >= 0 for picture in pictures),
        ]
    )
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order], dtype=np.float64)
    labels = sum(len(picture.truth) for picture in pictures)
    recall = hits / labels if labels else np.full(len(hits), np.nan)
    return scores[order].astype(np.float64), recall, hits / np.arange(1, len(hits) + 1)


def average_precision(recall: npt.NDArray[np.floating], precision: npt.NDArray[np.floating]) -> float:
    """The area under the precision that a recall can be had with, 0..1.

    Args:
        recall: shape (N,), rising, 0..1. precision: shape (N,).

    Returns:
        0 where nothing was found, NaN where there was nothing to find.
    """
    if np.isnan(recall).any():
        return float("nan")
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def recall_by_width(
    matched: Sequence[npt.NDArray[np.bool_]],
    widths_px: Sequence[npt.NDArray[np.floating]],
    *,
    edges_px: Sequence[float],
) -> list[tuple[int, int]]:
    """Labels found, and labels there are, by width.

    Args:
        matched: per picture, shape (M,), as `DetectionMetrics` has it.
        widths_px: per picture, shape (M,): each label's width, see `width_at_input_px`.
        edges_px: rising; bin i holds widths from edges[i] up to, but not including, edges[i + 1].

    Returns:
        (found, labels) for each of the len(edges_px) - 1 bins.
    """
    hit = np.concatenate([np.empty(0, np.bool_), *matched])
    width = np.concatenate([np.empty(0), *widths_px])
    bins = []
    for low, high in pairwise(edges_px):
        inside = (width >= low) & (width < high)
        bins.append((int((hit & inside).sum()), int(inside.sum())))
    return bins


def width_at_input_px(
    truth: Boxes, *, picture_size_px: tuple[int, int], input_size_px: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """How wide each box is once its picture is fitted into the network's rectangle, its shape kept.

    Args:
        truth: shape (M, 4), xyxy in pixels of the picture.
        picture_size_px: height and width; `input_size_px` the same of the network's rectangle.
    """
    scale = min(input_size_px[0] / picture_size_px[0], input_size_px[1] / picture_size_px[1])
    return (truth[:, 2] - truth[:, 0]).astype(np.float64) * scale


def iou_matrix(a: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over union of every box in `a` (N, 4) with every one in `b` (M, 4): shape (N, M), 0..1."""
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    sides = np.minimum(wide_a[:, None, 2:], wide_b[None, :, 2:]) - np.maximum(
        wide_a[:, None, :2], wide_b[None, :, :2]
    )
    shared = np.clip(sides, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (wide_a, wide_b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    overlaps: npt.NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps
