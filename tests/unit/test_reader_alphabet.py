"""What the recogniser's slots hold, and which texts it never learns from."""

import numpy as np
import pytest

from models.training.alphabet import PAD, SLOTS, decode, encode, fold, is_held_out, one_hot


@pytest.mark.parametrize("text", ["", "A", "AB123CD", "0123456789"], ids=["nothing", "one", "seven", "ten"])
def test_a_text_survives_the_slots(text: str) -> None:
    assert decode(one_hot(text).argmax(-1)) == text


def test_nothing_to_read_is_padding_in_every_slot() -> None:
    assert encode("") == [PAD] * SLOTS


@pytest.mark.parametrize(
    ("text", "why"), [("ABCDEFGHIJK", "longer than 10"), ("AB-12", "not")], ids=["eleven", "hyphen"]
)
def test_a_text_that_no_slot_can_hold_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encode(text)


def test_padding_amid_a_text_is_kept_to_be_seen() -> None:
    assert decode(np.array([10, PAD, 11] + [PAD] * 7)) == "A_B"


def test_one_text_in_twenty_is_held_out() -> None:
    held = sum(is_held_out(f"AB{number:04}") for number in range(4000))
    assert 0.04 < held / 4000 < 0.065


def test_texts_that_cameras_cannot_tell_apart_are_held_out_together() -> None:
    texts = [f"{number:04}OI" for number in range(200)]
    assert [is_held_out(text) for text in texts] == [is_held_out(fold(text)) for text in texts]
