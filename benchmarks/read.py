"""`read`: time per picture on one thread, and plates read exactly, against fast-alpr with upstream weights.

Both sides run with the settings they come with, on the same pictures in turns, and are held to the same
texts. Those were read by the upstream reader from the full-size originals, so in doubt they favour upstream.
Most of the pictures are of the detectors' training half: ours and upstream's alike may have seen them.
Needs ../shared.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from fast_alpr import ALPR
from fast_alpr.base import BaseDetector, DetectionResult
from open_image_models.detection.core.yolo_v9.inference import YoloV9Detector

from benchmarks.known_plates import KnownPlate, Read, known_plates, text_at
from benchmarks.prerequisites import UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER, need_files
from models.evaluation.intervals import wilson
from models.evaluation.pairing import paired
from pod.config import VisionConfig
from pod.domain.plates import match_key
from pod.vision.pipeline import PlateReader, open_reader

_FAST_ALPR_CONFIDENCE = 0.4
"""Its default."""

Reader = Callable[[npt.NDArray[np.uint8]], Sequence[Read]]


class _UpstreamDetector(BaseDetector):
    """fast-alpr's own class for this downloads its weights; here a file gives them, the rest is the same."""

    def __init__(self) -> None:
        self._detector = YoloV9Detector(
            UPSTREAM_DETECTOR,
            ["plate"],
            conf_thresh=_FAST_ALPR_CONFIDENCE,
            providers=["CPUExecutionProvider"],
            sess_options=_one_thread(),
        )

    def predict(self, frame: npt.NDArray[np.uint8]) -> list[DetectionResult]:
        return self._detector.predict(frame)


def measure() -> dict[str, float]:
    """CPU and wall ms per picture of each reader, ratios of CPU time, shares of plates read, and by how much
    the bundled models are ahead, each share with its 95 % interval.

    The readers take turns on every picture, so that whatever else the machine does meets them alike. Decoding
    the file is left out: pictures are in memory, in the channel order each reader wants.
    """
    need_files(UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER)
    plates = known_plates()
    upstream = VisionConfig(
        provider="cpu",
        detector=str(UPSTREAM_DETECTOR),
        recognizer=str(UPSTREAM_RECOGNIZER),
        detector_confidence=_FAST_ALPR_CONFIDENCE,
    )
    readers: dict[str, tuple[int, Reader]] = {
        "fast_alpr": (cv2.IMREAD_COLOR_BGR, _theirs(fast_alpr())),
        "upstream": (cv2.IMREAD_COLOR_RGB, _ours(open_reader(upstream))),
        "bundled": (cv2.IMREAD_COLOR_RGB, _ours(open_reader(VisionConfig(provider="cpu")))),
    }
    by_picture: dict[Path, list[KnownPlate]] = {}
    for plate in plates:
        by_picture.setdefault(plate.picture, []).append(plate)
    cpu_s, wall_s = dict.fromkeys(readers, 0.0), dict.fromkeys(readers, 0.0)
    exact: dict[str, list[bool]] = {name: [] for name in readers}
    folded: dict[str, list[bool]] = {name: [] for name in readers}
    for file, shown in by_picture.items():
        for name, (order, read) in readers.items():
            picture = np.asarray(cv2.imread(str(file), order), np.uint8)
            cpu, wall = time.process_time(), time.perf_counter()
            reads = read(picture)
            cpu_s[name] += time.process_time() - cpu
            wall_s[name] += time.perf_counter() - wall
            texts = [text_at(plate.box, reads) for plate in shown]
            exact[name] += [text == plate.text for plate, text in zip(shown, texts, strict=True)]
            folded[name] += [
                match_key(text) == match_key(plate.text) for plate, text in zip(shown, texts, strict=True)
            ]
    figures = {f"{name}_cpu_ms": cpu_s[name] * 1000 / len(by_picture) for name in readers}
    figures |= {f"{name}_wall_ms": wall_s[name] * 1000 / len(by_picture) for name in readers}
    figures |= {f"{name}_to_fast_alpr": cpu_s[name] / cpu_s["fast_alpr"] for name in ("upstream", "bundled")}
    figures["plates"] = float(len(plates))
    clusters = [plate.text for by in by_picture.values() for plate in by]
    for kind, right in (("exact", exact), ("folded", folded)):
        for name in readers:
            low, high = wilson(sum(right[name]), len(plates))
            figures[f"{name}_{kind}_percent"] = 100 * float(np.mean(right[name]))
            figures[f"{name}_{kind}_low_percent"], figures[f"{name}_{kind}_high_percent"] = (
                100 * low,
                100 * high,
            )
        ahead = paired(right["bundled"], right["fast_alpr"], clusters)
        figures[f"{kind}_ahead_percent"] = 100 * ahead.difference
        figures[f"{kind}_ahead_low_percent"] = 100 * ahead.interval_95[0]
        figures[f"{kind}_ahead_high_percent"] = 100 * ahead.interval_95[1]
    return figures


def fast_alpr() -> ALPR:
    return ALPR(
        detector=_UpstreamDetector(),
        ocr_model=None,
        ocr_model_path=UPSTREAM_RECOGNIZER,
        ocr_config_path=UPSTREAM_RECOGNIZER.with_name(f"{UPSTREAM_RECOGNIZER.stem}_plate_config.yaml"),
        ocr_providers=["CPUExecutionProvider"],
        ocr_sess_options=_one_thread(),
    )


def _theirs(alpr: ALPR) -> Reader:
    def read(bgr: npt.NDArray[np.uint8]) -> Sequence[Read]:
        return [
            ((box.x1, box.y1, box.x2, box.y2), result.ocr.text if result.ocr else "")
            for result in alpr.predict(bgr)
            if (box := result.detection.bounding_box)
        ]

    return read


def _ours(reader: PlateReader) -> Reader:
    return lambda rgb: [(read.box, read.text) for read in reader.read(rgb)]


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options
