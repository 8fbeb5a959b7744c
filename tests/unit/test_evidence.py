import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pod.domain.evidence import K_EFF, Evidence
from pod.domain.plates import match_key
from pod.domain.reads import ALPHABET, SLOTS, PlateRead


def a_read(text: str, sure: float = 0.95, *, instead: str | None = None, odd: dict[int, float] | None = None):
    """One frame's read: `sure` on each character of `text`, the rest on `instead`'s (or spread evenly).

    `odd` gives single slots another probability.
    """
    slots = np.zeros((SLOTS, len(ALPHABET)), dtype=np.float32)
    other = (instead or "").ljust(SLOTS, "_")
    for slot, c in enumerate(text.ljust(SLOTS, "_")):
        p = (odd or {}).get(slot, sure)
        if instead is None or other[slot] == c:
            slots[slot] = (1 - p) / (len(ALPHABET) - 1)
        else:
            slots[slot, ALPHABET.index(other[slot])] = 1 - p
        slots[slot, ALPHABET.index(c)] = p if slots[slot].sum() < 1 else 1.0
    slots /= slots.sum(axis=1, keepdims=True)
    return PlateRead((0, 0, 100, 25), 0.9, text, sure, slots)


def after(*reads: PlateRead):
    evidence = Evidence()
    for read in reads:
        evidence.add(read)
    return evidence.consensus()


def test_before_the_first_read_there_is_no_text_and_no_confidence():
    consensus = Evidence().consensus()
    assert (consensus.text, consensus.confidence, consensus.frames) == ("", 0.0, 0)


def test_one_frame_counts_as_much_as_it_says():
    assert after(a_read("AB123CD", 0.93)).confidence == pytest.approx(0.93, abs=1e-3)


def test_agreeing_frames_raise_a_weak_read_over_the_bar():
    weak = a_read("AB123CD", 0.75, instead="AB128CD")
    assert after(weak).confidence < 0.85 < after(weak, weak, weak).confidence


def test_many_near_copies_of_a_doubtful_frame_never_become_certainty():
    doubtful = a_read("AB123CD", 0.95, odd={4: 0.6}, instead="AB128CD")
    after_many = after(*[doubtful] * 200).confidence
    odds = (0.6 / 0.4) ** K_EFF
    assert after_many <= odds / (1 + odds) + 1e-6


def test_a_clear_frame_decides_at_once_after_a_long_illegible_approach():
    far_away = [a_read(text, 0.25) for text in ("AB123CD", "A8I23CO", "48123C0", "AB12SCD") * 5]
    assert after(*far_away).confidence < 0.85
    consensus = after(*far_away, a_read("AB123CD", 0.97))
    assert (consensus.text, consensus.confidence > 0.85) == ("AB123CD", True)


def test_a_letter_that_flickers_between_o_and_zero_costs_no_confidence():
    consensus = after(a_read("AB0123", 0.97), a_read("ABO123", 0.97), a_read("AB0123", 0.5, instead="ABO123"))
    assert match_key(consensus.text) == "AB0123"
    assert consensus.confidence > 0.97


def test_one_wrong_character_in_one_frame_is_outvoted():
    consensus = after(a_read("AB128CD", 0.8), a_read("AB123CD", 0.9), a_read("AB123CD", 0.9))
    assert (consensus.text, consensus.confidence > 0.6) == ("AB123CD", True)


def test_frames_that_disagree_on_one_character_are_not_believed():
    assert after(a_read("AB128CD", 0.95), a_read("AB123CD", 0.95)).confidence < 0.85


def test_while_one_frame_clearly_shows_another_plate_nothing_is_believed():
    assert after(*[a_read("AB123CD")] * 5, a_read("XY999ZZ")).confidence == 0


def test_a_single_glitch_is_forgotten_when_the_plate_comes_back():
    consensus = after(*[a_read("AB123CD")] * 3, a_read("B123CD"), a_read("AB123CD"))
    assert (consensus.text, consensus.frames) == ("AB123CD", 4)
    assert consensus.confidence > 0.95


def test_two_frames_of_another_plate_start_the_evidence_over():
    consensus = after(*[a_read("AB123CD")] * 12, a_read("XY999ZZ"), a_read("XY999ZZ"))
    assert (consensus.text, consensus.frames) == ("XY999ZZ", 2)
    assert consensus.confidence > 0.95


def test_a_plate_that_follows_two_others_stands_alone():
    consensus = after(a_read("AB123CD"), a_read("XY999ZZ"), a_read("KL555MN"))
    assert (consensus.text, consensus.frames) == ("KL555MN", 1)


def test_what_was_seen_long_ago_fades():
    old, new = a_read("AB123CD", 0.95), a_read("AB128CD", 0.95)
    assert after(*[old] * 50, *[new] * 12).text == "AB128CD"


@pytest.mark.parametrize(
    "slots",
    [
        pytest.param(np.zeros((SLOTS, 36), dtype=np.float32), id="another alphabet"),
        pytest.param(np.full((SLOTS, 37), np.nan, dtype=np.float32), id="not a number"),
        pytest.param(np.full((SLOTS, 37), -0.1, dtype=np.float32), id="negative"),
        pytest.param(np.full((SLOTS, 37), np.inf, dtype=np.float32), id="without end"),
        pytest.param(np.full((SLOTS, 37), 1e308), id="so large that its sum is without end"),
    ],
)
def test_a_read_that_holds_no_probabilities_is_a_fault_not_evidence(slots):
    with pytest.raises(ValueError, match="recogniser"):
        Evidence().add(PlateRead((0, 0, 1, 1), 0.9, "AB", 0.9, slots))


reads = st.builds(a_read, st.sampled_from(["AB123CD", "AB128CD", "XY999ZZ", "KL0I5"]), st.floats(0.05, 1.0))


@given(st.lists(reads, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_posteriors_are_distributions_and_confidence_is_one_of_them(some):
    consensus = after(*some)
    assert consensus.slots.shape == (SLOTS, len(ALPHABET))
    assert np.allclose(consensus.slots.sum(axis=1), 1, atol=1e-4)
    assert 0 <= consensus.confidence <= 1
    assert 1 <= consensus.frames <= 12


@given(st.lists(st.tuples(st.sampled_from(["AB123CD", "XY999ZZ"]), st.floats(0.05, 0.999)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_two_plates_on_one_track_never_make_believe_in_a_third(shown):
    evidence = Evidence()
    for text, sure in shown:
        evidence.add(a_read(text, sure))
        consensus = evidence.consensus()
        assert consensus.text in ("AB123CD", "XY999ZZ") or consensus.confidence < 0.85


@given(st.lists(st.floats(0.5, 0.999), min_size=1, max_size=20), st.permutations(range(12)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_agreeing_frames_does_not_matter(sures, order):
    some = [a_read("AB123CD", p) for p in sures[:12]]
    shuffled = [some[i] for i in order if i < len(some)]
    assert after(*some).confidence == pytest.approx(after(*shuffled).confidence, abs=1e-6)
