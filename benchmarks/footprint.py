"""`footprint`: what the base install weighs, the memory of a pod with two cameras, and how soon it decides.

The install is measured where the benchmark runs: the distributions of `requirements.lock`, the
installers that a new environment comes with, and the project itself, as they lie on the disk, compiled
modules included. Memory and start need GStreamer.
"""

import importlib.metadata
import importlib.util
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.drive_up import drive_up_clip
from benchmarks.pod_process import PodProcess, wait_until
from benchmarks.prerequisites import CACHE, CannotRunError, need_camera
from benchmarks.rendered_visitors import rendered_visitors
from models.render.camera_process import CameraProcess

CARS = 4
WATCHED_S = 20.0
_FIRST_EMPTY_S = 0.5
"""The first car comes at once: what is timed is the pod, not the street."""

_DISTRIBUTION = "platebridge"
_OWN_PACKAGES = ("pod", "models", "sync")
_WITH_EVERY_VENV = ("pip", "setuptools") if sys.version_info < (3, 12) else ("pip",)
_LARGEST = 5
_BLOCK_BYTES = 512
_MB = 2**20


def measure(*, cars: int = CARS, watched_s: float = WATCHED_S) -> dict[str, float]:
    """Megabytes as `du -m` and `free -m` count them (2**20 bytes), and seconds.

    Args:
        watched_s: how long memory is watched after the first decision; the most counts.

    Raises:
        CannotRunError: GStreamer is missing.
    """
    need_camera()
    sizes = installed_bytes()
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_LARGEST]
    for name, size in largest:
        print(f"{size / _MB:7.1f} MB  {name}", file=sys.stderr)
    visitors, empty = rendered_visitors(cars)
    clip = drive_up_clip(visitors, empty, folder=CACHE, name="footprint", first_empty_s=_FIRST_EMPTY_S)
    with tempfile.TemporaryDirectory() as folder, CameraProcess({"one": [clip], "two": [clip]}) as camera:
        urls = {name: camera.url(name) for name in ("one", "two")}
        with PodProcess(Path(folder) / "pod", urls, listed=[visitors[0].plate]) as pod:
            wait_until(lambda: _first_decision_wall_s(pod) is not None, 90, what="the first decision")
            decided_wall_s = _first_decision_wall_s(pod)
            assert decided_wall_s is not None
            most_bytes, end_s = 0, time.monotonic() + watched_s
            while time.monotonic() < end_s:
                most_bytes = max(most_bytes, pod.rss_bytes())
                time.sleep(0.1)
    return {
        "installed_mb": sum(sizes.values()) / _MB,
        "distributions": len(sizes),
        **{f"{name}_mb": size / _MB for name, size in largest},
        "rss_two_cameras_mb": most_bytes / _MB,
        "first_decision_s": decided_wall_s - pod.started_wall_s,
    }


def installed_bytes() -> dict[str, int]:
    """What each distribution of the base install takes on the disk, the project's own packages included.

    Raises:
        CannotRunError: one of them is not installed here.
    """
    root = Path(__file__).parents[1]
    sizes = {}
    for name in [*locked_names((root / "requirements.lock").read_text()), *_WITH_EVERY_VENV]:
        try:
            sizes[name] = disk_bytes(_files_of(name))
        except importlib.metadata.PackageNotFoundError:
            raise CannotRunError(f"needs the locked packages, and {name} is not installed") from None
    own = (file for package in _OWN_PACKAGES for file in (root / package).rglob("*"))
    return sizes | {_DISTRIBUTION: disk_bytes(own)}


def locked_names(lock: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """The distributions that a lock file asks for on this system. Pure but for what this system is.

    Args:
        environment: what to evaluate markers against in the place of this system.
    """
    lines = [line.removesuffix("\\") for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    wanted = [Requirement(line) for line in lines]
    values = None if environment is None else dict(environment)
    return [r.name for r in wanted if r.marker is None or r.marker.evaluate(values)]


def disk_bytes(files: Iterable[Path]) -> int:
    """What regular files take on the disk, in whole blocks as `du` counts them; each file once."""
    return sum(_BLOCK_BYTES * file.stat().st_blocks for file in set(files) if file.is_file())


def _files_of(name: str) -> Iterator[Path]:
    for file in importlib.metadata.files(name) or ():
        path = Path(str(file.locate())).resolve()
        yield path
        if path.suffix == ".py":
            yield Path(importlib.util.cache_from_source(str(path)))


def _first_decision_wall_s(pod: PodProcess) -> float | None:
    return next((row.at.timestamp() for row in pod.rows() if row.kind in ("intent", "decision")), None)
