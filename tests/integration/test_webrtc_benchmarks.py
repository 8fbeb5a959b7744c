"""The benchmark of live video, cut short: real servers, real viewers, and what its targets ask for."""

from pathlib import Path

import pytest
from camera_fixtures import needs_gstreamer, write_clip

from benchmarks import prerequisites, webrtc_receivers
from benchmarks.prerequisites import CannotRunError
from benchmarks.webrtc_leak import AT_ONCE, measure_leak
from models.render.camera_process import CameraProcess


def go_absence() -> str:
    """Why the light viewers cannot be built here; empty where they can."""
    try:
        prerequisites.need_go()
    except CannotRunError as error:
        return str(error)
    return ""


@needs_gstreamer
@pytest.mark.skipif(go_absence() != "", reason=go_absence() or "Go is here")
def test_viewers_who_come_and_go_leave_no_task_socket_or_thread_behind(tmp_path: Path) -> None:
    program = webrtc_receivers.build_receivers()
    clip = write_clip(tmp_path / "gate.mp4", frames=50)
    with CameraProcess({"gate": [clip]}) as camera:
        left = measure_leak(camera.url("gate"), program, seconds=6.0)
    assert left["leak_sessions"] >= AT_ONCE
    assert (left["leaked_tasks"], left["leaked_sockets"], left["leaked_threads"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("need", "package"),
    [
        (prerequisites.need_go, "golang-github-pion-webrtc.v3-dev"),
        (prerequisites.need_janus, "janus"),
        (prerequisites.chromium, "chromium"),
    ],
    ids=["Go and pion", "Janus", "Chromium"],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(
    need: object, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert callable(need)
    with pytest.raises(CannotRunError, match=f"sudo apt-get install .*{package}"):
        need()
