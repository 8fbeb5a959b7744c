"""Sets of crops come back from disk as they went, and are drawn from by kind, country and text."""

from pathlib import Path

import numpy as np
import pytest

from models.training import crops
from models.training.alphabet import one_hot
from models.training.crops import Crop, CropSet, Kind, how_often


def a_crop(
    text: str = "AB123", *, kind: Kind = Kind.CROP, region: str = "Germany", trust: float = 1.0
) -> Crop:
    noise = np.random.default_rng(len(text))
    picture = noise.integers(0, 256, (20 + len(text), 60, 3), dtype=np.uint8)
    return Crop(picture, (2.0, 3.0, 58.0, 17.0), text, one_hot(text), region, kind, "a_source", trust, True)


def test_crops_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = [a_crop("AB123"), a_crop("", kind=Kind.NOTHING, region=""), a_crop("XY98765", trust=0.4)]
    assert crops.write(tmp_path, written) == 3
    for crop, like in zip(CropSet(tmp_path), written, strict=True):
        assert np.array_equal(crop.picture, like.picture)
        assert np.array_equal(crop.target, like.target)
        assert (crop.text, crop.box, crop.kind, crop.region) == (like.text, like.box, like.kind, like.region)
        assert crop.trust == pytest.approx(like.trust)


def test_a_set_that_was_cut_short_while_written_is_none(tmp_path: Path) -> None:
    crops.write(tmp_path, [a_crop()])
    (tmp_path / "crops.npz").unlink()
    with pytest.raises(FileNotFoundError, match="no set of crops"):
        CropSet(tmp_path)


def test_a_set_of_no_crops_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no crops"):
        crops.write(tmp_path, [])


def often(tmp_path: Path, *parts: list[Crop], **shares: float) -> list[list[float]]:
    for number, part in enumerate(parts):
        crops.write(tmp_path / str(number), part)
    sets = [CropSet(tmp_path / str(number)) for number in range(len(parts))]
    return [w.tolist() for w in how_often(sets, {Kind[name]: share for name, share in shares.items()})]


def test_each_kind_gets_its_share_over_all_sets(tmp_path: Path) -> None:
    real = [a_crop(f"A{n}") for n in range(9)] + [a_crop("", kind=Kind.NOTHING)]
    drawn = [a_crop(f"D{n}", kind=Kind.DRAWN) for n in range(5)]
    photographs, renders = often(tmp_path, real, drawn, CROP=0.72, NOTHING=0.08, DRAWN=0.2)
    assert sum(photographs[:9]) == pytest.approx(0.72)
    assert photographs[9] == pytest.approx(0.08)
    assert sum(renders) == pytest.approx(0.2)


def test_the_share_of_a_kind_that_is_missing_goes_to_the_others(tmp_path: Path) -> None:
    (weights,) = often(tmp_path, [a_crop("A1"), a_crop("A2")], CROP=0.6, CUT=0.4)
    assert weights == pytest.approx([0.5, 0.5])


def test_four_pictures_of_one_plate_count_as_two(tmp_path: Path) -> None:
    (weights,) = often(tmp_path, [a_crop("SAME")] * 4 + [a_crop("OTHER")], CROP=1.0)
    assert sum(weights[:4]) == pytest.approx(2 * weights[4])


def test_north_america_is_seen_more_often_than_brazil(tmp_path: Path) -> None:
    (weights,) = often(
        tmp_path, [a_crop("A1", region="United States"), a_crop("B1", region="Brazil")], CROP=1.0
    )
    assert weights[0] > 4 * weights[1]


def test_sets_without_any_wanted_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no crop of a kind"):
        often(tmp_path, [a_crop()], DRAWN=1.0)
