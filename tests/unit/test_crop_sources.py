"""What the recogniser learns from each crop, by who knows its text."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.training.alphabet import Shares, decode, is_held_out, one_hot
from models.training.crop_sources import cut_crops, ocr_crops
from models.training.crops import Box, CropSet, Kind, Picture
from models.training.prepare_reader import drawn_crops, prepare
from models.training.reader_slices import exact_percent
from models.training.teacher import Teacher, View

TABLES = ("labels.csv", "pseudo_labels.csv")
HELD_OUT = next(f"AA{n:03}" for n in range(999) if is_held_out(f"AA{n:03}"))
KEPT = [text for n in range(99) if not is_held_out(text := f"BB{n:03}")]


class StubTeacher(Teacher):
    """Says the same of every plate, 0.8 sure."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked = 0

    def ask(self, picture: Picture, box: Box, views: tuple[View, ...]) -> tuple[Shares, str]:
        self.asked += 1
        return 0.8 * one_hot(self.text) + np.float32(0.2 / 37), "Germany"


def an_ocr_set(folder: Path, rows: list[tuple[str, str, str, float]]) -> Path:
    """Rows: table, half, text, how sure the teacher was when the set was made."""
    folder.mkdir(parents=True)
    for table in TABLES:
        with (folder / table).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["image_path", "plate_text", "split", "source", "teacher_min_conf", "teacher_region"]
            )
            for number, (of, half, text, sure) in enumerate(rows):
                if of == table:
                    name = f"{number}.png"
                    cv2.imwrite(str(folder / name), np.full((30, 90, 3), number, np.uint8))
                    writer.writerow([name, text, half, "openalpr_eu", sure, "Germany"])
    return folder


def share_of(text: str, target: Shares) -> float:
    """How much of the target's first slot is the text's first character."""
    return float(target[0, one_hot(text)[0].argmax()])


@pytest.mark.parametrize(
    ("table", "sure", "teacher_says", "least", "most"),
    [
        ("labels.csv", 0.99, "BB001", 0.9, 0.95),
        ("labels.csv", 0.3, "XX999", 1.0, 1.0),
        ("pseudo_labels.csv", 0.99, "BB001", 0.85, 0.89),
        ("pseudo_labels.csv", 0.6, "BB001", 0.8, 0.81),
        ("pseudo_labels.csv", 0.6, "XX999", 0.0, 0.01),
    ],
    ids=["source, agreed", "source, the teacher errs", "teacher", "doubtful", "doubtful, now otherwise"],
)
def test_a_target_is_as_sure_as_who_knows_the_text(
    tmp_path: Path, table: str, sure: float, teacher_says: str, least: float, most: float
) -> None:
    folder = an_ocr_set(tmp_path / "ocr", [(table, "train", "BB001", sure)])
    (crop,) = ocr_crops(folder, "train", StubTeacher(teacher_says))
    assert least <= share_of("BB001", crop.target) <= most
    assert crop.target.sum(-1) == pytest.approx(np.ones(10), abs=1e-4)
    assert crop.labelled == (table == "labels.csv")


def test_doubtful_crops_are_taken_only_with_a_teacher_who_says_how_doubtful(tmp_path: Path) -> None:
    folder = an_ocr_set(tmp_path / "ocr", [("pseudo_labels.csv", "train", "BB001", 0.6)])
    assert list(ocr_crops(folder, "train", None)) == []
    (crop,) = ocr_crops(folder, "train", StubTeacher("BB001"))
    assert crop.trust < 1


