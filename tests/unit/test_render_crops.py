"""Drawn crops: seeded, within their sizes, and as hard as they are asked to be."""

import random

import numpy as np
import pytest

from models.render.camera import Conditions, photographed
from models.render.catalogue import DESIGNS
from models.render.crops import render_crop


def test_equal_seeds_give_equal_crops_and_other_seeds_others():
    first, again, other = render_crop(5), render_crop(5), render_crop(6)
    assert (first.text, first.style, first.region) == (again.text, again.style, again.region)
    np.testing.assert_array_equal(first.picture, again.picture)
    assert first.text != other.text


def test_crops_are_as_small_as_a_detectors_and_name_their_design():
    for seed in range(120):
        crop = render_crop(seed)
        height, width = crop.picture.shape[:2]
        assert 26 <= width <= 360
        assert 12 <= height <= 340
        assert crop.picture.dtype == np.uint8
        assert DESIGNS[crop.style].region == crop.region
        assert 2 <= len(crop.text) <= 10
        assert crop.text.isalnum()


def test_a_chosen_design_is_drawn_and_no_other():
    crops = [render_crop(seed, style=DESIGNS["nl"]) for seed in range(5)]
    assert {crop.style for crop in crops} == {"nl"}
    assert {crop.region for crop in crops} == {"Netherlands"}


def test_harm_takes_contrast_and_size_away():
    def spread(harm):
        crops = [render_crop(seed, harm=harm).picture for seed in range(60)]
        return np.mean([crop.std() for crop in crops]), np.mean([crop.shape[1] for crop in crops])

    (clean_contrast, clean_width), (harmed_contrast, harmed_width) = spread(0.0), spread(1.0)
    assert clean_contrast > harmed_contrast + 5
    assert clean_width > harmed_width + 15


def test_without_harm_an_exposure_changes_nothing_but_colour():
    scene = render_crop(3, harm=0.0).picture
    fair = next(
        c
        for c in (Conditions.drawn(random.Random(i), harm=0.0) for i in range(50))
        if c.light == "day" and not c.grey
    )
    taken = photographed(scene, fair, random.Random(1), np.random.default_rng(1))
    np.testing.assert_array_equal(taken, scene)


@pytest.mark.parametrize("light", ["day", "dusk", "night", "infrared"])
def test_every_light_occurs_and_keeps_the_picture_shape(light):
    drawn = (Conditions.drawn(random.Random(seed), harm=1.0) for seed in range(400))
    conditions = next(c for c in drawn if c.light == light)
    scene = np.full((40, 90, 3), 150, np.uint8)
    taken = photographed(scene, conditions, random.Random(2), np.random.default_rng(2))
    assert taken.shape == scene.shape
    assert (light != "infrared") or (taken[..., 0] == taken[..., 2]).all()
