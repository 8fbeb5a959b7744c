"""Cameras over real RTSP: playing, logging in, breaking and coming back."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_fixtures import Proxy, Watched, needs_gstreamer, number_of, until, write_clip
from rtsp_stream import WrittenCamera, pictures, sdp

from models.render.camera_process import CameraProcess
from pod.media.nal import nal_units
from pod.media.parameter_sets import has_parameter_sets

pytestmark = needs_gstreamer
PASSWORD = "p@ss:w/r%d ü"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("clips")
    h264 = write_clip(folder / "h264.mp4", 50)
    return {
        "h264": [h264],
        "h265": [write_clip(folder / "h265.mp4", 50, codec="libx265")],
        "sizes": [h264, write_clip(folder / "large.mp4", 50, size=(640, 480))],
    }


@pytest.fixture(scope="module")
def camera(clips: dict[str, list[Path]]) -> Iterator[CameraProcess]:
    with CameraProcess(clips) as running:
        yield running


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_camera_plays_fresh_frames_in_order(camera: CameraProcess, codec: str) -> None:
    with Watched(camera.url(codec)) as watched:
        watched.until_frames(30)
        ages_s = [taken_s - f.captured_s for taken_s, f in zip(watched.taken_s, watched.frames, strict=False)]
        steps = [
            (number_of(b) - number_of(a)) % 50
            for a, b in zip(watched.frames, watched.frames[1:], strict=False)
        ]
    assert watched.reasons == ["playing"]
    assert statistics.median(ages_s) < 0.5  # a busy machine takes one of them late
    assert min(steps) >= 1
    assert [f.index for f in watched.frames] == sorted({f.index for f in watched.frames})


def test_a_session_that_begins_within_a_gop_gives_its_readers_nothing_before_its_keyframe() -> None:
    """Clips and encoders read on over sessions, and would put the rest of the GOP on another's pictures."""
    units = pictures(10, gop=5)
    with WrittenCamera(sdp(units)) as camera:
        watched = Watched(camera.url, transport="native")
        reader = watched.fanout.subscribe(100)
        with watched:
            camera.play(units[:2])
            camera.send(b"\x01" * 600_000)
            watched.until_reason("failed:corrupt")
            until(lambda: watched.source.counters.sessions == 2)
            camera.play(units[2:7])
            until(lambda: watched.source.counters.units == 7)
        read = list(iter(lambda: reader.take(0), None))
    assert [unit.keyframe for unit in read] == [True, False, True, False]
    assert list(nal_units(read[2].data)) == list(nal_units(units[5].data))


def test_units_are_published_undecoded_from_a_keyframe_with_its_parameter_sets(camera: CameraProcess) -> None:
    watched = Watched(camera.url("h264"))
    viewer = watched.fanout.subscribe(100)
    with watched:
        first = viewer.take(10)
        second = viewer.take(10)
    assert first is not None
    assert second is not None
    assert first.keyframe
    assert has_parameter_sets(first.data, "h264")
    assert 0 < second.rtp_time_s - first.rtp_time_s < 0.1


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_camera_that_asks_for_a_login_gets_it(clips: dict[str, list[Path]], method: str) -> None:
    with (
        CameraProcess(clips, auth=method, user="gate user", password=PASSWORD) as camera,
        Watched(camera.url("h264"), username="gate user", password=PASSWORD) as watched,
    ):
        watched.until_frames(1)


def test_a_camera_that_speaks_tls_plays(clips: dict[str, list[Path]], tmp_path: Path) -> None:
    pem = tmp_path / "camera.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=camera -keyout - -out -"
    pem.write_bytes(subprocess.run(command.split(), capture_output=True, check=True).stdout)
    with (
        CameraProcess(clips, auth="basic", user="gate", password="secret", tls=pem) as camera,
        Watched(camera.url("h264"), username="gate", password="secret") as watched,
    ):
        watched.until_frames(1)


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_wrong_password_is_named_and_not_tried_again_soon(
    clips: dict[str, list[Path]], method: str
) -> None:
    with (
        CameraProcess(clips, auth=method, user="gate", password=PASSWORD) as camera,
        Watched(camera.url("h264"), username="gate", password="wrong-secret") as watched,
    ):
        state = watched.until_reason("failed:wrong_password")
        assert "correct username and password" in state.text
        with pytest.raises(AssertionError):
            until(lambda: watched.source.counters.attempts_failed > 1, timeout_s=1.0)


