"""Photographs of the gate: labels lie on the plates, near things hide far ones, the seed decides."""

import random
from dataclasses import replace

import numpy as np
import pytest

from models.render.backdrop import LANE_X_M
from models.render.car import plate_pixels
from models.render.car_pose import Pose
from models.render.light import DAY, NIGHT
from models.render.plates import STYLES
from models.render.stage import Exposure, Stage, build_car, render_scene
from models.render.view import View


@pytest.fixture(scope="module")
def stage():
    return Stage.build(View(), DAY, seed=3)


def a_car(**changes):
    given = {"body": "sedan", "colour": (60, 60, 60), "lamps_on": False} | changes
    return build_car("AB 123 CD", STYLES["eu"], **given)


def changed_box(one, other):
    rows, columns = np.nonzero((one != other).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("body", ["sedan", "suv", "van", "hatch"])
def test_a_label_lies_on_the_pixels_of_its_plate(stage, body):
    car, pose = a_car(body=body), Pose(LANE_X_M, 5.0, 0.1)
    blank = replace(car, plate=np.zeros_like(car.plate))
    seen = changed_box(stage.arrange([(car, pose)]), stage.arrange([(blank, pose)]))
    corners = plate_pixels(car, pose, stage.view)
    assert seen == pytest.approx((*corners.min(axis=0), *corners.max(axis=0)), abs=3)


def test_equal_seeds_give_equal_scenes_and_labels(stage):
    one, again = render_scene(stage, 8), render_scene(stage, 8)
    np.testing.assert_array_equal(one.picture, again.picture)
    assert [(p.text, p.box) for p in one.plates] == [(p.text, p.box) for p in again.plates]


def test_every_label_of_a_scene_lies_inside_the_picture(stage):
    labels = [plate for seed in range(6) for plate in render_scene(stage, seed).plates]
    assert labels
    for label in labels:
        x1, y1, x2, y2 = label.box
        assert 0 <= x1 < x2 <= stage.view.width_px
        assert 0 <= y1 < y2 <= stage.view.height_px


def test_a_far_car_passes_behind_hedge_and_pillar_and_a_near_one_before_them(stage):
    empty, standing = stage.backdrop.picture, np.isfinite(stage.backdrop.standing_m)
    far = stage.arrange([(a_car(), Pose(0.6, 19.5, -1.0))])
    near = stage.arrange([(a_car(), Pose(LANE_X_M, 4.2))])
    assert (far != empty).any()
    np.testing.assert_array_equal(far[standing], empty[standing])
    assert (near[standing] != empty[standing]).any()


def test_a_car_seen_from_behind_shows_no_plate(stage):
    assert plate_pixels(a_car(), Pose(LANE_X_M, 8.0, np.pi), stage.view) is None


def test_a_car_out_of_view_leaves_the_scene_empty(stage):
    np.testing.assert_array_equal(stage.arrange([(a_car(), Pose(LANE_X_M, -9.0))]), stage.backdrop.picture)


def test_night_is_darker_than_day_but_its_headlights_are_not(stage):
    night = Stage.build(View(), NIGHT, seed=3)
    car, pose = a_car(lamps_on=True), Pose(LANE_X_M, 6.0)
    dark, bright = night.arrange([(car, pose)]), stage.arrange([(car, pose)])
    assert dark.mean() < 0.5 * bright.mean()
    assert (dark.min(axis=2) > 240).sum() > 200


def test_noise_has_the_strength_asked_for(stage):
    flat = np.full((720, 1280, 3), 128, np.uint8)
    noisy = stage.photograph(flat, Exposure(blur_px=0, noise=8.0), np.random.default_rng(1))
    assert noisy.std() == pytest.approx(8.0, rel=0.15)


def test_the_view_finds_the_ground_point_behind_each_pixel_again():
    view, rng = View(), random.Random(4)
    x, z = view.ground()
    for _ in range(20):
        column, row = rng.randrange(1280), rng.randrange(300, 720)
        pixels, depth = view.project((x[row, column], 0.0, z[row, column]))
        assert depth > 0
        assert pixels == pytest.approx((column + 0.5, row + 0.5), abs=0.01)
