"""What a folder has to measure on, and every line that is left out of it."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.evaluation.data_set import MOST_FAULTS, MOST_LABELS, CropTruth, DataSetError, find_data_set
from models.evaluation.degrade import DEGRADATIONS, degrade
from models.evaluation.relabelled import relabelled, with_truth


def _picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20), "white").save(path)
    return path


def _yolo(place: Path, labels: dict[str, str]) -> Path:
    for name, text in labels.items():
        _picture(place / "images" / f"{name}.png")
        (place / "labels").mkdir(exist_ok=True)
        (place / "labels" / f"{name}.txt").write_text(text)
    return place


def _crops(place: Path, rows: str) -> Path:
    _picture(place / "a.png")
    _picture(place / "b.png")
    (place / "crops.csv").write_text(f"image_path,plate_text\n{rows}")
    return place


def test_a_yolo_folder_gives_boxes_and_a_picture_without_labels_has_no_plate(tmp_path: Path) -> None:
    place = _yolo(tmp_path, {"gate_001": "0 0.5 0.5 0.5 0.2\n\n", "gate_002": ""})
    _picture(place / "images" / "empty_1.png")
    found = find_data_set(place)
    assert found.faults == ()
    assert [(scene.path.name, scene.source) for scene in found.scenes] == [
        ("empty_1.png", "empty"), ("gate_001.png", "gate"), ("gate_002.png", "gate")
    ]  # fmt: skip
    assert [len(scene.boxes) for scene in found.scenes if scene.boxes is not None] == [0, 1, 0]
    assert found.scenes[1].boxes == pytest.approx(np.array([[0.25, 0.4, 0.75, 0.6]], np.float32))


def test_the_validation_layout_gives_pictures_crops_and_what_is_known_of_them(tmp_path: Path) -> None:
    _picture(tmp_path / "detect" / "images" / "val" / "uk_1.png")
    for folder in ("labels", "labels_snapped"):
        (tmp_path / "detect" / folder / "val").mkdir(parents=True)
    (tmp_path / "detect" / "labels" / "val" / "uk_1.txt").write_text("0 0.5 0.5 0.9 0.9\n")
    (tmp_path / "detect" / "labels_snapped" / "val" / "uk_1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    ocr = tmp_path / "ocr"
    for name in ("images/a.png", "pseudo_images/b.png"):
        _picture(ocr / name)
    (ocr / "val.csv").write_text("image_path,plate_text\nimages/a.png,AB1\npseudo_images/b.png,CD2\n")
    head = "image_path,plate_text,source,verified_by,teacher_region\n"
    (ocr / "labels.csv").write_text(f"{head}images/a.png,AB1,uk,source,United Kingdom\n")
    (ocr / "pseudo_labels.csv").write_text(f"{head}pseudo_images/b.png,CD2,road,teacher,Brazil\n")
    found = find_data_set(tmp_path)
    assert found.layout == "validation"
    assert [(c.text, c.source, c.region, c.label_by) for c in found.crops] == [
        ("AB1", "uk", "United Kingdom", "source"), ("CD2", "road", "Brazil", "teacher")
    ]  # fmt: skip
    assert found.scenes[0].boxes == pytest.approx(np.array([[0.25, 0.25, 0.75, 0.75]]))


def test_whole_pictures_have_the_texts_of_their_plates(tmp_path: Path) -> None:
    for name in ("two.png", "none.png"):
        _picture(tmp_path / name)
    (tmp_path / "plates.csv").write_text("picture_path,plate_text\ntwo.png,AB1\ntwo.png,CD2\nnone.png,\n")
    found = find_data_set(tmp_path)
    assert {scene.path.name: scene.texts for scene in found.scenes} == {
        "two.png": ("AB1", "CD2"), "none.png": ()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        pytest.param("0 0.5 0.5 0.5", "has 4 fields", id="a-field-less"),
        pytest.param("0 0.5 0.5 0.5 0.5 0.9", "has 6 fields", id="a-field-more"),
        pytest.param("0 0.5 half 0.5 0.5", "no number", id="a-word"),
        pytest.param("0 nan 0.5 0.5 0.5", "NaN", id="nan"),
        pytest.param("0 0.5 0.5 inf 0.5", "infinity", id="infinity"),
        pytest.param("0 0.5 0.5 0 0.5", "no area", id="no-width"),
        pytest.param("0 0.5 0.5 0.5 -0.1", "no area", id="negative-height"),
        pytest.param("0 320 200 80 20", "not pixels", id="pixels"),
        pytest.param("0 0.9 0.5 0.4 0.5", "reaches out", id="over-the-edge"),
        pytest.param("plate 0.5 0.5 0.3 0.1", "a class", id="a-class-by-name"),
        pytest.param("-1 0.5 0.5 0.3 0.1", "a class", id="a-class-below-0"),
    ],
)
def test_a_label_that_cannot_be_is_named_by_file_and_line_and_its_picture_left_out(
    tmp_path: Path, line: str, mend: str
) -> None:
    found = find_data_set(_yolo(tmp_path, {"a_1": f"0 0.5 0.5 0.2 0.1\n{line}\n", "b_1": ""}))
    assert [scene.path.name for scene in found.scenes] == ["b_1.png"]
    assert [(fault.file, fault.line) for fault in found.faults] == [(str(tmp_path / "labels" / "a_1.txt"), 2)]
    assert mend in found.faults[0].problem


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0 0.5 0.5 0.2 0.1\n" * (MOST_LABELS + 1), id="one-line-too-many"),
        pytest.param("".join(f"0 0.5 0.5 0.2 0.{i + 1:06}\n" for i in range(200_000)), id="200,000-lines"),
        pytest.param("0" * 10**6, id="one-endless-line"),
    ],
)
def test_a_label_file_of_more_lines_than_a_picture_has_plates_is_left_out_by_its_name(
    tmp_path: Path, text: str
) -> None:
    found = find_data_set(_yolo(tmp_path, {"a_1": text, "b_1": "0 0.5 0.5 0.2 0.1\n"}))
    assert [scene.path.name for scene in found.scenes] == ["b_1.png"]
    file = tmp_path / "labels" / "a_1.txt"
    says = f"{file}: has more than 1,000 lines: keep those of the picture's plates alone"
    assert [str(fault) for fault in found.faults] == [says]


@pytest.mark.timeout(20)
def test_a_label_file_that_is_a_pipe_is_left_out_by_its_name(tmp_path: Path) -> None:
    place = _yolo(tmp_path, {"a_1": "", "b_1": ""})
    (place / "labels" / "a_1.txt").unlink()
    os.mkfifo(place / "labels" / "a_1.txt")
    found = find_data_set(place)
    assert [scene.path.name for scene in found.scenes] == ["b_1.png"]
    assert "a pipe or a device" in found.faults[0].problem


def test_a_row_with_a_path_that_no_file_system_takes_is_left_out_and_the_run_goes_on(tmp_path: Path) -> None:
    found = find_data_set(_crops(tmp_path, f"{'p' * 5000}.png,AB1\n{'q' * 200}/b.png,AB1\nb.png,CD2\n"))
    assert [crop.text for crop in found.crops] == ["CD2"]
    assert [fault.line for fault in found.faults] == [2, 3]
    assert "(File name too long): give it a path it can have" in found.faults[0].problem
    assert len(found.faults[0].problem) < 250
    assert len(found.faults[1].problem) < 250


@pytest.mark.parametrize(
    ("row", "mend"),
    [
        pytest.param("a.png,AB1", "stands in line 2", id="the-same-picture-twice"),
        pytest.param("b.png,AB12345678901", "13 characters", id="longer-than-ten"),
        pytest.param("b.png,AB-1", "'-'", id="a-dash"),
        pytest.param("b.png,ab1", "'a' 'b'", id="lower-case"),
        pytest.param("b.png,京A1", "'京'", id="another-script"),
        pytest.param("b.png,", "no text", id="no-text"),
        pytest.param("b.png", "1 fields", id="a-field-less"),
        pytest.param("b.png,AB1,uk", "3 fields", id="a-field-more"),
        pytest.param("c.png,AB1", "no picture c.png", id="a-missing-picture"),
        pytest.param("../b.png,AB1", "below", id="a-path-that-leads-elsewhere"),
        pytest.param("/b.png,AB1", "below", id="an-absolute-path"),
        pytest.param(",AB1", "below", id="no-path"),
    ],
)
def test_a_row_that_cannot_be_is_named_by_file_and_line(tmp_path: Path, row: str, mend: str) -> None:
    found = find_data_set(_crops(tmp_path, f"a.png,AB1\n{row}\n"))
    assert [crop.key for crop in found.crops] == ["a.png"]
    assert [(fault.file, fault.line) for fault in found.faults] == [(str(tmp_path / "crops.csv"), 3)]
    assert mend in found.faults[0].problem


def test_labels_without_their_picture_and_pictures_of_one_name_are_named(tmp_path: Path) -> None:
    place = _yolo(tmp_path, {"a": ""})
    _picture(place / "images" / "a.bmp")
    (place / "labels" / "lost.txt").write_text("")
    problems = [str(fault) for fault in find_data_set(place).faults]
    assert len(problems) == 2
    assert "same labels as a.bmp" in problems[0]
    assert "lost.txt: its picture is missing" in problems[1]


def test_boxes_of_other_things_are_not_taken_for_plates(tmp_path: Path) -> None:
    place = _yolo(tmp_path, {"a": "0 0.5 0.5 0.2 0.1\n", "b": "2 0.5 0.5 0.9 0.9\n"})
    with pytest.raises(
        DataSetError, match=r"labels of 2 classes \(0 in a.txt:1, 2 in b.txt:1\).*of the plates alone"
    ):
        find_data_set(place)
    (place / "labels" / "b.txt").write_text("0 0.5 0.5 0.9 0.9\n")
    (place / "labels" / "classes.txt").write_text("plate\n")
    found = find_data_set(place)
    assert (len(found.scenes), found.faults) == (2, ())


def test_a_picture_with_one_bad_row_is_left_out_whole(tmp_path: Path) -> None:
    _picture(tmp_path / "two.png")
    (tmp_path / "plates.csv").write_text("picture_path,plate_text\ntwo.png,AB1\ntwo.png,C?\n")
    found = find_data_set(tmp_path)
    assert (found.scenes, found.faults_total) == ((), 1)


@pytest.mark.parametrize(
    ("files", "mend"),
    [
        pytest.param({}, "none of these", id="an-empty-folder"),
        pytest.param({"a.csv": b"", "b.csv": b""}, "2 CSV files", id="two-tables"),
        pytest.param({"a.csv": b""}, "not none", id="an-empty-table"),
        pytest.param({"a.csv": b"picture,text\n"}, "not picture, text", id="other-columns"),
        pytest.param({"a.csv": b"image_path,plate_text\n\xff\xfe,A\n"}, "UTF-8", id="no-text"),
    ],
)
def test_a_folder_that_is_no_data_set_is_told_what_one_is(
    tmp_path: Path, files: dict[str, bytes], mend: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataSetError, match=mend):
        find_data_set(tmp_path)


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="no such folder"):
        find_data_set(tmp_path / "gone")


def test_a_hopeless_table_is_counted_to_its_end_in_bounded_memory(tmp_path: Path) -> None:
    found = find_data_set(_crops(tmp_path, "gone.png,AB1\n" * (MOST_FAULTS + 500)))
    assert (len(found.faults), found.faults_total) == (MOST_FAULTS, MOST_FAULTS + 500)


@given(st.text(st.characters(exclude_characters="\r"), max_size=60))
def test_no_label_line_whatever_is_met_by_anything_but_a_box_or_a_named_line(
    tmp_path_factory: pytest.TempPathFactory, line: str
) -> None:
    place = _yolo(tmp_path_factory.mktemp("set"), {"a": ""})
    (place / "labels" / "a.txt").write_text(line, encoding="utf-8", errors="surrogatepass")
    found = find_data_set(place)
    assert len(found.scenes) + bool(found.faults) >= 1
    for scene in found.scenes:
        assert scene.boxes is not None
        assert ((scene.boxes >= 0) & (scene.boxes <= 1)).all()


def _crop(key: str, text: str, label_by: str) -> CropTruth:
    return CropTruth(Path(key), key, text, label_by, "", "", ("val.csv", 2))  # type: ignore[arg-type]  # as read


def test_what_was_seen_on_a_crop_counts_for_that_very_label_alone() -> None:
    key, seen = next(
        (key, seen) for key, seen in relabelled().items() if seen.text not in ("", seen.label_text)
    )
    told = with_truth(_crop(key, seen.label_text, seen.label_by))
    assert told is not None
    assert (told.text, told.seen) == (seen.text, True)
    assert with_truth(_crop(key, "OTHER1", seen.label_by)) == _crop(key, "OTHER1", seen.label_by)
    assert with_truth(_crop("mine.jpg", "AB1", "given")) == _crop("mine.jpg", "AB1", "given")
    unreadable = next((key, seen) for key, seen in relabelled().items() if not seen.text)
    assert with_truth(_crop(unreadable[0], unreadable[1].label_text, unreadable[1].label_by)) is None


def test_the_relabelled_crops_fit_the_alphabet_and_name_their_kind() -> None:
    for seen in relabelled().values():
        assert len(seen.text) <= 10
        assert set(seen.text) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        assert seen.label_by in ("source", "source+teacher", "teacher")
        assert seen.text or seen.note
    assert sum(seen.label_by == "source" for seen in relabelled().values()) == 15


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in DEGRADATIONS])
def test_a_crop_is_spoilt_visibly_and_the_same_way_by_the_same_seed(kind: str) -> None:
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 255, (40, 120, 3), np.uint8)
    before = crop.copy()
    spoilt = degrade(crop, kind, seed=3)
    assert np.array_equal(crop, before)
    assert spoilt.dtype == np.uint8
    assert spoilt.ndim == 3
    assert np.array_equal(spoilt, degrade(crop, kind, seed=3))
    assert spoilt.shape != crop.shape or not np.array_equal(spoilt, crop)
    other = degrade(crop, kind, seed=4)
    assert other.shape != spoilt.shape or not np.array_equal(other, spoilt)
