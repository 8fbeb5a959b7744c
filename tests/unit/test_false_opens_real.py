from pathlib import Path

import cv2
import numpy as np
import pytest
from made_up_reads import a_crop, slots_of

from models.evaluation.rare_events import upper_bound
from pod.domain.errors import MeasurementError
from pod.domain.policy import Policy
from pod.services.false_opens.corrections import corrected, corrections
from pod.services.false_opens.crops import LabelledCrop, Reads, load_crops, read_crops
from pod.services.false_opens.real import real_figures


def strangers(*read_as: tuple[str, str]) -> Reads:
    """Crops by their truth and what was read."""
    return Reads(
        tuple(a_crop(truth, i) for i, (truth, _) in enumerate(read_as)),
        np.stack([slots_of(read) for _, read in read_as]),
    )


def counted(reads: Reads, pool: list[str], *, sizes=(2,), draws=20):
    figures = real_figures(reads, pool, sizes=sizes, draws=draws, policy=Policy(), seed=1)
    return {(figure.kind, figure.listed): figure for figure in figures}


POOL = ["AB12CD", "XY34ZW", "KL56MN", "GH78JK"]


def test_lists_without_the_plate_that_was_read_let_nobody_in_and_say_what_that_is_worth():
    figures = counted(strangers(("AB123X", "AB123X"), ("KK444K", "KK474K")), POOL)
    assert {figure.let_in for figure in figures.values()} == {0}
    assert {figure.interval_95_percent for figure in figures.values()} == {None}
    assert figures["all", 4].bound_95_percent == pytest.approx(100 * upper_bound(0, 2))


def test_a_plate_misread_as_a_listed_one_is_let_in_by_every_list_that_holds_that_one():
    figures = counted(strangers(("AB12CE", "AB12CD"), ("XY34ZZ", "XY34ZZ")), POOL, draws=400)
    assert (figures["all", 4].let_in, figures["alone", 1].let_in, figures["nearest", 2].let_in) == (1, 1, 1)
    assert figures["random", 2].percent == pytest.approx(25, abs=5)
    assert figures["all", 4].plates_let_in == 1


def test_a_car_is_no_stranger_to_its_own_plate_on_the_list():
    figures = counted(strangers(("AB12CD", "AB12CD"), ("XY34ZW", "XY34ZW")), POOL)
    assert {figure.let_in for figure in figures.values()} == {0}


def test_nor_where_its_reading_leaves_some_doubt_of_another_listed_plate():
    doubtful = slots_of("AB1280D")
    doubtful[4] = 0.9 * doubtful[4] + 0.1 * slots_of("AB12B0D")[4]
    reads = Reads((a_crop("AB1280D"),), doubtful[None])
    figures = counted(reads, ["AB1280D", "AB12B0D", "XY34ZW"])
    assert {figure.let_in for figure in figures.values()} == {0}


def test_crops_of_one_plate_count_as_one_for_the_bound():
    figures = counted(strangers(*[("KK444K", "KK444K")] * 30, ("RR555R", "RR555R")), POOL)
    assert figures["all", 4].attempts == 31
    assert figures["all", 4].bound_95_percent == pytest.approx(100 * upper_bound(0, 2))


def test_a_list_longer_than_the_set_is_answered_by_all_of_it():
    figures = counted(strangers(("AB123X", "AB123X")), POOL, sizes=(10_000,))
    assert set(figures) == {("all", 4), ("alone", 1)}


@pytest.mark.parametrize(
    ("pool", "sizes"), [(POOL, (0,)), (["AB12CD"], (1,)), (POOL, ())], ids=["of none", "one plate", "no size"]
)
def test_lists_that_tell_nothing_are_refused(pool, sizes):
    with pytest.raises(MeasurementError, match="tell nothing"):
        counted(strangers(("AB123X", "AB123X")), pool, sizes=sizes)


def test_without_a_single_read_nothing_is_counted():
    nobody = Reads((), np.empty((0, 10, 37), np.float32))
    with pytest.raises(MeasurementError, match="no validation read"):
        counted(nobody, POOL)


