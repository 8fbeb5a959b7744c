"""The data set that a detector's run trains on, laid out beside the pictures, which stay untouched."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from models.training.detector_data import prepare_data
from models.training.detector_labels import LabelError, read_labels


@pytest.fixture
def plates_folder(tmp_path: Path) -> Path:
    """Four pictures to train on, one of them without a plate, and two to validate on."""
    folder = tmp_path / "plates"
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels_snapped" / split).mkdir(parents=True)
        for i in range(count):
            picture = rng.integers(0, 255, (240, 320, 3), np.uint8)
            cv2.imwrite(str(folder / "images" / split / f"{split}{i}.jpg"), picture)
            label = "" if i == 3 else "0 0.5 0.5 0.3 0.1\n"
            (folder / "labels_snapped" / split / f"{split}{i}.txt").write_text(label)
    return folder


def listed(data: Path, split: str) -> list[str]:
    """The stems of a split's pictures as ultralytics reads them; each must be there with its labels."""
    described = yaml.safe_load(data.read_text())
    files = [Path(line) for line in (data.parent / described[split]).read_text().splitlines()]
    for file in files:
        assert file.is_file()
        assert (file.parents[2] / "labels" / file.parent.name / f"{file.stem}.txt").is_file()
    return [file.stem for file in files]


def test_without_more_every_picture_comes_once(plates_folder: Path, tmp_path: Path) -> None:
    data = prepare_data(plates_folder, tmp_path / "run")
    assert listed(data, "train") == ["train0", "train1", "train2", "train3"]
    assert listed(data, "val") == ["val0", "val1"]
    assert yaml.safe_load(data.read_text())["names"] == {0: "plate"}


def test_hard_pictures_come_more_often_and_unseen_ones_once(plates_folder: Path, tmp_path: Path) -> None:
    alarm = {"found": [[1, 1, 50, 20, 0.9]], "truth": [], "doubtful": [], "input_scale": 1.0}
    passes = tmp_path / "passes.jsonl"
    passes.write_text(
        "".join(json.dumps({"picture": name, **alarm}) + "\n" for name in ("train3", "gone_since"))
    )
    data = prepare_data(plates_folder, tmp_path / "run", passes=passes)
    assert listed(data, "train") == ["train3"] * 3 + ["train0", "train1", "train2"]


def test_pasted_pictures_are_the_same_ones_each_time_and_hold_more_plates(
    plates_folder: Path, tmp_path: Path
) -> None:
    made = []
    for run in ("first", "second"):
        data = prepare_data(plates_folder, tmp_path / run, pasted=3)
        assert listed(data, "train")[4:] == ["pasted_00000", "pasted_00001", "pasted_00002"]
        folder = data.parent / "labels" / "pasted"
        labels = [read_labels(file) for file in sorted(folder.iterdir())]
        assert any(len(boxes) > 1 for boxes in labels)
        made.append(b"".join(file.read_bytes() for file in sorted((data.parent / "images/pasted").iterdir())))
    assert made[0] == made[1]


def test_validation_pictures_are_never_made_nor_trained_on(plates_folder: Path, tmp_path: Path) -> None:
    data = prepare_data(plates_folder, tmp_path / "run", pasted=3)
    assert listed(data, "val") == ["val0", "val1"]
    assert not [name for name in listed(data, "train") if name.startswith("val")]


def test_nothing_is_written_beside_the_pictures(plates_folder: Path, tmp_path: Path) -> None:
    before = sorted(path for path in plates_folder.rglob("*"))
    prepare_data(plates_folder, tmp_path / "run", pasted=2)
    prepare_data(plates_folder, tmp_path / "run")
    assert sorted(path for path in plates_folder.rglob("*")) == before


def test_a_box_out_of_the_picture_stops_the_run_by_its_file(plates_folder: Path, tmp_path: Path) -> None:
    (plates_folder / "labels_snapped" / "train" / "train1.txt").write_text("0 0.9 0.5 0.3 0.1\n")
    with pytest.raises(LabelError, match=r"train1\.txt: line 1"):
        prepare_data(plates_folder, tmp_path / "run")


def test_a_picture_that_cannot_be_decoded_is_named(plates_folder: Path, tmp_path: Path) -> None:
    for file in (plates_folder / "images" / "train").iterdir():
        file.write_bytes(b"\xff\xd8\xff no picture")
    with pytest.raises(ValueError, match=r"train\d\.jpg: cannot be decoded"):
        prepare_data(plates_folder, tmp_path / "run", pasted=1)
