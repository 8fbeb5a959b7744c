"""A frame tells its age honestly: what network or server held back is old, whenever it arrives."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from camera_fixtures import QUICK, Proxy, Watched, needs_gstreamer, number_of, sent_times_s, until, write_clip

from models.render.camera_process import CameraProcess
from pod.media.timing import RtspTiming, SourceTiming

pytestmark = needs_gstreamer
CLIP_FRAMES = 250
HOLD_S = 5.0
LIMIT_S = 1.0
TOLERANCE_S = 0.2
PATIENT = SourceTiming(rtsp=RtspTiming(silence_s=HOLD_S + 3), late_s=HOLD_S + 3)


@dataclass(frozen=True)
class LoggedCamera:
    process: CameraProcess
    log: Path

    def errors_s(self, watched: Watched) -> list[float]:
        """How far the time of capture claimed by each frame is from when the camera sent that frame."""
        sent = sent_times_s(self.log)
        return [
            min((f.captured_s - at_s for n, at_s in sent if n % CLIP_FRAMES == number_of(f)), key=abs)
            for f in watched.frames
        ]


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[LoggedCamera]:
    log = tmp_path / "sent.jsonl"
    with CameraProcess({"gate": [write_clip(tmp_path / "long.mp4", CLIP_FRAMES)]}, log=log) as process:
        yield LoggedCamera(process, log)


def test_what_the_network_held_for_five_seconds_comes_as_old_frames(camera: LoggedCamera) -> None:
    with Proxy(camera.process.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/gate"
        with Watched(url, freshness_limit_s=LIMIT_S, timing=PATIENT) as watched:
            watched.until_frames(20)
            proxy.hold()
            held_s = time.monotonic()
            until(lambda: time.monotonic() - held_s > HOLD_S)
            before = len(watched.frames)
            proxy.release()
            until(lambda: watched.source.counters.units_late > 20)
            until(lambda: watched.source.state.kind == "playing")
    assert {f.session for f in watched.frames} == {1}
    first_age_s = watched.taken_s[before] - watched.frames[before].captured_s
    assert first_age_s > LIMIT_S
    assert max(map(abs, camera.errors_s(watched))) < TOLERANCE_S


def test_what_was_held_from_the_first_frame_on_is_never_shown_as_fresh(camera: LoggedCamera) -> None:
    with Proxy(camera.process.port, hold_from_play=True) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/gate"
        with Watched(url, freshness_limit_s=LIMIT_S, timing=PATIENT) as watched:
            until(lambda: len(sent_times_s(camera.log)) > 50)
            proxy.release()
            watched.until_frames(20)
            undated = watched.source.counters.frames_undated
    assert undated > 50
    assert max(map(abs, camera.errors_s(watched))) < TOLERANCE_S


def test_a_stream_that_stays_behind_is_opened_again(camera: LoggedCamera) -> None:
    with Proxy(camera.process.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/gate"
        with Watched(url, freshness_limit_s=LIMIT_S, timing=QUICK) as watched:
            watched.until_frames(20)
            proxy.delay_s = 1.3
            watched.until_reason("failed:late")
            proxy.delay_s = 0.0
            until(lambda: watched.frames[-1].session > 1)
