from dataclasses import replace

import numpy as np
import pytest
from readings import deny, entry, read_as

from pod.domain.confusions import CONFUSED_WITH, known_confusion, neighbours
from pod.domain.countries import COUNTRIES, spelled, tells_apart
from pod.domain.entry import EntryType
from pod.domain.index import AccessIndex
from pod.domain.matching import Matcher, confusable_with
from pod.domain.plates import match_key


def match(read, plate: str, *, apart: bool = False):
    return Matcher(read, apart=apart).match(entry(plate))


def test_a_confusion_goes_both_ways_and_never_to_itself():
    assert all(a in CONFUSED_WITH[b] for a in CONFUSED_WITH for b in CONFUSED_WITH[a])
    assert all(c not in others for c, others in CONFUSED_WITH.items())


def test_confusions_are_between_characters_as_keys_fold_them():
    assert all(match_key(c) == c for c in "".join(CONFUSED_WITH.values()))


def test_neighbours_differ_in_one_known_confusion_and_come_once():
    found = list(neighbours("AB80"))
    assert len(found) == len(set(found))
    for key in found:
        ((a, b),) = [(x, y) for x, y in zip("AB80", key, strict=True) if x != y]
        assert known_confusion(a, b)


@pytest.mark.parametrize(
    ("plate", "why"),
    [
        ("AB1280DX", "longer"),
        ("AB128D", "shorter"),
        ("AB12BDD", "two characters"),
        ("AB12X0D", "not a known confusion"),
    ],
    ids=lambda value: value,
)
def test_a_plate_that_one_confusion_does_not_explain_is_no_match(plate, why):
    split = read_as("AB1280D", doubt={4: {"8": 0.4, "B": 0.3, "X": 0.2}})
    assert match(split, plate) is None


def test_a_confusion_without_evidence_is_no_match():
    assert match(read_as("AB1280D", 0.999), "AB12B0D") is None


def test_likeness_without_evidence_never_gives_weight():
    """However alike 8 and B are, the track has to have seen a B."""
    seen = match(read_as("AB1280D", doubt={4: {"8": 0.6, "B": 0.36}}), "AB12B0D")
    hardly = match(read_as("AB1280D", doubt={4: {"8": 0.95, "B": 0.01}}), "AB12B0D")
    assert (seen.ratio, hardly.ratio) == (pytest.approx(1.67, rel=0.01), pytest.approx(107, rel=0.01))


@pytest.mark.parametrize(
    ("read", "shares", "listed"),
    [
        ("AB1280D", {"8": 0.7, "B": 0.2}, "AB12B0D"),
        ("AB12D0D", {"D": 0.7, "0": 0.1, "Q": 0.09}, "AB1200D"),
    ],
    ids=["two characters", "one that stands for two, with a third"],
)
def test_a_blur_that_makes_every_character_likelier_favours_none(read, shares, listed):
    sharp = read_as(read, doubt={4: shares})
    slots = (sharp.slots * 0.5 + 0.5 / sharp.slots.shape[1]).astype(np.float32)
    dull = type(sharp)(sharp.text, 0.3, slots, 3)
    assert match(dull, listed).ratio == pytest.approx(match(sharp, listed).ratio, rel=1e-3)


def test_what_is_likelier_than_the_listed_character_and_fits_neither_makes_it_no_rival():
    read = read_as("AB1280D", doubt={4: {"8": 0.5, "X": 0.3, "B": 0.15}})
    assert match(read, "AB12B0D").ratio == float("inf")


def test_all_but_the_doubtful_character_must_be_sure():
    two = read_as("AB1280D", doubt={3: {"2": 0.7, "Z": 0.2}, 4: {"8": 0.6, "B": 0.36}})
    assert match(two, "AB12B0D").but_for_one == pytest.approx(0.7)


def test_padding_inside_a_reading_leaves_only_the_exact_plate():
    gapped = read_as("AB_80D")
    gapped = type(gapped)("AB80D", gapped.confidence, gapped.slots, 3)
    assert match(gapped, "AB80D").confidence == pytest.approx(0.99)
    assert match(gapped, "AB80D").but_for_one == 0
    assert match(gapped, "ABB0D") is None
    assert match(gapped, "AB80D", apart=True).confidence == 0


def test_where_a_country_tells_o_from_0_the_reading_has_to_tell_them():
    undecided = replace(read_as("AB10CD", doubt={3: {"0": 0.6, "O": 0.38}}), confidence=0.98)
    assert match(undecided, "AB1OCD").exact
    assert not match(undecided, "AB1OCD", apart=True).exact
    assert match(undecided, "AB10CD", apart=True).confidence == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("country", "read", "shown"),
    [
        ("FR", "AB1O3CD", "AB103CD"),
        ("ES", "I23OBCD", "1230BCD"),
        ("GB", "A0I2BCD", "AO12BCD"),
        ("AR", "0I0123", "OIO123"),
        ("SE", "ABC1OO", "ABC100"),
        ("FR", "ABC1O3", "ABC1O3"),
        ("FR", "A71O3CD", "A71O3CD"),
        ("DE", "BOI10", "BOI10"),
        (None, "AB1O3CD", "AB1O3CD"),
        ("XX", "AB1O3CD", "AB1O3CD"),
    ],
)
def test_a_reading_is_shown_as_the_country_writes_its_plates(country, read, shown):
    assert spelled(read, country) == shown


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_spelling_never_changes_what_matches(country):
    for plate in ("0I0I0I0", "OIOIOI", "1010100", "AB1O3CD", "I23OBCD", ""):
        assert match_key(spelled(plate, country)) == match_key(plate)


def test_countries_that_issue_both_in_one_place_tell_them_apart():
    assert {c for c in [*COUNTRIES, "XX", None] if tells_apart(c)} == {"BR", "DE"}


def test_plates_one_confusion_apart_are_named_before_both_are_listed():
    index = AccessIndex(
        [entry("AB1280D"), entry("AB12B0D", type=EntryType.STAFF), deny("AB12B0Q"), entry("XY999ZZ")]
    )
    assert {e.plate for e in confusable_with(entry("AB12BOD"), index)} == {"AB1280D"}
    assert confusable_with(entry("KK444KK"), index) == ()
