"""The evidence of a track in the few numbers an audit row keeps, and back again. Pure.

Kept are the likeliest characters of each slot; what is left of a slot's probability is spread over the
others, as nothing more is known of them. Deciding again from the record gives what was decided then, as far
as the characters that were left out could not have mattered.
"""

import numpy as np

from pod.domain.evidence import Consensus
from pod.domain.reads import ALPHABET, SLOTS

KEPT_A_SLOT = 4
"""Characters kept of each slot."""

LEAST = 0.002
"""Less likely characters are not kept."""

_DIGITS = 4

SlotRecord = list[list[str | float]]
"""Pairs of a character and its probability, the likeliest first; "_" pads."""


def to_record(consensus: Consensus) -> list[SlotRecord]:
    """One list of pairs per slot, JSON values; empty where nothing was read."""
    if consensus.frames == 0:
        return []
    return [_slot(row) for row in consensus.slots]


def from_record(record: object, *, text: str, confidence: float, frames: int) -> Consensus:
    """The consensus that was recorded.

    Args:
        record: as `to_record` made it, or whatever else came out of a row's JSON.
        text, confidence, frames: as the row has them beside the record.

    Raises:
        ValueError: not a record of evidence.
    """
    slots = np.empty((SLOTS, len(ALPHABET)), np.float32)
    if not isinstance(record, list) or len(record) != SLOTS:
        raise ValueError(f"the evidence is no list of {SLOTS} slots")
    for row, pairs in zip(slots, record, strict=True):
        kept = _kept(pairs)
        rest = max(0.0, 1.0 - sum(kept.values()))
        row[:] = rest / (len(ALPHABET) - len(kept))
        for character, probability in kept.items():
            row[character] = probability
    return Consensus(text, confidence, slots, frames)


def _slot(row: np.ndarray[tuple[int], np.dtype[np.float32]]) -> SlotRecord:
    best = np.argsort(-row, kind="stable")[:KEPT_A_SLOT]
    return [
        [ALPHABET[c], round(float(row[c]), _DIGITS)] for n, c in enumerate(best) if n == 0 or row[c] >= LEAST
    ]


def _kept(pairs: object) -> dict[int, float]:
    """Place in the alphabet -> probability, of one slot."""
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError("a slot of the evidence is no list of pairs of a character and its probability")
    kept = {_character(character): _probability(probability) for character, probability in pairs}
    if len(kept) == len(ALPHABET):
        raise ValueError("a slot of the evidence leaves no character out")
    return kept


def _character(value: object) -> int:
    if not isinstance(value, str) or len(value) != 1 or value not in ALPHABET:
        raise ValueError(f"{value!r} is no character of a plate")
    return ALPHABET.index(value)


def _probability(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no probability")
    return float(value)
