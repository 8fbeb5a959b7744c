"""`camera-cpu`: processor time per 1080p25 camera, idle and busy, against decoding alone. Needs GStreamer.

One pod and one process that only decodes watch the same stream at the same time, so whatever else the machine
does meets both. The pod's figure holds everything it does, its guard and its page included.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.drive_up import drive_up_clip, still_clip
from benchmarks.pod_process import PodProcess, cpu_s
from benchmarks.prerequisites import CACHE, need_camera
from benchmarks.rendered_visitors import rendered_visitors
from models.render.camera_process import CameraProcess

WINDOW_S = 40.0
CARS = 12
_STILL_CLIP_S = 4.0
_SETTLE_S = 3.0
"""From the first frame until a session's start is over: the pod's first searches, libav's buffers."""

_CAMERA = "gate"


def measure(*, window_s: float = WINDOW_S, cars: int = CARS) -> dict[str, float]:
    """Percent of one core, and the ratios.

    Args:
        cars: different ones before the clip starts over; each passes once in a window of the default length,
            and every second one is listed.

    Raises:
        CannotRunError: GStreamer is missing.
    """
    need_camera()
    visitors, empty = rendered_visitors(cars)
    clips = {
        "idle": still_clip(empty, folder=CACHE, name="camera-cpu-idle", duration_s=_STILL_CLIP_S),
        "busy": drive_up_clip(visitors, empty, folder=CACHE, name="camera-cpu-busy"),
    }
    listed = [visitor.plate for visitor in visitors[::2]]
    figures: dict[str, float] = {}
    for scene, clip in clips.items():
        decoding, pod, searched = _percent_of_core(clip, listed, window_s=window_s)
        figures |= {
            f"{scene}_decoding_percent": decoding,
            f"{scene}_pod_percent": pod,
            f"{scene}_searches_per_s": searched,
        }
    return figures | compared(
        idle_pod=figures["idle_pod_percent"],
        idle_decoding=figures["idle_decoding_percent"],
        busy_pod=figures["busy_pod_percent"],
        busy_decoding=figures["busy_decoding_percent"],
    )


def compared(
    *, idle_pod: float, idle_decoding: float, busy_pod: float, busy_decoding: float
) -> dict[str, float]:
    """What the targets bound, from percents of one core. Pure.

    Raises:
        ValueError: decoding cost nothing, so no stream was played.
    """
    if idle_decoding <= 0:
        raise ValueError("decoding alone took no processor time: the stream was not played")
    return {"idle_to_decoding": idle_pod / idle_decoding, "busy_extra_percent": busy_pod - busy_decoding}


def _percent_of_core(clip: Path, listed: list[str], *, window_s: float) -> tuple[float, float, float]:
    """Of decoding alone and of a pod, on one stream; and how often the pod searched it a second."""
    with tempfile.TemporaryDirectory() as folder, CameraProcess({_CAMERA: [clip]}) as camera:
        url = camera.url(_CAMERA)
        alone = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.decoding_alone", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            text=True,
        )
        try:
            with PodProcess(Path(folder) / "pod", {_CAMERA: url}, listed=listed) as pod:
                pod.wait_until_playing()
                time.sleep(_SETTLE_S)
                searches = pod.frames_by_fate().get("read", 0.0)
                started_s, alone_s, pod_s = time.monotonic(), cpu_s(alone.pid), pod.cpu_s()
                time.sleep(window_s)
                passed_s = time.monotonic() - started_s
                alone_s, pod_s = cpu_s(alone.pid) - alone_s, pod.cpu_s() - pod_s
                searches = pod.frames_by_fate().get("read", 0.0) - searches
            frames, _ = alone.communicate()
        finally:
            alone.kill()
            alone.wait()
    if int(frames or 0) == 0:
        raise RuntimeError("the process that decodes alone got no picture: nothing to compare with")
    return 100 * alone_s / passed_s, 100 * pod_s / passed_s, searches / passed_s
