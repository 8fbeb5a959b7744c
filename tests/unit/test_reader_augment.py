"""Other photographs of a plate show the same plate."""

import random

import numpy as np
import pytest

from models.training.augment import photograph
from models.training.crops import Picture
from models.training.views import cut, view

PLATE = (40.0, 30.0, 160.0, 70.0)


@pytest.fixture
def picture() -> Picture:
    """A white plate with a black mark at its left, on grey."""
    made = np.full((100, 200, 3), 90, np.uint8)
    made[30:70, 40:160] = 255
    made[40:60, 48:60] = 0
    return made


def test_a_view_without_margin_shows_the_plate_and_nothing_else(picture: Picture) -> None:
    seen = view(picture, PLATE, margin=0.0)
    assert seen.shape == (64, 128, 3)
    assert seen[:, -1].mean() > 240


def test_a_margin_shows_the_surroundings_on_every_side(picture: Picture) -> None:
    seen = view(picture, PLATE, margin=0.1)
    for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]):
        assert edge.mean() == pytest.approx(90, abs=2)
    shown = (seen[50, :, 0] > 200).sum() / 128
    assert shown == pytest.approx(1 / 1.2, abs=0.02)


def test_a_view_of_a_whole_picture_is_the_picture() -> None:
    made = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    assert np.array_equal(view(made, (0.0, 0.0, 128.0, 64.0), margin=0.0), made)


def test_beyond_the_picture_its_rim_goes_on(picture: Picture) -> None:
    corners = np.array([[-100.0, -100.0], [300.0, -100.0], [300.0, 200.0], [-100.0, 200.0]])
    assert (cut(picture, corners)[0] == 90).all()


def test_the_same_seed_gives_the_same_photograph(picture: Picture) -> None:
    first, again = (photograph(picture, PLATE, random.Random(7)) for _ in range(2))
    assert np.array_equal(first, again)


def test_photographs_differ_and_keep_the_plate_in_sight(picture: Picture) -> None:
    rng = random.Random(3)
    seen = [photograph(picture, PLATE, rng) for _ in range(200)]
    assert {(p.shape, p.dtype) for p in seen} == {((64, 128, 3), np.dtype(np.uint8))}
    assert len({p.tobytes() for p in seen}) == 200
    # The mark stays at the left, whatever the light, and the right side plain.
    kept = [p[20:44, 4:40].std() > p[20:44, 80:116].std() for p in seen]
    assert sum(kept) > 180


def test_a_picture_is_never_changed_by_its_photograph(picture: Picture) -> None:
    before = picture.copy()
    for seed in range(60):
        photograph(picture, PLATE, random.Random(seed))
    assert np.array_equal(picture, before)
