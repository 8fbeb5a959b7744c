"""Which pictures an epoch of the detector's training shows more often, and why."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.training.detector_mining import MOST_REPEATS, Pass, epoch_list, false_alarms, missed, repeats

PLATE = (100.0, 100, 200, 130)
HEDGE = (10.0, 10, 60, 30)
SIGN = (300.0, 10, 360, 30)
SMALL = (10.0, 200, 24, 205)


def seen(
    *found: tuple[tuple[float, float, float, float], float],
    truth: Sequence[Sequence[float]] = (),
    doubtful: Sequence[Sequence[float]] = (),
    input_scale: float = 1.0,
) -> Pass:
    return Pass(
        picture="picture",
        found=np.array([box for box, _ in found], np.float32).reshape(-1, 4),
        scores=np.array([score for _, score in found], np.float32),
        truth=np.array(truth, np.float32).reshape(-1, 4),
        doubtful=np.array(doubtful, np.float32).reshape(-1, 4),
        input_scale=input_scale,
    )


def test_a_box_where_nothing_is_labelled_is_a_false_alarm_the_surest_first() -> None:
    picture = seen((HEDGE, 0.3), (PLATE, 0.9), (SIGN, 0.8), truth=[PLATE])
    assert false_alarms(picture).tolist() == [2, 0]


def test_an_unsure_box_is_no_false_alarm() -> None:
    assert not len(false_alarms(seen((HEDGE, 0.1))))


def test_what_another_network_takes_for_a_plate_is_not_held_against_this_one() -> None:
    assert not len(false_alarms(seen((HEDGE, 0.9), doubtful=[HEDGE])))


def test_a_loose_box_around_a_label_is_no_false_alarm() -> None:
    assert not len(false_alarms(seen(((80, 80, 220, 150), 0.9), truth=[PLATE])))


def test_two_boxes_on_one_plate_leave_the_other_plate_missed() -> None:
    assert missed(seen((PLATE, 0.9), (PLATE, 0.8), truth=[PLATE, SIGN])) == 1


def test_a_box_under_the_confidence_finds_nothing() -> None:
    assert missed(seen((PLATE, 0.1), truth=[PLATE])) == 1


@pytest.mark.parametrize(
    ("picture", "times"),
    [
        pytest.param(seen((PLATE, 0.9), truth=[PLATE]), 1, id="an-easy-one"),
        pytest.param(seen(), 1, id="an-empty-one-left-alone"),
        pytest.param(seen((HEDGE, 0.9)), 3, id="an-alarm-where-no-plate-is"),
        pytest.param(seen((PLATE, 0.9), (HEDGE, 0.9), truth=[PLATE]), 2, id="an-alarm-beside-a-plate"),
        pytest.param(seen(truth=[PLATE]), 2, id="a-missed-plate"),
        pytest.param(seen((SMALL, 0.9), truth=[SMALL]), 2, id="a-small-plate"),
        pytest.param(seen((PLATE, 0.9), truth=[PLATE], input_scale=0.2), 2, id="small-once-scaled"),
        pytest.param(seen((PLATE, 0.9), (SIGN, 0.9), truth=[PLATE, SIGN]), 2, id="two-plates"),
        pytest.param(seen((HEDGE, 0.9), truth=[SMALL, PLATE, SIGN]), MOST_REPEATS, id="everything-at-once"),
    ],
)
def test_a_hard_picture_comes_more_often(picture: Pass, times: int) -> None:
    assert repeats(picture) == times
    assert epoch_list([picture]) == ["picture"] * times
