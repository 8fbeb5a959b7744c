"""What a whole POD makes of bad input: a health state that names the mend, or a start that says why not."""

import asyncio
import json
import subprocess
import urllib.error
from pathlib import Path

import gate_clips
import pytest
from camera_fixtures import needs_gstreamer
from promises import Prove
from running_pod import PLATEBRIDGE, RunningPod, until

from models import registry
from models.render.camera_process import CameraProcess
from pod.app import Pod
from pod.config_load import load_config
from pod.media.watch import SessionWatch

PASSWORD = "never-to-be-shown"
RECOGNISER = next((Path(__file__).parents[2] / "models").glob("plate-reader-*.onnx"))


def camera_health(pod: RunningPod) -> tuple[int, dict[str, str]]:
    """Status code of /healthz and the camera's part of it."""
    try:
        code, body = 200, pod.get("healthz")
    except urllib.error.HTTPError as error:
        code, body = error.code, error.read()
    parts = json.loads(body)["parts"]
    return code, next(part for part in parts if part["part"] == "camera entry")


def settle(pod: RunningPod) -> tuple[int, dict[str, str]]:
    until(lambda: pod.address, what="the pod's start")
    until(lambda: camera_health(pod)[1]["status"] == "failing", what="the camera's fault in health")
    return camera_health(pod)


def test_an_unreachable_camera_shows_in_health_while_the_pod_runs_on(tmp_path: Path) -> None:
    with RunningPod(tmp_path, "rtsp://127.0.0.1:9/gate") as pod:
        code, health = settle(pod)
        assert pod.stop() == 0
    assert code == 503
    assert "check" in health["sentence"]


@needs_gstreamer
def test_a_wrong_camera_password_shows_in_health_and_nowhere_as_text(tmp_path: Path) -> None:
    clip = gate_clips.standing()
    with (
        CameraProcess({"gate": [clip]}, auth="digest", user="admin", password="right") as camera,
        RunningPod(tmp_path, camera.url("gate"), username="admin", password=PASSWORD) as pod,
    ):
        code, health = settle(pod)
        page = pod.get("").decode()
    assert code == 503
    assert "username" in health["sentence"]
    assert PASSWORD not in page + pod.log.read_text() + json.dumps(health)
    assert all(PASSWORD not in str(row.payload) for row in pod.rows())


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        pytest.param(None, "correct the camera's url", id="missing"),
        pytest.param(b"", "is empty: record or copy it again", id="zero-bytes"),
        pytest.param(b"no video at all" * 100, "record or copy it again", id="no-video"),
    ],
)
def test_a_video_that_cannot_be_played_shows_in_health(
    tmp_path: Path, content: bytes | None, mend: str
) -> None:
    clip = tmp_path / "clip.mp4"
    if content is not None:
        clip.write_bytes(content)
    with RunningPod(tmp_path, str(clip)) as pod:
        _, health = settle(pod)
    assert mend in health["sentence"]


@pytest.mark.proof(7)
@pytest.mark.parametrize(
    ("weights", "mend"),
    [
        pytest.param(None, "missing", id="missing"),
        pytest.param(b"\x08\x07 cut short", "onnxruntime cannot load it", id="truncated"),
        pytest.param(RECOGNISER.read_bytes(), "expected shape", id="of another shape"),
    ],
)
def test_a_pod_without_a_usable_model_does_not_start_and_says_why(
    tmp_path: Path, weights: bytes | None, mend: str, prove: Prove
) -> None:
    model = tmp_path / "detector.onnx"
    if weights is not None:
        model.write_bytes(weights)
    pod = RunningPod(tmp_path, str(gate_clips.standing()))
    settings = json.loads(pod.config.read_text()) | {"vision": {"detector": str(model)}}
    pod.config.write_text(json.dumps(settings))
    ended = subprocess.run(
        [PLATEBRIDGE, "pod", "run", "--config", str(pod.config)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert str(model) in ended.stderr
    assert mend in ended.stderr
    assert "Traceback" not in ended.stderr
    assert pod.edges() == (), "no line was taken"
    prove(attempts=1, faults=1, losses=len(pod.pulses()))


def test_a_model_damaged_under_a_running_pod_is_told_at_the_next_start_and_by_verify(tmp_path: Path) -> None:
    store, own = tmp_path / "models", ["--name", "mine", "--store", str(tmp_path / "models")]
    bundled = registry.load("bundled", "detector").file
    subprocess.run([PLATEBRIDGE, "models", "import", bundled, *own], check=True, capture_output=True)
    vision = {"detector": "mine", "model_store": str(store)}
    pod = RunningPod(tmp_path, str(gate_clips.standing()), sections={"vision": vision}, loop=True)
    (kept,) = store.glob("*.onnx")
    with pod:
        until(lambda: pod.address, what="the start")
        kept.write_bytes(kept.read_bytes()[:-1] + b"!")
        assert pod.get("")
        assert pod.stop() == 0
    ended = subprocess.run(
        [PLATEBRIDGE, "pod", "run", "--config", str(pod.config)], capture_output=True, text=True, timeout=60
    )
    says = f"{kept}: damaged or replaced"
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "import it again with `platebridge models import`" in ended.stderr
    checked = subprocess.run(
        [PLATEBRIDGE, "models", "verify", "--config", str(pod.config)], capture_output=True, text=True
    )
    assert checked.returncode == 1
    assert says in checked.stdout


async def test_a_bug_on_a_cameras_thread_ends_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: SessionWatch, *_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SessionWatch, "judge", broken)
    settings = RunningPod(tmp_path, str(gate_clips.standing()), loop=True)
    async with Pod(load_config(settings.config)) as pod:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(pod.finished(), 20)
