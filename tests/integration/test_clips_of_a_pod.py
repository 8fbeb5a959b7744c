"""The shipped POD records clips of its cars, and opens and audits all the same where it cannot."""

import json
import os
import signal
import sqlite3
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path

import av
import gate_clips
import pytest
from camera_fixtures import needs_gstreamer
from clip_files import slices, slices_of_clip, times_shown, units_of
from running_pod import PLATEBRIDGE, RunningPod, list_plates, until
from small_disk import small_disk_at

from models.render.camera_process import CameraProcess
from pod.store.audit import verify
from pod.store.connection import connect_reader
from pod.store.media import FOLDER_NAME
from pod.store.media_folder import MediaFolder
from pod.store.media_index import ClipItem, MediaIndex

AT_ONCE = {"access": {"still_after_start_s": 0}}
"""The car of `visits` may come right after the start."""

TOP = [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 0.1]]]


def index_of(pod: RunningPod) -> MediaIndex:
    return MediaIndex(pod.data_dir / "pod.db", MediaFolder(pod.data_dir / FOLDER_NAME))


def clips_of(pod: RunningPod, approach: object) -> tuple[ClipItem, ...]:
    return index_of(pod).clips(str(approach))


def files(pod: RunningPod) -> list[Path]:
    return sorted((pod.data_dir / FOLDER_NAME).rglob("*.mp4"))


def finished(pod: RunningPod, approach: object) -> ClipItem:
    """The clip of an approach, once it is recorded."""
    until(lambda: any(c.duration_s for c in clips_of(pod, approach)), what="the clip's end")
    return clips_of(pod, approach)[0]


def ask(pod: RunningPod, path: str, form: dict[str, str] | None = None, **headers: str) -> HTTPResponse:
    """Ask the page without any cookie; returns refusals, too."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(f"{pod.address}{path}", data, headers)
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=5)
    except urllib.error.HTTPError as refusal:
        return refusal  # type: ignore[return-value]  # it answers like one
    return answer


def test_a_car_has_a_clip_from_before_it_came_until_its_plate_is_erased(tmp_path: Path) -> None:
    camera = gate_clips.passing()
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    wanted = {"media": {"clip_before_s": 2.0, "clip_after_s": 2.0}}
    with RunningPod(tmp_path, str(camera), sections=wanted) as pod:
        until(lambda: pod.payloads("intent"), what="an intent")
        (intent,) = [row for row in pod.rows() if row.kind == "intent"]
        assert intent.payload is not None
        approach = intent.payload["approach"]
        clip = finished(pod, approach)
        place = index_of(pod).place(clip.id)
        assert place is not None

        # The camera's own slices, byte for byte; which of its pictures they are tells when they were taken.
        sent, held = slices(units_of(camera)), slices_of_clip(place.path)
        first = next(k for k in range(len(sent)) if sent[k : k + len(held)] == held)
        first_s, last_s = first / gate_clips.FPS, (first + len(held)) / gate_clips.FPS
        assert first_s <= gate_clips.PASSING_FROM_S - 1.0  # an empty gate yet
        assert last_s >= gate_clips.PASSING_FROM_S + 2.0
        assert clip.plate_at_s >= 2.0
        assert gate_clips.PASSING_FROM_S <= first_s + clip.plate_at_s <= gate_clips.PASSING_TO_S
        # The decision lies in the clip, by the wall clock as well.
        assert abs((clip.at - intent.at).total_seconds()) < 2.0
        shown = times_shown(place.path)
        assert (len(shown), clip.duration_s) == (
            len(held),
            pytest.approx(len(held) / gate_clips.FPS, abs=0.1),
        )

        assert pod.get(f"media/{clip.id}") == place.path.read_bytes()
        assert ask(pod, f"media/{clip.id}").status == 401
        assert (
            str(place.path)
            in subprocess.run(
                [PLATEBRIDGE, "audit", "show", str(approach), "--config", pod.config],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            ).stdout
        )
        subprocess.run(
            [PLATEBRIDGE, "audit", "erase", gate_clips.PLATE, "--yes", "--config", pod.config],
            timeout=60,
            check=True,
        )
        assert (files(pod), clips_of(pod, approach)) == ([], ())
        parts = {part["part"]: part["status"] for part in json.loads(pod.get("healthz"))["parts"]}
        assert parts["clips"] == "ok"
        assert pod.stop() == 0


@needs_gstreamer
def test_a_car_at_a_network_camera_has_a_clip_with_what_came_before_it(tmp_path: Path) -> None:
    wanted = {"media": {"clip_before_s": 2.0, "clip_after_s": 2.0}}
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with (
        CameraProcess({"gate": [gate_clips.passing()]}) as camera,
        RunningPod(tmp_path, camera.url("gate"), sections=wanted) as pod,
    ):
        until(lambda: pod.payloads("intent"), 45, what="an intent")
        (intent,) = [row for row in pod.rows() if row.kind == "intent"]
        assert intent.payload is not None
        clip = finished(pod, intent.payload["approach"])
        place = index_of(pod).place(clip.id)
        assert place is not None
        # What the camera sent, slice by slice; it plays its file over and over.
        sent, held = slices(units_of(gate_clips.passing())), slices_of_clip(place.path)
        first = next(k for k in range(len(sent)) if (sent + sent)[k : k + len(held)] == held)
        before_s = gate_clips.PASSING_FROM_S - first / gate_clips.FPS
        assert before_s >= 1.0, "an empty gate comes first"
        assert before_s <= clip.plate_at_s <= before_s + gate_clips.PASSING_TO_S - gate_clips.PASSING_FROM_S
        assert abs((clip.at - intent.at).total_seconds()) < 2.0
        with av.open(str(place.path)) as container:
            decoded = list(container.decode(video=0))
        assert len(decoded) == len(held)
        assert not any(picture.is_corrupt for picture in decoded)
        assert pod.get(f"media/{clip.id}") == place.path.read_bytes()
        assert pod.stop() == 0


def test_a_pod_killed_while_it_records_leaves_a_clip_that_plays_to_its_last_fragment(tmp_path: Path) -> None:
    camera = gate_clips.visits()
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    wanted = AT_ONCE | {"media": {"clip_before_s": 1.0, "clip_after_s": 20.0}}
    pod = RunningPod(tmp_path, str(camera), loop=True, sections=wanted)
    with pod:
        until(lambda: pod.payloads("intent"), what="an intent")
        approach = pod.payloads("intent")[0]["approach"]
        until(lambda: files(pod) and files(pod)[0].read_bytes().count(b"moof") >= 4, what="fragments")
        assert pod.process is not None
        os.kill(pod.process.pid, signal.SIGKILL)
        pod.process.wait()
    (left,) = files(pod)
    fragments = left.read_bytes().count(b"moof")
    assert (
        len(times_shown(left)) >= (fragments - 1) * gate_clips.FPS / 2
    )  # as it is, before anything mends it
    with pod:
        until(lambda: pod.address, what="the page")
        clip = finished(pod, approach)
        assert clip.bytes == left.stat().st_size
        assert clip.duration_s is not None
        held = slices_of_clip(left)
        assert len(held) == round(clip.duration_s * gate_clips.FPS) >= (fragments - 1) * gate_clips.FPS / 2
        sent = slices(units_of(camera))
        assert set(held) <= set(sent)
        assert pod.get(f"media/{clip.id}") == left.read_bytes()
        assert pod.stop() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB in memory."""
    with small_disk_at(tmp_path / "disk", "size=64m") as disk:
        yield disk


