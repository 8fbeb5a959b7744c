"""The other side of the comparison: fast-alpr's own class, as its users get it, with its makers' weights.

fast-alpr is no dependency: where it or the weights are missing, that is said and only ours is measured.
"""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from models import registry
from models.manifest import Manifest, ModelError
from models.store import default_store, stored

_T = TypeVar("_T")

_DETECTORS = ("yolo-v9-t-384", "yolo-v9-t-416", "yolo-v9")
"""Starts of file names, fast-alpr's own default first."""
_RECOGNIZERS = ("cct_xs_v2", "cct-xs-v2", "cct_", "cct-")


@dataclass(frozen=True, slots=True)
class UpstreamWeights:
    """Where fast-alpr's weights are.

    Attributes:
        recognizer: a loaded manifest, with its plate configuration.
        found_in: the place, in words.
    """

    detector: Path
    recognizer: Manifest
    found_in: str

    @property
    def name(self) -> str:
        return f"fast-alpr {version('fast-alpr')} with {self.detector.stem} and {self.recognizer.file.stem}"


@dataclass(frozen=True, slots=True)
class Absent:
    """Why there is no upstream to compare with, and the mend."""

    reason: str


def find_upstream(place: Path, *, asked: Path | None, store: Path | None) -> UpstreamWeights | Absent:
    """fast-alpr's weights: in the folder asked for, else in the store, else in `weights` beside the data set.

    Args:
        place: the data set.
        asked: a folder with a `yolo-v9*.onnx` and a `cct*.onnx`; None: not asked for one.
        store: of pulled models; None: this user's.

    Raises:
        ModelError: a folder was asked for and does not hold them.
    """
    try:
        version("fast-alpr")
    except PackageNotFoundError:
        return Absent("upstream: not found, fast-alpr is not installed: pip install fast-alpr")
    if asked is not None:
        found = _in_folder(asked)
        if found is None:
            raise ModelError(
                f"{asked}: holds no yolo-v9*.onnx with a cct*.onnx and its _plate_config.yaml: name the "
                "folder that does, or leave --upstream out"
            )
        return found
    folder = default_store() if store is None else store
    folder_of_data = place.parent if place.is_file() else place
    # By its text, not the file system's: messages and reports show the path as it was given.
    beside = Path(os.path.normpath(folder_of_data / ".." / "weights"))
    found = _in_store(folder) or _in_folder(beside)
    return found or Absent(
        f"upstream: not found, neither in the store {folder} nor in {beside}: "
        "platebridge models pull yolo-v9-t-384-license-plate-end2end cct-xs-v2-global-model"
    )


def _in_store(store: Path) -> UpstreamWeights | None:
    whole = [manifest for manifest in stored(store) if isinstance(manifest, Manifest)]
    detector = _first({m.name: m for m in whole if m.task == "detector"}, _DETECTORS)
    recognizer = _first({m.name: m for m in whole if m.task == "recognizer"}, _RECOGNIZERS)
    if detector is None or recognizer is None:
        return None
    for manifest in (detector, recognizer):
        registry.verify(manifest)
    return UpstreamWeights(detector.file, recognizer, f"the store {store}")


def _in_folder(folder: Path) -> UpstreamWeights | None:
    files = {file.name: file for file in sorted(folder.glob("*.onnx"))}
    detector, recognizer = _first(files, _DETECTORS), _first(files, _RECOGNIZERS)
    if detector is None or recognizer is None:
        return None
    return UpstreamWeights(detector, registry.load(str(recognizer), "recognizer"), f"the folder {folder}")


def _first(named: dict[str, _T], starts: tuple[str, ...]) -> _T | None:
    for start in starts:
        for name, thing in named.items():
            if name.startswith(start):
                return thing
    return None