class Blank:
    """Reads nothing, and notes what it was given."""

    def __init__(self) -> None:
        self.widths: list[int] = []

    def read(self, pictures):
        self.widths += [picture.shape[1] for picture in pictures]
        return np.stack([slots_of("AB12") for _ in pictures])


@pytest.fixture
def plate_set(tmp_path: Path) -> Path:
    folder = tmp_path / "ocr"
    (folder / "images").mkdir(parents=True)
    for name in ("one", "two"):
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), np.full((40, 120, 3), 90, np.uint8))
    (folder / "val.csv").write_text("image_path,plate_text\nimages/one.jpg,AB O1\n")
    head = "image_path,plate_text,split,source\n"
    (folder / "labels.csv").write_text(f"{head}images/one.jpg,AB O1,val,s\nimages/two.jpg,XY34,train,s\n")
    (folder / "pseudo_labels.csv").write_text(f"{head}images/left_out.jpg,ZZ9,val,s\n")
    return tmp_path


@pytest.mark.parametrize("inside", ["", "ocr"], ids=["the set", "its folder of crops"])
def test_the_crops_of_a_set_are_those_trained_on_and_those_held_out(plate_set, inside):
    crops = load_crops(plate_set / inside)
    assert [(crop.key, crop.held_out) for crop in crops] == [("AB01", True), ("XY34", False)]


def test_crops_are_spoilt_to_the_size_of_far_plates(plate_set):
    reader = Blank()
    crops = load_crops(plate_set)
    plain = read_crops(reader, crops)
    read_crops(reader, crops, spoilt=True)
    assert reader.widths == [120, 120, 44, 44]
    assert plain.slots.shape == (2, 10, 37)


def test_a_missing_table_is_named_with_the_mend(tmp_path):
    with pytest.raises(MeasurementError, match=r"val\.csv: is missing: give --data the folder"):
        load_crops(tmp_path)


def test_a_table_of_another_form_is_named_with_its_columns(plate_set):
    (plate_set / "ocr" / "labels.csv").write_text("file,text\n")
    with pytest.raises(MeasurementError, match=r"labels\.csv: has no column image_path, plate_text"):
        load_crops(plate_set)


def test_a_table_that_is_no_text_is_named(plate_set):
    (plate_set / "ocr" / "labels.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(MeasurementError, match=r"labels\.csv"):
        load_crops(plate_set)


def test_a_set_whose_tables_do_not_fit_together_is_refused(plate_set):
    (plate_set / "ocr" / "val.csv").write_text("image_path,plate_text\nimages/other.jpg,AB01\n")
    with pytest.raises(MeasurementError, match="names no crop that"):
        load_crops(plate_set)


@pytest.mark.parametrize("fault", ["missing", "broken"])
def test_crops_that_cannot_be_read_are_counted_and_named(plate_set, fault):
    picture = plate_set / "ocr" / "images" / "two.jpg"
    if fault == "missing":
        picture.unlink()
    else:
        picture.write_bytes(b"no picture")
    with pytest.raises(MeasurementError, match=r"1 of 2 crops are missing or no pictures: two\.jpg"):
        read_crops(Blank(), load_crops(plate_set))


@pytest.mark.parametrize(
    ("path", "label", "seen"),
    [
        ("images/openalpr_br_cam_00055.jpg", "1VD8248", "1V08248"),
        ("images/nobody_looked.jpg", "AB01", "AB01"),
        ("pseudo_images/openalpr_br_cam_00055.jpg", "1VD8248", "1VD8248"),
        ("images/openalpr_br_cam_00055.jpg", "ZZ9", "ZZ9"),
    ],
    ids=[
        "corrected",
        "not looked at",
        "of the same name in another folder",
        "of the same name in another set",
    ],
)
def test_a_label_is_corrected_on_the_crop_that_was_looked_at_and_no_other(path, label, seen):
    (crop,) = corrected([LabelledCrop(Path("plates/ocr") / path, label, "s", True)])
    assert crop.key == seen
    assert all(key.isalnum() for key in corrections().values())
