"""Evidence in an audit row: small, and the same decision comes out of it again."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import meet, spoilt
from promises import Prove

from pod.domain.evidence import Consensus, Evidence
from pod.domain.evidence_record import KEPT_A_SLOT, from_record, to_record
from pod.domain.reads import ALPHABET, SLOTS, PlateRead


def consensus_of(text: str, doubt: float) -> Consensus:
    slots = np.full((SLOTS, len(ALPHABET)), doubt / (len(ALPHABET) - 1), np.float32)
    for row, character in zip(slots, text.ljust(SLOTS, "_"), strict=True):
        row[ALPHABET.index(character)] = 1 - doubt
    evidence = Evidence()
    evidence.add(PlateRead((0, 0, 9, 9), 0.9, text, 1 - doubt, slots))
    return evidence.consensus()


@given(
    text=st.text(alphabet=ALPHABET[:-1], min_size=1, max_size=SLOTS),
    doubt=st.floats(min_value=0.0, max_value=0.6),
)
def test_the_likeliest_characters_survive_the_way_through_json(text: str, doubt: float) -> None:
    consensus = consensus_of(text, doubt)
    record = json.loads(json.dumps(to_record(consensus)))
    again = from_record(record, text=consensus.text, confidence=consensus.confidence, frames=consensus.frames)
    assert (again.text, again.frames) == (consensus.text, consensus.frames)
    assert (again.slots.argmax(axis=1) == consensus.slots.argmax(axis=1)).all()
    assert np.allclose(again.slots.max(axis=1), consensus.slots.max(axis=1), atol=1e-4)
    assert np.allclose(again.slots.sum(axis=1), 1, atol=1e-3)


def test_a_record_of_a_whole_plate_is_small() -> None:
    record = to_record(consensus_of("ABC1234", 0.5))
    assert len(record) == SLOTS
    assert all(1 <= len(pairs) <= KEPT_A_SLOT for pairs in record)
    assert len(json.dumps(record)) < 1000


def test_nothing_read_leaves_no_record() -> None:
    assert to_record(Evidence().consensus()) == []


@pytest.mark.parametrize(
    "record",
    [
        pytest.param([[["A", 1.0]]], id="too few slots"),
        pytest.param([[["ab", 1.0]]] * SLOTS, id="no character"),
        pytest.param([[["A", 1.5]]] * SLOTS, id="no probability"),
        pytest.param([[["A", "x"]]] * SLOTS, id="text for a number"),
    ],
)
def test_what_is_no_record_is_refused(record: list[list[list[str | float]]]) -> None:
    with pytest.raises(ValueError, match=r"slots|character|probability"):
        from_record(record, text="A", confidence=1.0, frames=1)


@pytest.mark.proof(21)
def test_a_spoilt_record_is_evidence_or_refused(prove: Prove, often: Callable[[int, int], int]) -> None:
    good = [json.dumps(to_record(consensus_of(text, 0.4))).encode() for text in ("ABC1234", "A1")]

    def parse(data: bytes) -> None:
        try:
            record = json.loads(data)
        except ValueError:
            raise ValueError("no JSON") from None
        consensus = from_record(record, text="ABC1234", confidence=0.9, frames=3)
        assert consensus.slots.shape == (SLOTS, len(ALPHABET))
        assert np.isfinite(consensus.slots).all()

    slots = (5, [], [5], [[]], [["A"]], [["A", None]], [[c, 0.0] for c in ALPHABET])
    spoilt_values = (
        json.dumps(value).encode() for value in (None, 5, "x", {}, [], *([slot] * SLOTS for slot in slots))
    )
    met = meet(parse, [*spoilt_values, *spoilt(good, often(5_000, 200_000))], refusal=ValueError)
    prove(attempts=met.all, faults=met.refused)
