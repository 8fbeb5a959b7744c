"""`platebridge models eval`: the real models on small data sets, good and hostile, and beside fast-alpr."""

import csv
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from PIL import Image
from typer.testing import CliRunner

from models import reference, registry
from models.evaluation.figures import SURE
from models.manifest import ModelError
from models.render.crops import render_crop
from pod.commands.models_eval import evaluate
from pod.config import AccessConfig
from pod.domain.errors import MeasurementError
from pod.services.model_trial.sides import FAST_ALPR_CONFIDENCE

_FIRST_SEED = 2_000_000_000
"""No other test and no training draws these."""


def _eval(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pod.cli", "models", "eval", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == status, done.stderr
    return done


def _no_upstream(tmp_path: Path) -> list[str]:
    return ["--store", str(tmp_path / "empty-store")]


def _drawn_crops(place: Path, count: int) -> list[tuple[str, str]]:
    rows = []
    for i in range(count):
        drawn = render_crop(_FIRST_SEED + i, harm=0.2)
        Image.fromarray(drawn.picture).save(place / f"{i}.png")
        rows.append((f"{i}.png", drawn.text))
    return rows


def _table(place: Path, header: str, rows: list[tuple[str, str]]) -> Path:
    with (place / "truth.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return place / "truth.csv"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A YOLO folder that holds the reference picture."""
    place = tmp_path / "gate"
    (place / "images").mkdir(parents=True)
    (place / "labels").mkdir()
    shutil.copy(reference.PICTURE, place / "images" / "gate_1.png")
    return place


def test_crops_and_whole_pictures_are_read_and_counted_by_the_bundled_models(tmp_path: Path) -> None:
    rows = _drawn_crops(tmp_path, 6)
    told = json.loads(
        _eval(_table(tmp_path, "image_path,plate_text", rows), "--json", *_no_upstream(tmp_path)).stdout
    )
    given = told["reading"]["given"]
    assert given["crops"] == 6
    assert given["ours"]["folded_percent"]["value"] >= 30
    assert "upstream" not in told["sides"]
    assert "upstream: not found" in told["upstream_absence"]

    shutil.copy(reference.PICTURE, tmp_path / "gate.png")
    scenes = _table(
        tmp_path, "picture_path,plate_text", [("gate.png", reference.PLATE), ("gate.png", "ZZ99ZZZ")]
    )
    whole = json.loads(_eval(scenes, "--json", *_no_upstream(tmp_path)).stdout)["end_to_end"]
    assert (whole["ours"]["folded_percent"]["value"], whole["ours"]["folded_percent"]["n"]) == (50, 2)
    assert whole["ours"]["cpu_ms_per_picture"] > 0


def test_a_table_for_people_names_what_is_measured_and_what_is_missing(tmp_path: Path) -> None:
    done = _eval(
        _table(tmp_path, "image_path,plate_text", _drawn_crops(tmp_path, 2)),
        "--report", tmp_path / "report.html", *_no_upstream(tmp_path),
    )  # fmt: skip
    assert "plate-reader" in done.stdout
    assert "given: read exactly, O=0 I=1" in done.stdout
    assert "upstream: not found" in done.stderr
    assert "platebridge models pull" in done.stderr
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_a_pods_own_models_and_its_way_of_reading_are_measured(tmp_path: Path) -> None:
    table = _table(tmp_path, "image_path,plate_text", _drawn_crops(tmp_path, 1))
    own = registry.load("bundled", "recognizer")
    shutil.copy(own.file, tmp_path / "of-this-gate.onnx")
    (tmp_path / "of-this-gate_plate_config.yaml").write_text(yaml.safe_dump(own.plate_config))
    config = tmp_path / "config.yaml"
    config.write_text(
        "data_dir: data\ncameras:\n  - {name: front, url: front.mp4, gate: main}\ngates:\n  - {name: main}\n"
        "vision: {recognizer: ./of-this-gate.onnx, detector_confidence: 0.33}\n"
    )
    told = json.loads(_eval(table, "--json", "--config", config).stdout)
    assert told["sides"]["ours"]["name"].endswith(" and of-this-gate")
    assert told["sides"]["ours"]["confidence"] == 0.33
    other = json.loads(_eval(table, "--json", "--config", config, "--recognizer", "bundled").stdout)
    assert other["sides"]["ours"]["name"].endswith(f" and {own.name}")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_report_that_the_disk_does_not_take_costs_no_figures(tmp_path: Path) -> None:
    table = _table(tmp_path, "image_path,plate_text", _drawn_crops(tmp_path, 1))
    done = _eval(table, "--json", "--report", "/dev/full", *_no_upstream(tmp_path), status=2)
    assert json.loads(done.stdout)["reading"]["given"]["crops"] == 1
    assert "No space left" in done.stderr


def test_pictures_of_every_depth_and_turn_are_measured_as_they_stand_upright(
    tmp_path: Path, gate: Path
) -> None:
    box = _found_box()
    original = Image.open(reference.PICTURE).convert("RGB")
    marked = Image.Exif()
    marked[0x0112] = 6  # to be turned by a quarter when shown
    original.rotate(90, expand=True).save(gate / "images" / "turned_1.jpg", exif=marked, quality=95)
    deep = np.asarray(original.convert("L"), np.uint16) * 200
    Image.fromarray(deep).save(gate / "images" / "deep_1.png")
    original.convert("L").save(gate / "images" / "grey_1.png")
    clear = original.convert("RGBA")
    clear.putalpha(255)
    clear.save(gate / "images" / "alpha_1.png")
    names = ("gate_1", "turned_1", "deep_1", "grey_1", "alpha_1")
    for name in names:
        (gate / "labels" / f"{name}.txt").write_text(f"0 {box}\n")
    told = json.loads(_eval(gate, "--json", *_no_upstream(tmp_path)).stdout)
    recall = told["detection"]["ours"]["recall_percent"]
    assert (recall["value"], recall["n"]) == (100, len(names))


def test_broken_pictures_and_lines_are_named_counted_and_left_out(tmp_path: Path) -> None:
    rows = _drawn_crops(tmp_path, 2)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    (tmp_path / "empty.png").write_bytes(b"")
    table = _table(
        tmp_path,
        "image_path,plate_text",
        [*rows, ("cut.jpg", "AB1"), ("empty.png", "AB2"), ("gone.png", "AB3")],
    )
    done = _eval(table, "--json", *_no_upstream(tmp_path), status=1)
    told = json.loads(done.stdout)
    assert told["reading"]["given"]["crops"] == 2
    assert told["data_set"]["excluded_n"] == 3
    for line, name in ((4, "cut.jpg"), (5, "empty.png"), (6, "gone.png")):
        assert any(
            f"truth.csv:{line}: " in problem and name in problem for problem in told["data_set"]["excluded"]
        )
        assert name in done.stderr


def test_names_of_what_is_left_out_cannot_steer_the_terminal(tmp_path: Path) -> None:
    rows = [*_drawn_crops(tmp_path, 1), ("\x1b]0;owned\a\x1b[2J.png", "AB1")]
    done = _eval(_table(tmp_path, "image_path,plate_text", rows), *_no_upstream(tmp_path), status=1)
    assert "left out: " in done.stderr
    assert "\ufffd[2J.png" in done.stderr
    assert not set("\x1b\a") & set(done.stdout + done.stderr)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param("gone.png", id="a-missing-picture"),
        pytest.param("cut.jpg", id="a-broken-picture"),
    ],
)
def test_strict_measures_nothing_where_something_would_be_left_out(tmp_path: Path, spoil: str) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    table = _table(tmp_path, "image_path,plate_text", [*_drawn_crops(tmp_path, 1), (spoil, "AB1")])
    done = _eval(table, "--json", "--strict", *_no_upstream(tmp_path), status=2)
    assert done.stdout == ""
    assert spoil in done.stderr
    assert "--strict" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        pytest.param(["gone"], "no such folder", id="no-such-place"),
        pytest.param(["."], "no data set", id="no-data-set"),
        pytest.param(["truth.csv", "--upstream", "."], "holds no yolo-v9", id="no-upstream-where-asked"),
        pytest.param(["truth.csv", "--report", "gone/report.html"], "no folder", id="a-report-nowhere"),
        pytest.param(["truth.csv", "--report", "."], "is a folder", id="a-report-that-is-a-folder"),
        pytest.param(["truth.csv", "--recognizer", "gone.onnx"], "gone", id="no-such-model"),
        pytest.param(["bad.csv"], "nothing is left", id="every-line-wrong"),
    ],
)
def test_what_cannot_be_measured_at_all_is_told_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], mend: str
) -> None:
    _table(tmp_path, "image_path,plate_text", _drawn_crops(tmp_path, 1))
    (tmp_path / "bad.csv").write_text("image_path,plate_text\ngone.png,AB1\n")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(evaluate)
    done = CliRunner().invoke(app, [*arguments, *_no_upstream(tmp_path)])
    assert isinstance(done.exception, MeasurementError | ModelError), done.output
    assert mend in str(done.exception)


