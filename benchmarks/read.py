"""`read`: time per picture on one thread, against fast-alpr with its upstream weights. Needs ../shared."""

import time
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from fast_alpr import ALPR
from fast_alpr.base import BaseDetector, DetectionResult
from open_image_models.detection.core.yolo_v9.inference import YoloV9Detector

from benchmarks.prerequisites import UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER, VALIDATION_PICTURES, need_files
from pod.config import VisionConfig
from pod.vision.pipeline import open_reader

_PICTURES = 120
_CONFIDENCE = 0.4
"""fast-alpr's default, for both: the number of crops decides the time."""


class _UpstreamDetector(BaseDetector):
    """fast-alpr's own class for this downloads its weights; here a file gives them, the rest is the same."""

    def __init__(self) -> None:
        self._detector = YoloV9Detector(
            UPSTREAM_DETECTOR,
            ["plate"],
            conf_thresh=_CONFIDENCE,
            providers=["CPUExecutionProvider"],
            sess_options=_one_thread(),
        )

    def predict(self, frame: npt.NDArray[np.uint8]) -> list[DetectionResult]:
        return self._detector.predict(frame)


def measure() -> dict[str, float]:
    """CPU and wall ms per picture of each reader, and the ratios of CPU time.

    The readers take turns on every picture, so that whatever else the machine does meets them alike. Decoding
    the file is left out: pictures are in memory, in the channel order each reader wants.
    """
    need_files(VALIDATION_PICTURES, UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER)
    files = sorted(VALIDATION_PICTURES.glob("*.jpg"))
    files = files[:: max(1, len(files) // _PICTURES)][:_PICTURES]
    upstream = VisionConfig(
        provider="cpu",
        detector=str(UPSTREAM_DETECTOR),
        recognizer=str(UPSTREAM_RECOGNIZER),
        detector_confidence=_CONFIDENCE,
    )
    readers: dict[str, tuple[int, Callable[[npt.NDArray[np.uint8]], object]]] = {
        "fast_alpr": (cv2.IMREAD_COLOR_BGR, fast_alpr().predict),
        "upstream": (cv2.IMREAD_COLOR_RGB, open_reader(upstream).read),
        "bundled": (
            cv2.IMREAD_COLOR_RGB,
            open_reader(VisionConfig(provider="cpu", detector_confidence=_CONFIDENCE)).read,
        ),
    }
    cpu_s, wall_s = dict.fromkeys(readers, 0.0), dict.fromkeys(readers, 0.0)
    for file in files:
        for name, (order, read) in readers.items():
            picture = np.asarray(cv2.imread(str(file), order), np.uint8)
            cpu, wall = time.process_time(), time.perf_counter()
            read(picture)
            cpu_s[name] += time.process_time() - cpu
            wall_s[name] += time.perf_counter() - wall
    figures = {f"{name}_cpu_ms": cpu_s[name] * 1000 / len(files) for name in readers}
    figures |= {f"{name}_wall_ms": wall_s[name] * 1000 / len(files) for name in readers}
    figures |= {f"{name}_to_fast_alpr": cpu_s[name] / cpu_s["fast_alpr"] for name in ("upstream", "bundled")}
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


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options