def fill(folder: Path) -> None:
    """Take every byte that is free."""
    with (folder / "filler").open("ab", buffering=0) as filler:
        try:
            while filler.write(b"\xff" * 4096):
                pass
        except OSError:
            return


def test_on_a_full_disk_clips_go_first_and_the_gate_opens_and_audits(small_disk: Path) -> None:
    list_plates(small_disk / "data", [gate_clips.PLATE])
    wanted = AT_ONCE | {"media": {"min_free_mb": 0, "clip_before_s": 1.0, "clip_after_s": 2.0}}
    with RunningPod(small_disk, str(gate_clips.visits()), loop=True, sections=wanted) as pod:
        until(lambda: pod.payloads("outcome"), what="an outcome")
        first = pod.payloads("intent")[0]["approach"]
        finished(pod, first)
        before = len(pod.pulses())
        fill(small_disk)
        until(lambda: len(pod.pulses()) > before, what="a pulse on the full disk")
        until(lambda: len(pod.payloads("outcome")) > before, what="its outcome")
        assert pod.payloads("outcome")[-1]["result"] == "pulsed"
        until(lambda: not clips_of(pod, first), what="the old clip to make room")
        assert {edge.pulse for edge in pod.pulses()} <= {row.get("pulse") for row in pod.payloads("intent")}
        assert pod.stop() == 0
    with closing(connect_reader(pod.data_dir / "pod.db")) as conn:
        assert verify(conn).ok


def test_a_quota_smaller_than_a_clip_keeps_what_fits_and_the_gate_opens(tmp_path: Path) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    wanted = AT_ONCE | {"media": {"quota_mb": 1, "clip_before_s": 1.0, "clip_after_s": 5.0}}
    with RunningPod(tmp_path, str(gate_clips.visits()), loop=True, sections=wanted) as pod:
        until(lambda: pod.payloads("outcome"), what="an outcome")
        clip = finished(pod, pod.payloads("intent")[0]["approach"])
        assert pod.payloads("outcome")[0]["result"] == "pulsed"
        assert clip.bytes < 1024 * 1024
        held = [path.stat().st_size for path in (pod.data_dir / FOLDER_NAME).rglob("*.*")]
        assert sum(held) <= 1024 * 1024
        parts = {part["part"]: part for part in json.loads(pod.get("healthz"))["parts"]}
        assert parts["clips"]["status"] == "degraded"
        assert "media.quota_mb: raise it" in parts["clips"]["sentence"]
        assert pod.stop() == 0


@pytest.mark.parametrize(
    ("camera", "media"),
    [
        pytest.param({"masks": TOP}, {}, id="a camera with masks"),
        pytest.param({}, {"clip_after_s": 0}, id="clips switched off"),
    ],
)
def test_pictures_alone_are_kept_of(
    tmp_path: Path, camera: dict[str, object], media: dict[str, object]
) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    sections = AT_ONCE | {"media": media}
    with RunningPod(tmp_path, str(gate_clips.visits()), loop=True, sections=sections, **camera) as pod:
        until(lambda: pod.payloads("outcome"), what="an outcome")
        approach = str(pod.payloads("intent")[0]["approach"])
        until(lambda: index_of(pod).find(approach), what="its pictures")
        assert pod.stop() == 0
    assert files(pod) == []
    with closing(sqlite3.connect(pod.data_dir / "pod.db")) as conn:
        assert conn.execute("SELECT count(*) FROM media WHERE kind = 'clip'").fetchone() == (0,)