def test_validation_crops_are_never_shown_to_the_teacher(tmp_path: Path) -> None:
    folder = an_ocr_set(tmp_path / "ocr", [("labels.csv", "val", "BB001", 0.99)])
    teacher = StubTeacher("XX999")
    (crop,) = ocr_crops(folder, "val", teacher)
    assert teacher.asked == 0
    assert np.array_equal(crop.target, one_hot("BB001"))


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    folder = an_ocr_set(tmp_path / "ocr", [("labels.csv", "train", "BB001", 0.99)])
    (folder / "0.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"0\.png: missing or unreadable"):
        list(ocr_crops(folder, "train", None))


def a_detection_set(folder: Path, names: tuple[str, ...] = ("cars_1",)) -> Path:
    """Pictures of 400 x 300 with one plate of 100 x 30 in the middle."""
    (folder / "images" / "train").mkdir(parents=True)
    (folder / "labels_snapped" / "train").mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(folder / "images" / "train" / f"{name}.png"), np.full((300, 400, 3), 80, np.uint8))
        (folder / "labels_snapped" / "train" / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.1\n")
    return folder


def plates(folder: Path, teacher: Teacher, known: frozenset[str] = frozenset()) -> list[str]:
    return [crop.text for crop in cut_crops(folder, teacher, known) if crop.kind is Kind.CUT]


def test_a_plate_is_cut_with_its_surroundings_and_learnt_with_the_teachers_doubts(tmp_path: Path) -> None:
    crops = cut_crops(a_detection_set(tmp_path), StubTeacher("BB001"), frozenset())
    crop = next(crop for crop in crops if crop.kind is Kind.CUT)
    assert crop.box == pytest.approx((40, 15, 140, 45))
    assert crop.picture.shape == (60, 180, 3)
    assert share_of("BB001", crop.target) == pytest.approx(0.8, abs=0.01)
    assert not crop.labelled


def test_a_plate_that_reads_like_a_validation_plate_is_left_out(tmp_path: Path) -> None:
    folder = a_detection_set(tmp_path)
    assert plates(folder, StubTeacher("BBOO1"), frozenset({"BB001"})) == []


def test_plates_in_letters_that_the_alphabet_lacks_are_left_out(tmp_path: Path) -> None:
    folder = a_detection_set(tmp_path, ("easypr_cn_1", "cars_1"))
    assert plates(folder, StubTeacher("BB001")) == ["BB001"]


def test_background_lies_beside_the_plates_and_says_nothing(tmp_path: Path) -> None:
    folder = a_detection_set(tmp_path, tuple(f"cars_{n}" for n in range(60)))
    marked = np.full((300, 400, 3), 80, np.uint8)
    marked[135:165, 150:250] = 255
    for picture in (folder / "images" / "train").iterdir():
        cv2.imwrite(str(picture), marked)

    class Blind(StubTeacher):
        def ask(self, picture: Picture, box: Box, views: tuple[View, ...]) -> tuple[Shares, str]:
            return np.full((10, 37), 1 / 37, np.float32), "Unknown"

    nothing = [c for c in cut_crops(folder, Blind(""), frozenset()) if c.kind is Kind.NOTHING]
    assert nothing
    assert all(decode(crop.target.argmax(-1)) == "" for crop in nothing)
    assert all(crop.picture.max() == 80 for crop in nothing)


def test_background_in_which_the_teacher_reads_a_plate_is_no_background(tmp_path: Path) -> None:
    folder = a_detection_set(tmp_path, tuple(f"cars_{n}" for n in range(60)))
    assert not [c for c in cut_crops(folder, StubTeacher("CC11"), frozenset()) if c.kind is Kind.NOTHING]


def a_plates_folder(folder: Path) -> Path:
    rows = [("labels.csv", "train", text, 0.99) for text in (*KEPT[:6], HELD_OUT)]
    an_ocr_set(folder / "ocr", [*rows, ("labels.csv", "val", "ZZ999", 0.99)])
    return folder


def test_held_out_texts_are_in_no_set_that_is_learnt_from(tmp_path: Path) -> None:
    made = prepare(a_plates_folder(tmp_path / "plates"), tmp_path / "sets", None, drawn=120)
    assert made == {"train": 6, "held_out": 1, "val": 1, "drawn": 120}
    learnt = [crop.text for name in ("train", "drawn") for crop in CropSet(tmp_path / "sets" / name)]
    assert not any(is_held_out(text) for text in learnt)
    assert [crop.text for crop in CropSet(tmp_path / "sets" / "held_out")] == [HELD_OUT]


def test_sets_are_made_once_for_what_they_depend_on(tmp_path: Path) -> None:
    folder, sets = a_plates_folder(tmp_path / "plates"), tmp_path / "sets"
    prepare(folder, sets, None)
    before = (sets / "train" / "crops.npz").stat().st_mtime_ns
    prepare(folder, sets, None)
    assert (sets / "train" / "crops.npz").stat().st_mtime_ns == before
    assert prepare(folder, sets, None, limit=2)["train"] == 2


def test_sets_that_were_cut_short_are_made_anew(tmp_path: Path) -> None:
    folder, sets = a_plates_folder(tmp_path / "plates"), tmp_path / "sets"
    prepare(folder, sets, None)
    (sets / "prepared.json").unlink()
    assert prepare(folder, sets, None)["train"] == 6
    assert json.loads((sets / "prepared.json").read_text())["crops"]["train"] == 6


def test_drawn_plates_are_certain_and_the_same_every_time() -> None:
    first, again = list(drawn_crops(3)), list(drawn_crops(3))
    assert [crop.text for crop in first] == [crop.text for crop in again]
    for crop, like in zip(first, again, strict=True):
        assert np.array_equal(crop.picture, like.picture)
        assert np.array_equal(crop.target, one_hot(crop.text))
        assert crop.picture.shape[1] <= 160


def test_a_teacher_that_reads_another_alphabet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").touch()
    with pytest.raises(FileNotFoundError, match="other_plate_config"):
        Teacher(tmp_path / "other.onnx")
    config = tmp_path / "other_plate_config.yaml"
    config.write_text("alphabet: 0123456789_\nmax_plate_slots: 10\n")
    with pytest.raises(ValueError, match="use another teacher"):
        Teacher(tmp_path / "other.onnx")


def test_each_kind_of_crop_is_counted_where_it_belongs(tmp_path: Path) -> None:
    rows = [("labels.csv", "val", "AB1", 0.99), ("pseudo_labels.csv", "val", "AB2", 0.99)]
    crops = list(ocr_crops(an_ocr_set(tmp_path / "ocr", rows), "val", None))
    assert exact_percent(crops, ["AB1", "AB7"]) == {
        "all": 50.0,
        "text_from_source": 100.0,
        "europe_one_line": 50.0,
    }
