import csv
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import yaml
from hostile_onnx import reader_that_fails_on_black

from models import registry
from models.render.crops import render_crop
from pod.cli import main
from pod.commands import models_false_opens
from pod.config import VisionConfig
from pod.services.false_opens import shipped
from pod.services.false_opens.measure import Effort
from pod.services.false_opens.rendered import rendered_approaches
from pod.vision.pipeline import open_reader

HELD_OUT, TRAINED, LOOKS = 60, 24, 2
SMALL = Effort(crops=60, approaches=30, approaches_compared=3, draws=3, rendered=0)


@pytest.fixture(scope="module")
def plate_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plate set in small: drawn crops, those of training seen twice."""
    folder = tmp_path_factory.mktemp("plates") / "ocr"
    (folder / "images").mkdir(parents=True)
    rows = []
    for seed in range(HELD_OUT + TRAINED):
        split = "val" if seed < HELD_OUT else "train"
        crop = render_crop(seed, harm=0.4)
        for look in range(1 if split == "val" else LOOKS):
            name = f"images/{split}_{seed}_{look}.png"
            shade = np.clip(crop.picture.astype(np.float32) * (1 - 0.2 * look), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name), cv2.cvtColor(shade, cv2.COLOR_RGB2BGR))
            rows.append((name, crop.text, split, "drawn"))
    _table(folder / "labels.csv", ("image_path", "plate_text", "split", "source"), rows)
    _table(folder / "pseudo_labels.csv", ("image_path", "plate_text", "split", "source"), [])
    held_out = [row[:2] for row in rows if row[2] == "val"]
    _table(folder / "val.csv", ("image_path", "plate_text"), held_out)
    return folder.parent


def _table(path: Path, head, rows) -> None:
    with path.open("w", newline="") as lines:
        csv.writer(lines).writerows([head, *rows])


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command in this process; returns its exit status and what it printed."""

    def run(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["platebridge", "models", "false-opens", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_one_command_measures_tells_draws_and_checks(run, plate_set, tmp_path, monkeypatch):
    monkeypatch.setattr(models_false_opens, "QUICK", SMALL)
    page, card = tmp_path / "page.html", tmp_path / "card.md"
    monkeypatch.setattr(shipped, "K_EFF", 1000.0)
    status, out, err = run(
        *("--data", str(plate_set), "--quick", "--json", "--check", "--listed", "5", "--listed", "1000"),
        *("--report", str(page), "--svg", str(tmp_path / "images"), "--markdown", str(card)),
    )
    assert status == 1, err
    assert "set K_EFF to" in err
    assert "upstream: not found" in err
    told = json.loads(out.strip().splitlines()[-1])
    assert {figure["kind"] for figure in told["real"]} == {"random", "nearest", "all", "alone"}
    assert [figure["listed"] for figure in told["modelled"]["figures"]] == [5, 1000]
    assert 0 <= told["modelled"]["listed_opened_percent"] <= 100
    assert told["goal"]["false_opens_per_million"] == 1
    assert not told["findings"][0]["holds"]
    assert card.read_text().startswith("## False opens")
    assert "### (a) Counted on real reads" in card.read_text()
    ElementTree.fromstring((tmp_path / "images" / "false-opens.svg").read_text())
    assert "<svg" in page.read_text()


def test_a_reader_that_reads_nothing_is_named_and_nothing_is_said_of_strangers(run, plate_set, tmp_path):
    blind = tmp_path / "blind.onnx"
    blind.write_bytes(reader_that_fails_on_black(""))
    contract = yaml.safe_dump(registry.load("bundled", "recognizer").plate_config)
    (tmp_path / "blind_plate_config.yaml").write_text(contract)
    status, out, err = run("--data", str(plate_set), "--quick", "--recognizer", str(blind))
    assert (status, out) == (2, "")
    assert "blind: reads none of 60 validation crops right, so nothing can be said" in err


def test_a_folder_without_plates_is_named_with_the_mend(run, tmp_path):
    status, _, err = run("--data", str(tmp_path), "--quick")
    assert status == 2
    assert "val.csv: is missing: give --data the folder" in err


def test_a_list_of_no_plates_is_refused(run, tmp_path):
    status, _, err = run("--data", str(tmp_path), "--listed", "0")
    assert status == 2
    assert "--listed" in err


def test_a_place_that_cannot_be_written_is_named_before_anything_is_measured(run, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    status, _, err = run("--data", str(tmp_path), "--report", str(blocked / "page.html"))
    assert status == 2
    assert "page.html: cannot be written" in err


def test_a_rendered_car_is_read_from_picture_to_picture_as_it_drives_up():
    (seen,) = rendered_approaches(open_reader(VisionConfig(provider="cpu")), 1, seed=3)
    assert seen is not None
    assert len(seen.frames) >= 4
    assert 4 <= len(seen.key) <= 10