def test_a_part_of_the_validation_set_is_measured_side_by_side(tmp_path: Path, shared: Path) -> None:
    pytest.importorskip("fast_alpr")
    place = tmp_path / "plates"
    pictures = sorted((shared / "plates" / "detect" / "images" / "val").glob("openlpr_*.jpg"))[:6]
    for folder in ("images", "labels_snapped"):
        (place / "detect" / folder / "val").mkdir(parents=True)
    for picture in pictures:
        labels = shared / "plates" / "detect" / "labels_snapped" / "val" / f"{picture.stem}.txt"
        shutil.copy(picture, place / "detect" / "images" / "val")
        shutil.copy(labels, place / "detect" / "labels_snapped" / "val")
    told = json.loads(_eval(place, "--json", "--upstream", shared / "weights").stdout)
    assert told["sides"]["upstream"]["name"].startswith("fast-alpr 0.4")
    for side in ("ours", "upstream"):
        assert told["detection"][side]["recall_percent"]["value"] >= 60
        assert told["end_to_end"][side]["cpu_ms_per_picture"] > 0
    assert told["detection"]["paired_recall"]["n"] == told["detection"]["ours"]["recall_percent"]["n"]
    assert told["end_to_end"]["cpu_ratio_to_upstream"]["value"] < 1


