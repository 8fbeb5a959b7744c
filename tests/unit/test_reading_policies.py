"""What a reading policy makes of the recogniser's answers, and when a dearer one is chosen."""

import numpy as np
import pytest

from benchmarks.known_plates import text_at
from benchmarks.reading_policies import (
    MARGINS,
    Policy,
    averaged,
    candidates,
    candidates_for_frames,
    chosen,
    text_of,
)
from pod.domain.reads import ALPHABET, SLOTS


def spelling(text, sure=0.9):
    slots = np.full((SLOTS, len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1), np.float32)
    for i, character in enumerate(text.ljust(SLOTS, "_")):
        slots[i, ALPHABET.index(character)] = sure
    return slots


def answers(*first):
    """One answer a margin: those given, then others."""
    return [*first, *(spelling("ZZ") for _ in range(len(MARGINS) - len(first)))]


def test_the_average_is_a_distribution_and_what_one_crop_rules_out_stays_unlikely():
    mean = averaged([spelling("AB12", 0.9), spelling("AB12", 0.5), spelling("AB72", 0.999)])
    np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-5)
    assert text_of(mean) == "AB72"
    assert text_of(averaged([spelling("AB12", 0.9), spelling("AB72", 0.6)])) == "AB12"


def test_a_second_look_is_taken_only_where_the_first_is_unsure():
    policy = Policy((0, 1), unsure_below=0.85)
    sure, unsure = spelling("AB12", 0.9), spelling("AB12", 0.5)
    assert policy.read(answers(sure, spelling("CD34", 0.99)))[1] == 1
    slots, crops = policy.read(answers(unsure, spelling("CD34", 0.99)))
    assert (text_of(slots), crops) == ("CD34", 2)


def test_in_turns_each_frame_has_one_crop_and_the_next_margin():
    policy = Policy((0, 2), in_turns=True)
    given = answers(spelling("AA"), spelling("BB"), spelling("CC"))
    assert [text_of(policy.read(given, frame=n)[0]) for n in range(3)] == ["AA", "CC", "AA"]
    assert policy.read(given, frame=1)[1] == 1


@pytest.mark.parametrize(
    ("worth", "choice"),
    [
        pytest.param(0.0, 2, id="time is free"),
        pytest.param(0.2, 1, id="a tenth for half the time pays"),
        pytest.param(0.9, 0, id="nothing pays"),
    ],
)
def test_a_dearer_policy_is_chosen_only_where_it_pays(worth, choice):
    right = np.array([[1] * 70 + [0] * 30, [1] * 90 + [0] * 10, [1] * 91 + [0] * 9], bool)
    assert chosen(right, np.array([0.2, 0.5, 1.0]), worth=worth) == choice


def test_of_equal_policies_the_first_is_chosen():
    assert chosen(np.ones((3, 4), bool), np.array([0.1, 0.1, 0.1]), worth=0.1) == 0


@pytest.mark.parametrize("policies", [candidates(), candidates_for_frames()], ids=["pictures", "approaches"])
def test_every_compared_policy_has_a_name_of_its_own_and_each_margin_alone_is_among_them(policies):
    assert len({policy.name for policy in policies}) == len(policies)
    assert [policy.margins for policy in policies[: len(MARGINS)]] == [(i,) for i in range(len(MARGINS))]


@pytest.mark.parametrize(
    ("reads", "text"),
    [
        pytest.param([], "", id="nothing found"),
        pytest.param(
            [((0, 0, 40, 10), "AB12"), ((100, 0, 140, 10), "CD34")], "CD34", id="the one at the place"
        ),
        pytest.param([((0, 0, 40, 10), "AB12")], "", id="only another plate"),
        pytest.param(
            [((104, 0, 150, 10), "NEAR"), ((101, 0, 141, 10), "BEST")], "BEST", id="of two the nearer"
        ),
    ],
)
def test_a_known_plate_is_held_against_what_was_read_at_its_place(reads, text):
    assert text_at(np.array((100, 0, 140, 10), np.float32), reads) == text
