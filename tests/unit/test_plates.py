from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import meet, spoilt
from promises import Prove

from pod.domain.errors import PlateListError
from pod.domain.plates import canonical, match_key, one_edit_apart, parse_plate

PLATE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
plates = st.text(PLATE_LETTERS, min_size=2, max_size=10)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param("ab-123 cd", "AB123CD", id="lower case and separators"),
        pytest.param("MÜ·AB 12", "MUAB12", id="umlaut"),
        pytest.param("MU\u0308 12", "MU12", id="accent written apart"),
        pytest.param("АВ1234СЕ", "AB1234CE", id="Cyrillic"),
        pytest.param("ав1234се", "AB1234CE", id="Cyrillic lower case"),
        pytest.param("ΙΚΥ-1234", "IKY1234", id="Greek"),
        pytest.param("ＡＢ１２３", "AB123", id="full width"),
        pytest.param("ａｂ１２３", "AB123", id="full width lower case"),
        pytest.param("٣٤٥ AB", "345AB", id="Arabic-Indic digits"),
        pytest.param("ªB12", "AB12", id="a raised small letter"),
        pytest.param("BØ 123", "BO123", id="stroke"),
        pytest.param("\ufeffAB\u200b123\u00a0CD\r\n", "AB123CD", id="invisible marks of a spreadsheet"),
        pytest.param("AB\u2011123\u2013CD", "AB123CD", id="typographic dashes"),
    ],
)
def test_a_plate_written_in_any_way_becomes_plain_letters_and_digits(written, meant):
    assert canonical(written) == meant
    assert parse_plate(written) == meant


@given(st.text(max_size=30))
def test_the_canonical_form_holds_only_a_to_z_and_digits_and_is_stable(text):
    once = canonical(text)
    assert set(once) <= set(PLATE_LETTERS)
    assert canonical(once) == once


@given(plates, plates)
def test_keys_agree_exactly_where_plates_differ_by_look_alikes_only(a, b):
    def folded(plate):
        return plate.replace("O", "0").replace("I", "1")

    assert (match_key(a) == match_key(b)) == (folded(a) == folded(b))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        pytest.param("京A12345", "京", id="a letter recognisers do not know"),
        pytest.param("AB#12", "#", id="a sign"),
        pytest.param("AB12🚗", "🚗", id="a picture"),
    ],
)
def test_a_character_that_cannot_be_on_a_plate_is_named(written, named):
    with pytest.raises(PlateListError, match=named):
        parse_plate(written)


@pytest.mark.parametrize("written", ["", " - ", "A", "ABCDEFGHIJK"], ids=["empty", "blank", "short", "long"])
def test_a_plate_that_is_too_short_or_too_long_is_refused_with_its_length(written):
    with pytest.raises(PlateListError, match="2 to 10"):
        parse_plate(written)


@given(st.text("AB1", max_size=5), st.text("AB1", max_size=5))
def test_one_edit_apart_means_a_distance_of_at_most_one(a, b):
    def distance(x: str, y: str) -> int:
        if not x or not y:
            return len(x) + len(y)
        return min(distance(x[1:], y) + 1, distance(x, y[1:]) + 1, distance(x[1:], y[1:]) + (x[0] != y[0]))

    assert one_edit_apart(a, b) == (distance(a, b) <= 1)


@pytest.mark.proof(21)
def test_a_spoilt_plate_is_read_or_refused_with_the_mend(
    prove: Prove, often: Callable[[int, int], int]
) -> None:
    good = [b"AB-123 CD", "MÜ·AB 12".encode(), "ав1234се".encode(), "٣٤٥ AB".encode()]

    def parse(data: bytes) -> None:
        assert set(parse_plate(data.decode("utf-8", "replace"))) <= set(PLATE_LETTERS)

    met = meet(parse, spoilt(good, often(10_000, 500_000)), refusal=PlateListError)
    prove(attempts=met.all, faults=met.refused)