def test_a_picture_that_fast_alpr_fails_on_is_left_out_by_name_and_the_others_are_measured(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast_alpr = pytest.importorskip("fast_alpr")
    real, seen = fast_alpr.ALPR.predict, []

    def failing(self: object, picture: object) -> object:
        seen.append(1)
        if len(seen) == 1:
            raise ZeroDivisionError("its own fault")
        return real(self, picture)

    monkeypatch.setattr(fast_alpr.ALPR, "predict", failing)
    for name in ("one.png", "two.png"):
        shutil.copy(reference.PICTURE, tmp_path / name)
    table = _table(
        tmp_path, "picture_path,plate_text", [("one.png", reference.PLATE), ("two.png", reference.PLATE)]
    )
    app = typer.Typer()
    app.command()(evaluate)
    done = CliRunner().invoke(app, [str(table), "--json", "--upstream", str(shared / "weights")])
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["end_to_end"]["pictures"] == 1
    (problem,) = told["data_set"]["excluded"]
    assert problem == f"{tmp_path / 'one.png'}: fast-alpr failed on it (ZeroDivisionError: its own fault)"


def test_upstream_finds_plates_at_its_own_default_and_sure_means_what_the_gate_calls_so() -> None:
    fast_alpr = pytest.importorskip("fast_alpr")
    default = inspect.signature(fast_alpr.ALPR).parameters["detector_conf_thresh"].default
    assert default == FAST_ALPR_CONFIDENCE
    assert AccessConfig().min_confidence == SURE


def _found_box() -> str:
    """Where the bundled detector sees the reference plate: centre, width and height as fractions."""
    done = subprocess.run(
        [sys.executable, "-m", "pod.cli", "read", "--json", str(reference.PICTURE)],
        capture_output=True,
        text=True,
        check=True,
    )
    x1, y1, x2, y2 = json.loads(done.stdout)["plates"][0]["box"]
    with Image.open(reference.PICTURE) as picture:
        width, height = picture.size
    sides = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return " ".join(f"{side:.6f}" for side in sides)