def test_a_path_the_camera_does_not_know_is_named(camera: CameraProcess) -> None:
    with Watched(camera.url("nothing-here")) as watched:
        assert "correct the path" in watched.until_reason("failed:not_found").text


def test_a_camera_that_dies_and_returns_plays_again_in_a_new_session(clips: dict[str, list[Path]]) -> None:
    camera = CameraProcess(clips)
    camera.start()
    with Watched(camera.url("h264")) as watched:
        watched.until_frames(5)
        camera.stop()
        watched.until_reason("failed:closed")
        watched.until_reason("failed:unreachable")
        with CameraProcess(clips, port=camera.port):
            until(lambda: watched.frames[-1].session > 1)
            assert watched.source.state.kind == "playing"
        first = next(f for f in watched.frames if f.session > 1)
        assert first.index == 0


def test_a_camera_that_falls_silent_is_stale_then_failed_then_plays_again(camera: CameraProcess) -> None:
    with Proxy(camera.port) as proxy:
        url = camera.url("h264").replace(str(camera.port), str(proxy.port))
        with Watched(url, freshness_limit_s=0.5) as watched:
            watched.until_frames(5)
            proxy.hold()
            watched.until_reason("failed:silent")
            proxy.release()
            until(lambda: watched.frames[-1].session > 1)
        told = [watched.reasons.index(r) for r in ("playing", "stale:silent", "failed:silent")]
        assert told == sorted(told)


def test_a_change_of_resolution_in_flight_goes_on_in_the_same_session(camera: CameraProcess) -> None:
    with Watched(camera.url("sizes")) as watched:
        until(lambda: {f.width for f in watched.frames} == {320, 640})
    assert {f.session for f in watched.frames} == {1}
    assert watched.source.counters.units_corrupt == 0


def test_a_spoiled_stream_is_survived_and_counted(camera: CameraProcess) -> None:
    with Proxy(camera.port) as proxy:
        url = camera.url("h264").replace(str(camera.port), str(proxy.port))
        with Watched(url) as watched:
            watched.until_frames(5)
            proxy.spoil(True)
            until(lambda: watched.source.counters.units_corrupt > 0 or watched.source.counters.sessions > 1)
            proxy.spoil(False)
            seen = len(watched.frames)
            watched.until_frames(seen + 25)
            assert watched.source.alive


def test_a_source_stops_at_once_while_it_plays(camera: CameraProcess) -> None:
    with Watched(camera.url("h264")) as watched:
        watched.until_frames(1)
        asked_s = time.monotonic()
        assert watched.source.stop(30.0)
        assert time.monotonic() - asked_s < 10.0
        shown = watched.source.counters.frames
    assert watched.source.counters.frames == shown


def test_no_secret_is_written_anywhere(clips: dict[str, list[Path]]) -> None:
    """Everything that logs may log: Python's own loggers at debug level and whatever libav prints."""
    secret = "hidden-9431"
    script = """
import logging, sys
from camera_fixtures import Watched
logging.basicConfig(level=logging.DEBUG)
with Watched(sys.argv[1]) as watched:
    print(watched.until_reason(sys.argv[2]), repr(watched.source.state))
"""
    with CameraProcess(clips, auth="digest", user="gate", password=PASSWORD) as camera:
        address = f"gate:{secret}@127.0.0.1:{camera.port}/h264"
        cases = {f"rtsp://{address}": "wrong_password", f"rtsps://{address}": "refused"}
        for url, reason in cases.items():
            done = subprocess.run(
                [sys.executable, "-c", script, url, f"failed:{reason}"],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"},
            )
            assert reason in done.stdout, done.stderr
            assert secret not in done.stdout + done.stderr
