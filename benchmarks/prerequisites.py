"""What a benchmark needs beside the repository, and the error that says what is missing."""

from pathlib import Path

from models.render import camera_process

SHARED = Path(__file__).parents[2] / "shared"
"""Real pictures and upstream weights, beside the checkout."""

VALIDATION_PICTURES = SHARED / "plates" / "detect" / "images" / "val"
UPSTREAM_DETECTOR = SHARED / "weights" / "yolo-v9-t-416-license-plates-end2end1.onnx"
UPSTREAM_RECOGNIZER = SHARED / "weights" / "cct_xs_v2_global.onnx"

CACHE = Path(__file__).parents[1] / ".demo" / "benchmarks"
"""Rendered clips; may be deleted at any time."""


class CannotRunError(Exception):
    """Something is missing that no figure can be had without; the text names it."""


def need_files(*paths: Path) -> None:
    """
    Raises:
        CannotRunError: one of them does not exist.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise CannotRunError(
            f"needs ../shared beside the checkout (real pictures and upstream weights): {missing[0].name} "
            "is not there"
        )


def need_camera() -> None:
    """
    Raises:
        CannotRunError: no RTSP server can be started here.
    """
    absence = camera_process.available()
    if absence is not None:
        raise CannotRunError(f"needs a real RTSP server: {absence}")
