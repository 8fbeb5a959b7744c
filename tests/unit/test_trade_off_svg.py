from xml.etree import ElementTree

import pytest

from models.evaluation.trade_off_svg import Curve, trade_off

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*curves: Curve, goal=None):
    return ElementTree.fromstring(
        trade_off(curves, title="What <it> costs", x_words="opened", y_words="false", goal=goal)
    )


def test_every_point_is_drawn_within_the_picture_and_the_default_stands_out():
    root = drawn(Curve("a", [(90, 1e-3, "x"), (95, 2.0, ""), (99.9, 700, "z")], 1), goal=(99, 1))
    circles = root.findall(f"{SVG}circle")
    assert [float(c.get("r")) for c in circles] == [3, 6.5, 3]
    assert all(0 < float(c.get("cx")) < 720 and 0 < float(c.get("cy")) < 440 for c in circles)
    assert [float(c.get("cx")) for c in circles] == sorted(float(c.get("cx")) for c in circles)
    assert root.get("aria-label") == "What <it> costs"


def test_a_rate_of_zero_lies_on_the_floor():
    root = drawn(Curve("a", [(90, 0.0, ""), (95, 0.01, "")]))
    low, high = (float(c.get("cy")) for c in root.findall(f"{SVG}circle"))
    assert low >= high


def test_rates_of_zero_alone_are_drawn_too():
    assert len(drawn(Curve("a", [(100, 0.0, "")])).findall(f"{SVG}circle")) == 1


def test_without_a_point_there_is_no_picture():
    with pytest.raises(ValueError, match="at least one point"):
        drawn(Curve("a", []))


def test_words_beside_points_that_lie_close_together_never_lie_on_each_other():
    near = [(90 + 0.02 * i, 5.0 + 0.1 * i, f"0.{i}5") for i in range(6)]
    root = drawn(Curve("a", near, 0), Curve("b", near, 1), Curve("c", [(80, 1.0, "end")]), goal=(99, 1))
    words = [t for t in root.findall(f"{SVG}text") if t.get("font-size") == "10" and t.text[0] in "0e"]
    assert len(words) == 13
    rooms = []
    for word in words:
        x, y, half = float(word.get("x")), float(word.get("y")), 3 * len(word.text)
        rooms.append((x - half, y - 9, x + half, y + 1))
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in root.findall(f"{SVG}circle")]
    for i, (x1, y1, x2, y2) in enumerate(rooms):
        assert not any(x1 < cx < x2 and y1 < cy < y2 for cx, cy in circles)
        for a1, b1, a2, b2 in rooms[i + 1 :]:
            assert not (x1 < a2 and a1 < x2 and y1 < b2 and b1 < y2)
