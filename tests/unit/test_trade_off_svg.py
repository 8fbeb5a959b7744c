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
