"""What detectors find at which input size and confidence, and how long they take:
`python -m models.training.detector_curves PLATES_FOLDER curves.json first.onnx second.onnx ...`.

The JSON is a list with an entry per network: network, input_px (height, width), ms_median (of processor time,
the network alone on one thread, all networks in turns), map50_percent, points (confidence, recall_percent,
precision_percent) and recall_by_width (from_px, to_px, found, labels), the width being that at the input.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.evaluation.boxes import (
    Boxes,
    PictureBoxes,
    detection_metrics,
    recall_by_width,
    width_at_input_px,
)
from models.training.detector_labels import read_labels, to_pixels
from models.training.detector_passes import OnnxDetector

CONFIDENCES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)
WIDTH_CONFIDENCE = 0.25
WIDTH_EDGES_PX = (0, 12, 18, 24, 32, 48, 64, 96, 128, 4096)
_TIMED_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Curve:
    """What one network does; see the module's first lines."""

    network: str
    input_px: tuple[int, int]
    ms_median: float
    map50_percent: float
    points: list[dict[str, float]]
    recall_by_width: list[dict[str, float]]


def curve(
    network: str,
    pictures: Sequence[PictureBoxes],
    sizes_px: Sequence[tuple[int, int]],
    *,
    input_px: tuple[int, int],
) -> Curve:
    """The curve of one network, its time left open.

    Args:
        sizes_px: height and width of each picture.
    """
    metrics = {c: detection_metrics(pictures, confidence=c) for c in (*CONFIDENCES, WIDTH_CONFIDENCE)}
    widths_px = [
        width_at_input_px(picture.truth, picture_size_px=size_px, input_size_px=input_px)
        for picture, size_px in zip(pictures, sizes_px, strict=True)
    ]
    bins = recall_by_width(metrics[WIDTH_CONFIDENCE].matched, widths_px, edges_px=WIDTH_EDGES_PX)
    return Curve(
        network=network,
        input_px=input_px,
        ms_median=float("nan"),
        map50_percent=round(metrics[WIDTH_CONFIDENCE].ap50_percent, 2),
        points=[
            {
                "confidence": confidence,
                "recall_percent": round(metrics[confidence].recall_percent, 2),
                "precision_percent": round(metrics[confidence].precision_percent, 2),
            }
            for confidence in CONFIDENCES
        ],
        recall_by_width=[
            {"from_px": low, "to_px": high, "found": found, "labels": labels}
            for low, high, (found, labels) in zip(WIDTH_EDGES_PX, WIDTH_EDGES_PX[1:], bins, strict=False)
        ],
    )


def times_ms(detectors: Sequence[OnnxDetector], *, rounds: int = _TIMED_ROUNDS) -> list[float]:
    """The median processor time of each network on one thread; they take turns, so all meet the same load."""
    taken: list[list[float]] = [[] for _ in detectors]
    for _ in range(rounds):
        for detector, times in zip(detectors, taken, strict=True):
            tensor = np.zeros((1, 3, detector.height_px, detector.width_px), np.float32)
            detector.answer(tensor)  # the caches are another network's
            started_s = time.process_time()
            detector.answer(tensor)
            times.append(1000 * (time.process_time() - started_s))
    return [round(float(np.median(times)), 2) for times in taken]


def measure(plates_folder: Path, networks: Sequence[Path]) -> list[Curve]:
    """The curves of several networks on the validation pictures."""
    detectors = [OnnxDetector(network) for network in networks]
    found: list[list[PictureBoxes]] = [[] for _ in detectors]
    sizes_px: list[tuple[int, int]] = []
    for file in sorted((plates_folder / "images" / "val").iterdir()):
        bgr: npt.NDArray[np.uint8] = np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR), np.uint8)
        height, width = bgr.shape[:2]
        sizes_px.append((height, width))
        labels = read_labels(plates_folder / "labels_snapped" / "val" / f"{file.stem}.txt")
        truth: Boxes = to_pixels(labels, height=height, width=width)
        for detector, pictures in zip(detectors, found, strict=True):
            boxes = detector.find(bgr)
            pictures.append(PictureBoxes(boxes[:, :4], boxes[:, 4], truth))
    curves = [
        curve(network.stem, pictures, sizes_px, input_px=(detector.height_px, detector.width_px))
        for network, detector, pictures in zip(networks, detectors, found, strict=True)
    ]
    return [
        Curve(**(asdict(one) | {"ms_median": ms}))
        for one, ms in zip(curves, times_ms(detectors), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plates_folder", type=Path, help="holds images/ and labels_snapped/")
    parser.add_argument("target", type=Path, help="where the JSON goes")
    parser.add_argument("networks", type=Path, nargs="+", help="ONNX files, one per network and input size")
    options = parser.parse_args()
    curves = measure(options.plates_folder, options.networks)
    options.target.write_text(json.dumps([asdict(one) for one in curves], indent=1) + "\n")
    for one in curves:
        print(f"{one.network} {one.input_px}: {one.map50_percent} % at {one.ms_median} ms")


if __name__ == "__main__":
    main()
