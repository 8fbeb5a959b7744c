"""`webrtc`: live video from the POD to viewers, against Debian's Janus. Needs GStreamer, Janus, Go, Chromium.

One made-up camera, whose frames carry their numbers, sends 1080p25 at 4 Mbit/s to every server in turn.
"""

import tempfile
from pathlib import Path

from benchmarks.numbered_clip import numbered_clip
from benchmarks.prerequisites import CACHE, chromium, need_camera, need_janus
from benchmarks.rendered_visitors import rendered_visitors
from benchmarks.webrtc_latency import measure_latency
from benchmarks.webrtc_leak import measure_leak
from benchmarks.webrtc_load import measure_load
from benchmarks.webrtc_receivers import build_receivers
from models.render.camera_process import CameraProcess

VIEWERS = (1, 16, 64)
WINDOW_S = 20.0
WATCHED_S = 20.0
ROUNDS = 3
STARTS = 30
LOSSY_S = 60.0
LEAK_S = 600.0
_CAMERA = "gate"


def measure(
    *,
    viewers: tuple[int, ...] = VIEWERS,
    window_s: float = WINDOW_S,
    watched_s: float = WATCHED_S,
    rounds: int = ROUNDS,
    starts: int = STARTS,
    lossy_s: float = LOSSY_S,
    leak_s: float = LEAK_S,
) -> dict[str, float]:
    """Load, latency, loss and leaks, one after the other; some 20 minutes.

    Raises:
        CannotRunError: GStreamer, Janus, Go, pion or Chromium is missing.
    """
    need_camera()
    need_janus()
    chromium()
    program = build_receivers()
    _, empty = rendered_visitors(0)
    clip = numbered_clip(empty, folder=CACHE)
    figures: dict[str, float] = {}
    with CameraProcess({_CAMERA: [clip]}) as camera:
        figures |= measure_load(camera.url(_CAMERA), program, viewers=viewers, window_s=window_s)
    with tempfile.TemporaryDirectory() as folder:
        sent_log = Path(folder) / "sent.jsonl"
        with CameraProcess({_CAMERA: [clip]}, log=sent_log) as camera:
            figures |= measure_latency(
                camera.url(_CAMERA),
                sent_log,
                watched_s=watched_s,
                rounds=rounds,
                starts=starts,
                lossy_s=lossy_s,
            )
    with CameraProcess({_CAMERA: [clip]}) as camera:
        figures |= measure_leak(camera.url(_CAMERA), program, seconds=leak_s)
    return figures
