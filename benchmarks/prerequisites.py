"""What a benchmark needs beside the repository, and the error that says what is missing."""

import importlib.util
import shutil
from pathlib import Path

from models.render import camera_process

SHARED = Path(__file__).parents[2] / "shared"
"""Real pictures and upstream weights, beside the checkout."""

VALIDATION_PICTURES = SHARED / "plates" / "detect" / "images" / "val"
UPSTREAM_DETECTOR = SHARED / "weights" / "yolo-v9-t-416-license-plates-end2end1.onnx"
UPSTREAM_RECOGNIZER = SHARED / "weights" / "cct_xs_v2_global.onnx"

CACHE = Path(__file__).parents[1] / ".demo" / "benchmarks"
"""Rendered clips; may be deleted at any time."""

PION = Path("/usr/share/gocode/src/github.com/pion/webrtc")
"""Where Debian's package puts the WebRTC library that the light viewers are built on."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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


def need_go() -> None:
    """
    Raises:
        CannotRunError: the light viewers cannot be built here.
    """
    if shutil.which("go") is None or not PION.exists():
        raise CannotRunError(
            "needs Go and pion for viewers that cost little: "
            "sudo apt-get install golang-go golang-github-pion-webrtc.v3-dev"
        )


def need_janus() -> None:
    """
    Raises:
        CannotRunError: the server to compare with is missing.
    """
    if shutil.which("janus") is None:
        raise CannotRunError("needs Janus, to compare with: sudo apt-get install janus")


def chromium() -> str:
    """The browser's path.

    Raises:
        CannotRunError: there is none, or nothing to drive it with.
    """
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise CannotRunError("needs Chromium: sudo apt-get install chromium")
    if importlib.util.find_spec("playwright") is None:
        raise CannotRunError("needs playwright, which ./scripts/test.sh installs")
    return found
