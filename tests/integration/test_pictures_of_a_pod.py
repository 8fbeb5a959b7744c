"""The shipped POD keeps pictures of its cars, and opens and audits all the same where it cannot."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import gate_clips
import pytest
from prometheus_client.parser import text_string_to_metric_families
from running_pod import PLATEBRIDGE, RunningPod, list_plates, until
from small_disk import small_disk_at

from pod.store.media import FOLDER_NAME
from pod.store.media_folder import MediaFolder
from pod.store.media_index import MediaIndex, MediaItem

AT_ONCE = {"access": {"still_after_start_s": 0}}
"""The car of `visits` may come right after the start."""

TOP = [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 0.1]]]


def pictures_of(pod: RunningPod, approach: object) -> tuple[MediaItem, ...]:
    return index_of(pod).find(str(approach))


def index_of(pod: RunningPod) -> MediaIndex:
    return MediaIndex(pod.data_dir / "pod.db", MediaFolder(pod.data_dir / FOLDER_NAME))


def figure(pod: RunningPod, name: str) -> float:
    """The sum of one metric over its labels."""
    families = text_string_to_metric_families(pod.get("metrics").decode())
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def audit(pod: RunningPod, *words: str) -> subprocess.CompletedProcess[str]:
    command = [PLATEBRIDGE, "audit", *words, "--config", pod.config]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def part(pod: RunningPod, name: str) -> dict[str, str]:
    """How one part fares, as the POD's health tells."""
    return {p["part"]: p for p in json.loads(pod.get("healthz"))["parts"]}[name]


def test_a_car_that_is_let_in_has_its_pictures_until_somebody_erases_its_plate(tmp_path: Path) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with RunningPod(tmp_path, str(gate_clips.visits()), loop=True, sections=AT_ONCE, masks=TOP) as pod:
        until(lambda: pod.payloads("outcome"), what="an outcome")
        approach = pod.payloads("intent")[0]["approach"]
        until(lambda: pictures_of(pod, approach), what="its pictures")
        scene, plate = pictures_of(pod, approach)[:2]
        assert (scene.kind, plate.kind, scene.known) == ("scene", "plate", True)
        picture = cv2.imread(str(index_of(pod).path(scene.id)))
        assert picture.shape[1] <= 1280
        assert picture[: picture.shape[0] // 12].max() < 24  # the mask
        assert picture.mean() > 24
        assert cv2.imread(str(index_of(pod).path(plate.id))).shape[1] < picture.shape[1]
        assert figure(pod, "platebridge_media_bytes") >= scene.bytes + plate.bytes
        shown = audit(pod, "show", str(approach))
        assert str(index_of(pod).path(scene.id)) in shown.stdout
        erased = audit(pod, "erase", gate_clips.PLATE, "--yes")
        assert erased.returncode == 0, erased.stderr
        assert pictures_of(pod, approach) == ()
        assert audit(pod, "show", str(approach)).returncode == 1
        assert audit(pod, "verify").returncode == 0
        assert part(pod, "pictures")["status"] == part(pod, "retention")["status"] == "ok"
        assert pod.stop() == 0


@pytest.fixture
def read_only_media(tmp_path: Path) -> Iterator[Path]:
    """The picture folder of a POD in `tmp_path`, on a disk mounted read-only."""
    with small_disk_at(tmp_path / "data" / FOLDER_NAME, "ro,size=1m") as disk:
        yield disk


def test_a_pod_that_can_keep_no_picture_opens_and_audits_and_says_so(
    tmp_path: Path, read_only_media: Path
) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with RunningPod(
        tmp_path, str(gate_clips.visits()), loop=True, sections=AT_ONCE | {"media": {"min_free_mb": 0}}
    ) as pod:
        until(lambda: pod.payloads("outcome"), what="an outcome")
        assert pod.payloads("outcome")[0]["result"] == "pulsed"
        until(lambda: figure(pod, "platebridge_pictures_dropped_total"), what="the picture to be dropped")
        health = part(pod, "pictures")
        assert health["status"] == "degraded"
        assert "its disk is mounted read-only: mount it for writing" in health["sentence"]
        assert pod.stop() == 0
    assert len(pod.pulses()) >= 1


def test_a_pod_that_is_told_to_keep_no_pictures_makes_no_folder_for_them(tmp_path: Path) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with RunningPod(
        tmp_path, str(gate_clips.visits()), loop=True, sections=AT_ONCE | {"media": {"quota_mb": 0}}
    ) as pod:
        until(lambda: pod.payloads("outcome"), what="an outcome")
        assert "pictures" not in pod.get("healthz").decode()
        assert pod.stop() == 0
    assert not (pod.data_dir / FOLDER_NAME).exists()
