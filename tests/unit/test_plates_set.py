"""The pictures to train on are looked through before hours are spent on them."""

import csv
from pathlib import Path

import pytest

from models.training.plates_set import DataError, Part, check, take

JPEG = b"\xff\xd8\xff\xe0 and so on"
TABLE_COLUMNS = ("image_path", "plate_text", "split", "source", "teacher_region")


def write_table(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(TABLE_COLUMNS)
        writer.writerows((*row, "train", "somewhere", "Spain") for row in rows)


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    """A set of six pictures with a plate each, and eight crops."""
    root = tmp_path / "plates"
    for half, count in (("train", 4), ("val", 2)):
        for kind in ("images", "labels_snapped", "labels"):
            (root / "detect" / kind / half).mkdir(parents=True)
        for number in range(count):
            (root / "detect" / "images" / half / f"car_{number}.jpg").write_bytes(JPEG)
            for labels in ("labels_snapped", "labels"):
                (root / "detect" / labels / half / f"car_{number}.txt").write_text("0 0.5 0.6 0.2 0.1\n")
    (root / "ocr" / "images").mkdir(parents=True)
    rows = [(f"images/plate_{number}.jpg", f"AB{number}") for number in range(8)]
    for name, _ in rows:
        (root / "ocr" / name).write_bytes(JPEG)
    write_table(root / "ocr" / "train.csv", rows[:6])
    write_table(root / "ocr" / "val.csv", rows[6:])
    write_table(root / "ocr" / "labels.csv", rows[:3])
    write_table(root / "ocr" / "pseudo_labels.csv", rows[3:])
    return root


def test_a_whole_set_is_counted(plates: Path) -> None:
    listing = check(plates)
    assert (listing.pictures, listing.boxes, listing.crops) == (6, 6, 8)


def test_another_folder_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no set of plates: detect/images/train is missing: name the folder"):
        check(tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 0.5 0.5 0.2", "must be a class and four numbers"),
        ("0 0.5 0.5 wide 0.1", "must be a class and four numbers"),
        ("0 0.5 nan 0.2 0.1", "out of the picture"),
        ("3 0.5 0.5 0.2 0.1", "class 3: there is one class"),
        ("0 0.5 0.5 1.2 0.1", "at most 1, as shares"),
        ("0 0.5 0.5 0.2 -0.1", "over 0"),
        ("0 0.95 0.5 0.2 0.1", "out of the picture"),
        ("0 416 240 60 20", "at most 1, as shares"),
    ],
    ids=["short", "no-number", "nan", "class", "wide", "negative", "over-the-edge", "pixels"],
)
def test_a_label_out_of_range_is_named_with_file_and_line(plates: Path, line: str, problem: str) -> None:
    label = plates / "detect" / "labels_snapped" / "train" / "car_1.txt"
    label.write_text(f"0 0.5 0.5 0.2 0.1\n{line}\n")
    with pytest.raises(DataError) as refused:
        check(plates)
    assert f"{label}:2: " in str(refused.value)
    assert problem in str(refused.value)


def test_all_that_is_wrong_is_told_at_once(plates: Path) -> None:
    (plates / "detect" / "images" / "val" / "car_0.jpg").write_bytes(b"")
    (plates / "detect" / "labels_snapped" / "val" / "gone.txt").write_text("")
    (plates / "ocr" / "images" / "plate_1.jpg").unlink()
    write_table(plates / "ocr" / "val.csv", [("images/plate_6.jpg", "no plate!")])
    with pytest.raises(DataError) as refused:
        check(plates)
    told = str(refused.value)
    assert "val/car_0.jpg: no JPEG or PNG picture" in told
    assert "gone.txt: labels a picture that is not there" in told
    assert "train.csv:3: images/plate_1.jpg: missing" in told
    assert "val.csv:2: the text 'no plate!' must be of A-Z and 0-9" in told
    assert told.endswith("correct or remove these files, then start again")


def test_a_hundred_like_problems_are_cut_short(plates: Path) -> None:
    (plates / "detect" / "labels_snapped" / "train" / "car_0.txt").write_text("x\n" * 100)
    with pytest.raises(DataError, match=r"and 80 more"):
        check(plates)


def test_a_changed_label_changes_the_fingerprint_of_its_half_alone(plates: Path) -> None:
    before = check(plates)
    (plates / "detect" / "labels_snapped" / "val" / "car_0.txt").write_text("0 0.5 0.5 0.2 0.1\n")
    after = check(plates)
    assert after.detect_digest != before.detect_digest
    assert after.ocr_digest == before.ocr_digest


def test_a_small_part_is_a_set_itself_and_always_the_same(plates: Path, tmp_path: Path) -> None:
    part = Part(train_pictures=2, val_pictures=1, train_crops=3, val_crops=1)
    take(plates, tmp_path / "a", part)
    take(plates, tmp_path / "b", part)
    listing = check(tmp_path / "a")
    assert (listing.pictures, listing.boxes, listing.crops) == (3, 3, 4)
    assert listing == check(tmp_path / "b")


def test_a_part_is_taken_anew_over_an_older_one(plates: Path, tmp_path: Path) -> None:
    take(plates, tmp_path / "a", Part(train_pictures=4, val_pictures=2, train_crops=6, val_crops=2))
    take(plates, tmp_path / "a", Part(train_pictures=1, val_pictures=1, train_crops=1, val_crops=1))
    assert check(tmp_path / "a").pictures == 2
