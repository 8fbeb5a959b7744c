"""Every kind of plate: its texts keep to its grammar, its truth is what is pressed, the seed decides."""

import random
import re

import numpy as np
import pytest

from models.render import dies
from models.render.catalogue import DESIGNS, SHARES
from models.render.dies import DIES
from models.render.elsewhere import ELSEWHERE
from models.render.europe import EUROPE
from models.render.grammar import MOST_CHARACTERS, Mark, truth, written
from models.render.north_america import NORTH_AMERICA
from models.render.press import press_plate

PARTS = {"north-america": NORTH_AMERICA, "europe": EUROPE, "elsewhere": ELSEWHERE}
each_part = pytest.mark.parametrize("designs", PARTS.values(), ids=PARTS)
TEN_EACH = range(10)

_CLASSES = {"A": "[A-Z]", "9": "[0-9]", "#": "[A-Z0-9]", "V": "[A-Z0-9]{1,9}"}


def as_expression(pattern):
    """The texts that a pattern allows, as a regular expression over what a reader answers."""
    shape = re.sub(r"\[[^\]]*\]", "", pattern)
    parts = re.split(r"(\{[^}]*\}|<[^>]*>)", shape)
    return "".join(
        "(" + re.sub(r"[ .*/-]", "", part[1:-1]) + ")"
        if part[:1] in ("{", "<")
        else "".join(_CLASSES[c] for c in part if c not in " .-*/")
        for part in parts
    )


@each_part
def test_every_text_is_in_a_grammar_of_its_design_and_no_longer_than_a_reader_can_answer(designs):
    for design in designs:
        for pattern in design.patterns:
            for seed in TEN_EACH:
                text = written(pattern, letters=design.letters, rng=random.Random(seed))
                assert re.fullmatch(as_expression(pattern), truth(text)), (design.name, pattern)
                assert 2 <= len(truth(text)) <= MOST_CHARACTERS, (design.name, pattern)
                assert len(text) == len(design.lines), (design.name, pattern)


@each_part
def test_a_pressed_plate_has_the_proportion_of_its_metal_and_every_die_its_letters(designs):
    for design in designs:
        height, width = press_plate(design, random.Random(3), width_px=200).picture.shape[:2]
        assert width == 200
        assert width / height == pytest.approx(design.size_mm[0] / design.size_mm[1], rel=0.02), design.name
        for die in design.dies:
            letters = (*design.letters, *"0123456789")
            assert all(dies.glyph(die, character).max() > 128 for character in letters), (design.name, die)


@each_part
def test_equal_seeds_press_equal_plates_and_other_texts_other_ink(designs):
    for design in designs:
        one, again = (press_plate(design, random.Random(8), width_px=160) for _ in range(2))
        assert one.text == again.text
        np.testing.assert_array_equal(one.picture, again.picture, err_msg=design.name)
        lines = len(design.lines)
        pressed = [
            press_plate(
                design, random.Random(8), width_px=160, text=((Mark("full", character),) * 3,) * lines
            )
            for character in "H4"
        ]
        assert [plate.text for plate in pressed] == ["HHH" * lines, "444" * lines]
        assert (pressed[0].picture != pressed[1].picture).any(), design.name


def test_every_emblem_in_a_text_is_drawn():
    bare = [d.name for d in DESIGNS.values() if d.emblem is None and any("*" in p for p in d.patterns)]
    assert bare == []


def test_small_side_characters_are_pressed_but_not_counted_and_stacked_ones_are():
    text = written("<AB>99[12]9", letters="H", rng=random.Random(1))
    assert [mark.form for mark in text[0]] == ["stacked", "full", "full", "side", "full"]
    assert re.fullmatch("AB[0-9]{3}", truth(text))


def test_a_sign_without_meaning_is_refused_with_the_mend():
    with pytest.raises(ValueError, match="put it in braces"):
        written("AAZ 99", letters="ABC", rng=random.Random(1))


def test_british_dies_draw_nought_like_o_and_one_like_i_and_german_ones_do_not():
    for one, other in ("0O", "1I"):
        np.testing.assert_array_equal(dies.glyph("uk", one), dies.glyph("uk", other))
    np.testing.assert_array_equal(dies.glyph("uk-carbon", "0"), dies.glyph("uk-carbon", "O"))
    assert (
        dies.glyph("de-fe", "1").shape != dies.glyph("de-fe", "I").shape
        or (dies.glyph("de-fe", "1") != dies.glyph("de-fe", "I")).any()
    )


def test_every_die_is_on_some_plate():
    used = {die for design in DESIGNS.values() for die in design.dies}
    assert used == set(DIES)


def test_shares_sum_to_one_and_american_plates_have_the_largest():
    assert sum(SHARES.values()) == pytest.approx(1.0)
    by_region: dict[str, float] = {}
    for name, share in SHARES.items():
        assert share > 0, f"{name} is never drawn"
        by_region[DESIGNS[name].region] = by_region.get(DESIGNS[name].region, 0.0) + share
    assert max(by_region, key=by_region.__getitem__) == "United States"
    assert len([name for name in DESIGNS if name.startswith("us-")]) >= 25
