import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.domain.geometry import iou, iou_matrix, points_in_polygon

sides = st.floats(1, 500)
corners = st.floats(-500, 500)
boxes = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), corners, corners, sides, sides)


def as_array(*rows):
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param((0, 0, 10, 10), 1.0, id="itself"),
        pytest.param((5, 0, 15, 10), 1 / 3, id="half over"),
        pytest.param((10, 0, 20, 10), 0.0, id="only touching"),
        pytest.param((50, 50, 60, 60), 0.0, id="far away"),
        pytest.param((2, 2, 8, 8), 0.36, id="inside"),
    ],
)
def test_iou_is_the_shared_part_of_the_common_area(other, expected):
    assert iou_matrix(as_array((0, 0, 10, 10)), as_array(other))[0, 0] == pytest.approx(expected)


def test_no_boxes_give_an_empty_matrix_of_the_right_shape():
    assert iou_matrix(as_array(), as_array((0, 0, 1, 1))).shape == (0, 1)


def test_boxes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        iou_matrix(np.zeros((2, 5), dtype=np.float32), as_array())


@given(boxes, boxes)
def test_iou_is_symmetric_within_bounds_and_the_same_one_by_one(a, b):
    both = iou_matrix(as_array(a, b), as_array(a, b))
    assert both[0, 1] == both[1, 0]
    assert both[0, 0] == pytest.approx(1, abs=1e-4)
    assert 0 <= both[0, 1] <= 1
    assert iou(a, b) == pytest.approx(float(both[0, 1]), abs=1e-3)


def test_a_polygon_holds_the_points_inside_it_even_where_it_is_hollow():
    horseshoe = [(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]
    points = np.array([(0.5, 2), (1.5, 2), (2.5, 2), (1.5, 0.5), (4, 1)])
    assert points_in_polygon(points, horseshoe).tolist() == [True, False, True, True, False]


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_same_polygon_drawn_the_other_way_round_holds_the_same_points(x, y):
    corners = [(0.1, 0.1), (0.9, 0.2), (0.7, 0.8), (0.2, 0.6)]
    point = np.array([(x, y)])
    assert points_in_polygon(point, corners) == points_in_polygon(point, corners[::-1])
