"""`scripts/train.sh` goes from pictures to weights and cards, and goes on wherever it was killed."""

import fcntl
import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from plates_on_disk import write_plates

from pod.config import VisionConfig
from pod.vision.pipeline import load_models

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "train.sh"
PATIENCE_S = 900
STAGES = ("data", "detector", "reader", "export", "calibration", "evaluation", "false-opens", "cards")

pytestmark = [
    pytest.mark.timeout(PATIENCE_S),
    pytest.mark.skipif(
        not list((ROOT / ".train" / "venv").glob("installed-train-*")),
        reason="needs the training environment: ./scripts/test.sh makes it",
    ),
]


@dataclass(frozen=True, slots=True)
class Trained:
    """One step of every stage, killed once on its way.

    Attributes:
        killed, resumed: what the two runs said.
    """

    work: Path
    plates: Path
    killed: str
    resumed: str

    @property
    def release(self) -> Path:
        return self.work / "release"


def train(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, cwd="/", check=False)


def run_until(said: str, *arguments: str | Path, log: Path) -> str:
    """Start the script and kill it for good as soon as it says something. Returns all it said."""
    with log.open("w") as file:
        process = subprocess.Popen([SCRIPT, *arguments], stderr=file, cwd="/")
        ends_s = time.monotonic() + PATIENCE_S / 3
        while said not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends_s, log.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return log.read_text()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("train")
    plates, work = write_plates(folder / "plates"), folder / "work"
    options = ("--one-step", "--plates", plates, "--work", work)
    killed = run_until("[3/8] reader: training", *options, log=folder / "killed.log")
    resumed = train(*options)
    assert resumed.returncode == 0, resumed.stderr
    return Trained(work, plates, killed, resumed.stderr)


def test_a_run_that_was_killed_goes_on_with_the_stage_it_was_in(trained: Trained) -> None:
    assert "[2/8] detector: done in" in trained.killed
    assert "[3/8] reader: done" not in trained.killed
    assert "[2/8] detector: done before" in trained.resumed
    assert "[3/8] reader: done in" in trained.resumed
    assert "[8/8] cards: done in" in trained.resumed


def test_each_run_says_what_it_trains_on_and_how_long_that_takes(trained: Trained) -> None:
    assert "recipe one-step: about half a minute" in trained.killed
    assert "no GPU was found" in trained.killed or "the GPU " in trained.killed
    assert "detector: epoch 1 of 1, about 0:00:00 left" in trained.killed


def test_the_weights_load_as_a_pod_loads_them_and_are_those_of_their_manifests(trained: Trained) -> None:
    names = {"detector": "plate-detector-pico-one-step", "recognizer": "plate-reader-slots-one-step"}
    paths = {task: str(trained.work / "models" / f"{name}.onnx") for task, name in names.items()}
    models = load_models(VisionConfig(provider="cpu", **paths))
    assert (models.detector.height_px, models.detector.width_px) == (64, 64)
    for name in names.values():
        manifest = yaml.safe_load((trained.release / "models" / "manifests" / f"{name}.yaml").read_text())
        weights = (trained.release / "models" / f"{name}.onnx").read_bytes()
        assert hashlib.sha256(weights).hexdigest() == manifest["sha256"]


def test_a_release_holds_cards_pictures_and_the_figures_they_are_made_from(trained: Trained) -> None:
    readme = (trained.release / "models" / "README.md").read_text()
    assert "### plate-reader-slots-one-step" in readme
    assert "## Train them yourself" in readme
    for picture in ("training-detector.svg", "training-reader.svg", "recall-by-width.svg", "reliability.svg"):
        assert (trained.release / "docs" / "images" / "models" / picture).read_text().startswith("<svg ")
    results = trained.release / "models" / "evaluation" / "results"
    assert json.loads((results / "weights.json").read_text())["reader"]["temperature"] > 0
    assert str(ROOT.parent) not in (results / "evaluation.json").read_text().replace(
        str(trained.work.parent), ""
    )


def test_a_drill_changes_nothing_in_the_checkout(trained: Trained) -> None:
    assert "one-step" not in (ROOT / "models" / "README.md").read_text().split("## Train them yourself")[0]
    assert not list((ROOT / "models").glob("*one-step*"))
    assert train("--one-step", "--adopt").returncode == 2


def test_nothing_is_written_to_the_home_directory(trained: Trained) -> None:
    assert (trained.work / "settings" / "Ultralytics").is_dir()


def test_what_is_done_is_not_done_again_and_a_changed_recipe_runs_what_depends_on_it(
    trained: Trained,
) -> None:
    again = train("--one-step", "--plates", trained.plates, "--work", trained.work)
    assert [line for line in again.stderr.splitlines() if line.startswith("[")] == [
        f"[{number}/8] {name}: done before" for number, name in enumerate(STAGES, start=1)
    ]


def test_another_folder_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    refused = train("--one-step", "--plates", tmp_path, "--work", tmp_path / "work")
    assert refused.returncode == 1
    assert f"error: {tmp_path}: no set of plates: detect/images/train is missing" in refused.stderr


def test_a_label_out_of_range_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    plates = write_plates(tmp_path / "plates")
    label = plates / "detect" / "labels_snapped" / "train" / "street_00001.txt"
    label.write_text("0 1.5 0.5 0.1 0.1\n")
    refused = train("--one-step", "--plates", plates, "--work", tmp_path / "work")
    assert refused.returncode == 1
    assert f"{label}:1: the box reaches out of the picture" in refused.stderr
    assert "detector" not in refused.stderr


def test_a_second_training_in_one_folder_is_refused(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        refused = train("--one-step", "--plates", tmp_path, "--work", work)
    assert refused.returncode == 1
    assert "another training runs there (process 4711): wait for it, or stop it with kill" in refused.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs a file system to be mountable")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_without_room_is_named_before_anything_begins(small_disk: Path, tmp_path: Path) -> None:
    refused = train("--one-step", "--plates", tmp_path, "--work", small_disk)
    assert refused.returncode == 1
    assert f"error: {small_disk}: 0.0 GiB free, and the checkpoints need 0.3: remove what" in refused.stderr
