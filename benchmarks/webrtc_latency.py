"""From the camera's push to the frame callback in Chromium: by our RTSP session, by libav, by Janus."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from playwright.sync_api import Browser

from benchmarks.numbered_clip import FRAMES
from benchmarks.pod_process import PodProcess
from benchmarks.webrtc_browser import BrowserViewer, launched
from benchmarks.webrtc_detour import LOSS, ONE_WAY_S, Detour
from benchmarks.webrtc_janus import JanusProcess
from benchmarks.webrtc_peer import Server
from benchmarks.webrtc_timing import Sent, Shown, freezes, gaps_s, latencies_s, percentiles_ms
from benchmarks.webrtc_whep import ViewingKey, WhepCamera

_CAMERA = "gate"
_WARM_S = 3.0
"""Of each look, before anything counts: the decoder starts, and the burst at the start is caught up."""

Way = Literal["native", "libav", "janus"]


def measure_latency(
    camera_url: str, sent_log: Path, *, watched_s: float, rounds: int, starts: int, lossy_s: float
) -> dict[str, float]:
    """Milliseconds, percentiles over all rounds; the ways take turns, so whatever else runs meets them all.

    Args:
        sent_log: where the camera notes when it sent each frame.
        watched_s: of each way in each round.
        starts: first frames of the POD's native way, in all.
        lossy_s: watched through loss and delay, in all.

    Raises:
        CannotRunError: Chromium or Janus is missing.
        ValueError: too few frames could be read.
    """
    latencies: dict[Way, list[float]] = {"native": [], "libav": [], "janus": []}
    gaps: list[float] = []
    firsts: list[float] = []
    with launched() as browser:
        for number in range(rounds):
            for way in latencies:
                print(f"round {number + 1} of {rounds}: {way}", file=sys.stderr, flush=True)
                with _server(way, camera_url) as server:
                    shown = _watch(browser, server, watched_s=watched_s)
                    latencies[way] += latencies_s(_sent(sent_log), shown)
                    if way == "native":
                        gaps += gaps_s(shown)
                        due = starts * (number + 1) // rounds - len(firsts)
                        firsts += [_first_frame_s(browser, server) for _ in range(due)]
        lossy = _lossy_gaps_s(browser, camera_url, lossy_s=lossy_s)
    native, libav = (percentiles_ms(latencies[way], way) for way in ("native", "libav"))
    return {
        **native,
        **libav,
        **percentiles_ms(latencies["janus"], "janus"),
        "native_to_libav_p95": native["native_p95_ms"] / libav["libav_p95_ms"],
        **percentiles_ms(firsts, "first_frame"),
        "freezes": float(freezes(gaps)),
        "longest_gap_ms": 1000 * max(gaps),
        "lossy_freezes": float(freezes(lossy)),
        "lossy_longest_gap_ms": 1000 * max(lossy),
        "lossy_p99_gap_ms": 1000 * float(np.percentile(lossy, 99)),
    }


def _sent(log: Path) -> list[Sent]:
    """What the camera sent so far, by the number in the picture; it starts anew with each first viewer."""
    text = log.read_text()
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [Sent(line["frame"] % FRAMES, line["sent_mono_ns"] / 1e9) for line in lines]


@contextmanager
def _server(way: Way, camera_url: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        if way == "janus":
            with JanusProcess(Path(folder), camera_url) as janus:
                yield janus
        else:
            with _pod(Path(folder), camera_url, transport=way) as camera:
                yield camera


@contextmanager
def _pod(folder: Path, camera_url: str, *, transport: Literal["native", "libav"]) -> Iterator[WhepCamera]:
    key = ViewingKey()
    with PodProcess(folder, {_CAMERA: camera_url}, transport=transport, live=key.settings) as pod:
        pod.wait_until_playing()
        yield WhepCamera.of(pod, _CAMERA, key=key)


def _watch(browser: Browser, server: Server, *, watched_s: float) -> list[Shown]:
    """What was shown, once the start is over."""
    viewer = BrowserViewer(browser)
    server.connect(viewer)
    viewer.wait_for(1)
    counts_from_s = time.monotonic() + _WARM_S
    time.sleep(_WARM_S + watched_s)
    shown = viewer.shown()
    viewer.close()
    return [frame for frame in shown if frame.at_s >= counts_from_s]


def _first_frame_s(browser: Browser, server: Server) -> float:
    viewer = BrowserViewer(browser)
    server.connect(viewer)
    viewer.wait_for(1)
    first_s = viewer.first_frame_s()
    viewer.close()
    return first_s


def _lossy_gaps_s(browser: Browser, camera_url: str, *, lossy_s: float) -> list[float]:
    print(
        f"{lossy_s:.0f} s with {LOSS:.0%} loss, {2000 * ONE_WAY_S:.0f} ms there and back",
        file=sys.stderr,
        flush=True,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        _pod(Path(folder), camera_url, transport="native") as camera,
        Detour() as detour,
    ):
        viewer = BrowserViewer(browser)
        camera.connect(detour.for_peer(viewer))
        viewer.wait_for(1)
        counts_from_s = time.monotonic() + _WARM_S
        time.sleep(_WARM_S + lossy_s)
        shown = viewer.shown()
        viewer.close()
        if detour.to_viewer.lost == 0:
            raise RuntimeError("the relay lost nothing: the browser found another way, nothing was measured")
    return gaps_s([frame for frame in shown if frame.at_s >= counts_from_s])
