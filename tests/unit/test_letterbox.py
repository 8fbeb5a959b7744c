"""Frames fitted into the model's rectangle, and boxes brought back."""

import numpy as np
import pytest

from pod.vision.letterbox import Letterbox

GREY = 114 / 255

SHAPES = [
    pytest.param(1080, 1920, id="full HD"),
    pytest.param(480, 640, id="4:3"),
    pytest.param(1920, 1080, id="portrait"),
    pytest.param(256, 416, id="the model's own"),
    pytest.param(20, 30, id="tiny"),
    pytest.param(1, 3000, id="one row"),
    pytest.param(3000, 1, id="one column"),
    pytest.param(417, 613, id="odd sides"),
]


def placed(height, width):
    return Letterbox.of(frame_height=height, frame_width=width, model_height=256, model_width=416)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_any_frame_fills_the_rectangle_in_one_direction_and_is_centred_in_the_other(height, width):
    box = placed(height, width)
    assert box.inner_height == 256 or box.inner_width == 416
    assert 1 <= box.inner_height <= 256
    assert 1 <= box.inner_width <= 416
    assert abs((256 - box.inner_height) - 2 * box.top) <= 1
    assert abs((416 - box.inner_width) - 2 * box.left) <= 1


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_tensor_holds_the_frame_in_the_middle_and_grey_around_it(height, width):
    box = placed(height, width)
    tensor = box.tensor(np.full((height, width, 3), (255, 128, 0), np.uint8))
    assert tensor.shape == (1, 3, 256, 416)
    assert tensor.dtype == np.float32
    expected = np.full((3, 256, 416), GREY, np.float32)
    rows, columns = slice(box.top, box.top + box.inner_height), slice(box.left, box.left + box.inner_width)
    expected[:, rows, columns] = (np.array([255, 128, 0], np.float32) / 255)[:, None, None]
    np.testing.assert_allclose(tensor[0], expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_whole_inner_rectangle_is_the_whole_frame(height, width):
    box = placed(height, width)
    inner = [box.left, box.top, box.left + box.inner_width, box.top + box.inner_height]
    found = box.to_frame(np.array([inner], np.float32))
    np.testing.assert_allclose(found, [[0, 0, width, height]], rtol=1e-5)


def test_boxes_that_reach_into_the_grey_are_cut_at_the_edge_of_the_frame():
    found = placed(1080, 1920).to_frame(np.array([[-20, -20, 500, 300]], np.float32))
    assert found.tolist() == [[0, 0, 1920, 1080]]


def test_a_copy_of_the_fitting_size_is_taken_as_it_is():
    box = placed(1080, 1920)
    small = np.random.default_rng(1).integers(0, 256, (box.inner_height, box.inner_width, 3), np.uint8)
    inner = box.tensor(small)[0, :, box.top : box.top + box.inner_height, :]
    np.testing.assert_array_equal(np.rint(inner * 255).astype(np.uint8), small.transpose(2, 0, 1))
