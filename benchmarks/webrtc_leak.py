"""Viewers that come and go, again and again: does anything of them stay in the POD?

The POD runs in this process, so that its asyncio tasks can be counted; the viewers run in another one.
"""

import asyncio
import ctypes
import gc
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.pod_process import wait_until
from benchmarks.webrtc_receivers import Receiver, Receivers
from benchmarks.webrtc_whep import ViewingKey, WhepCamera, WhepSession
from pod.app import SWITCH_INTERVAL_S, Pod
from pod.config import CameraConfig, PodConfig, SiteConfig, WebConfig
from pod.config_gates import GateConfig
from pod.config_live import LiveConfig
from pod.runtime.collector import spare_what_stays
from pod.web.stream_key import own_key

AT_ONCE = 4
_CAMERA = "gate"
_WARM_SHARE = 1 / 3
"""Of the time, before anything is counted: caches fill, and the allocator takes what it will keep. Within the
first 300 sessions that are some 10 MB, which looks like a leak in a run that counts few."""

_SETTLE_S = 45.0
"""By then a viewer that vanished without a word is given up."""

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds."""

    tasks: int
    sockets: int
    threads: int
    rss_bytes: int


def measure_leak(clip_url: str, program: Path, *, seconds: float, warm_sessions: int = 1) -> dict[str, float]:
    """What `seconds` of coming and going left behind, after everybody left.

    Args:
        clip_url: of the camera.
        program: of the receivers.
        warm_sessions: at least so many before anything is counted.

    Raises:
        RuntimeError: a viewer got no video, or the POD does not start.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as `platebridge pod run` does
    with tempfile.TemporaryDirectory() as folder, Receivers(program) as receivers:
        return asyncio.run(
            _measure(clip_url, Path(folder), receivers, seconds=seconds, warm_sessions=warm_sessions)
        )


def figures_of(before: Held, after: Held, *, sessions: int) -> dict[str, float]:
    """What is left of each of `sessions` (for memory), and of all together (for the rest). Pure.

    Raises:
        ValueError: there was no session.
    """
    if sessions < 1:
        raise ValueError("no viewer came while anything was counted")
    return {
        "leak_sessions": float(sessions),
        "leaked_tasks": float(after.tasks - before.tasks),
        "leaked_sockets": float(after.sockets - before.sockets),
        "leaked_threads": float(after.threads - before.threads),
        "leaked_kb_per_session": (after.rss_bytes - before.rss_bytes) / 1024 / sessions,
    }


async def _measure(
    camera_url: str, folder: Path, receivers: Receivers, *, seconds: float, warm_sessions: int
) -> dict[str, float]:
    key = ViewingKey()
    config = PodConfig(
        data_dir=str(folder),
        site=SiteConfig(clock="rtc"),
        cameras=(CameraConfig(name=_CAMERA, url=camera_url, gate="gate"),),
        gates=(GateConfig(name="gate"),),
        web=WebConfig(port=0),
        live=LiveConfig.model_validate(key.settings),
    )
    async with Pod(config) as pod:
        spare_what_stays()  # as `platebridge pod run` does; and counting would else hold up the camera
        audience = f"{config.site.id}/{own_key(folder).kid}"
        camera = WhepCamera(pod.address, _CAMERA, audience=audience, key=key)
        return await asyncio.to_thread(
            _come_and_go, pod, camera, receivers, seconds=seconds, warm_sessions=warm_sessions
        )


def _come_and_go(
    pod: Pod, camera: WhepCamera, receivers: Receivers, *, seconds: float, warm_sessions: int
) -> dict[str, float]:
    wait_until(lambda: pod.health().status == "ok", 60, what="the pod's start")
    idle = _held()
    started_s = time.monotonic()
    sessions = 0
    while time.monotonic() < started_s + seconds * _WARM_SHARE or sessions < warm_sessions:
        sessions += _one_round(camera, receivers)
    before = _settled(idle)
    _say(f"warm after {sessions} sessions: {before}")
    counted = 0
    while time.monotonic() < started_s + seconds or not counted:
        counted += _one_round(camera, receivers)
    after = _settled(idle)
    _say(f"after {counted} more: {after}")
    return figures_of(before, after, sessions=counted)


def _one_round(camera: WhepCamera, receivers: Receivers) -> int:
    """Some come, watch, and leave: every other one says so, the rest just vanish. Returns how many."""
    viewers: list[tuple[Receiver, WhepSession]] = []
    for _ in range(AT_ONCE):
        viewer = receivers.new()
        viewers.append((viewer, camera.open(viewer)))
    wait_until(lambda: _all_watch(receivers, [viewer.name for viewer, _ in viewers]), 20, what="video")
    for number, (viewer, session) in enumerate(viewers):
        if number % 2:
            session.end()
        viewer.close()
    return len(viewers)


def _all_watch(receivers: Receivers, names: Sequence[str]) -> bool:
    counts = receivers.counts()
    return all(counts[name].packets for name in names)


def _settled(idle: Held) -> Held:
    """What is held once everybody is gone, or has not gone in time."""
    give_up_s = time.monotonic() + _SETTLE_S
    while True:
        held = _held()
        gone = held.tasks <= idle.tasks and held.sockets <= idle.sockets and held.threads <= idle.threads
        if gone or time.monotonic() > give_up_s:
            return held
        time.sleep(_LOOK_S)


def _held() -> Held:
    gc.collect()
    tasks = sum(isinstance(one, asyncio.Task) and not one.done() for one in gc.get_objects())
    ctypes.CDLL(None).malloc_trim(0)  # what is free is not held
    me = psutil.Process()
    return Held(tasks, me.num_fds(), threading.active_count(), me.memory_info().rss)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
