"""Regions of interest and masks."""

import numpy as np
import pytest

from pod.vision.regions import plates_in_view

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
UPPER_LEFT_TRIANGLE = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
ARROW = ((0.0, 0.0), (1.0, 0.5), (0.0, 1.0), (0.5, 0.5))


def counts(x, y, regions=(), masks=()):
    """Whether a plate with its centre at these fractions of a 200 x 100 frame counts."""
    box = np.array([[x * 200 - 5, y * 100 - 2, x * 200 + 5, y * 100 + 2]], np.float32)
    return bool(plates_in_view(box, frame_size_px=(100, 200), regions=regions, masks=masks)[0])


def test_without_regions_and_masks_every_plate_counts():
    assert counts(0.9, 0.9)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        pytest.param(0.25, 0.5, True, id="well inside"),
        pytest.param(0.49, 0.5, True, id="just inside"),
        pytest.param(0.51, 0.5, False, id="just outside"),
    ],
)
def test_a_plate_counts_when_its_centre_lies_in_a_region(x, y, expected):
    assert counts(x, y, regions=(LEFT_HALF,)) is expected


def test_a_slanted_edge_divides_where_it_runs():
    assert counts(0.45, 0.45, regions=(UPPER_LEFT_TRIANGLE,))
    assert not counts(0.55, 0.55, regions=(UPPER_LEFT_TRIANGLE,))


def test_a_dent_in_a_region_is_outside():
    assert counts(0.7, 0.5, regions=(ARROW,))
    assert not counts(0.2, 0.5, regions=(ARROW,))


def test_any_of_several_regions_is_enough():
    right_edge = ((0.9, 0.0), (1.0, 0.0), (1.0, 1.0), (0.9, 1.0))
    assert counts(0.95, 0.5, regions=(LEFT_HALF, right_edge))


def test_a_mask_wins_over_a_region():
    assert not counts(0.25, 0.5, regions=(LEFT_HALF,), masks=(UPPER_LEFT_TRIANGLE,))


def test_many_plates_are_judged_one_by_one():
    boxes = np.array([[0, 0, 20, 10], [180, 0, 200, 10]], np.float32)
    judged = plates_in_view(boxes, frame_size_px=(100, 200), regions=(LEFT_HALF,), masks=())
    assert judged.tolist() == [True, False]
