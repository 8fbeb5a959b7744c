"""Readings and entries, made to order."""

import numpy as np

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.evidence import Consensus
from pod.domain.plates import match_key
from pod.domain.reads import ALPHABET, SLOTS


def read_as(
    text: str, confidence: float = 0.99, *, doubt: dict[int, dict[str, float]] | None = None
) -> Consensus:
    """A reading with `confidence` in every slot; `doubt` gives single slots shares of their own."""
    slots = np.full((SLOTS, len(ALPHABET)), (1 - confidence) / (len(ALPHABET) - 1), np.float32)
    for i, c in enumerate(text.ljust(SLOTS, "_")[:SLOTS]):
        slots[i, ALPHABET.index(c)] = confidence
    for i, shares in (doubt or {}).items():
        slots[i] = (1 - sum(shares.values())) / (len(ALPHABET) - len(shares))
        for c, share in shares.items():
            slots[i, ALPHABET.index(c)] = share
    lowest = min([confidence, *(shares[text[i]] for i, shares in (doubt or {}).items())])
    return Consensus(text, lowest, slots, 3)


def entry(plate: str = "AB123CD", verdict: Verdict = Verdict.ALLOW, **kwargs: object) -> Entry:
    kind = kwargs.pop("type", EntryType.RESIDENT)
    return Entry(match_key(plate), plate, verdict, kind, **kwargs)


def deny(plate: str = "AB123CD", **kwargs: object) -> Entry:
    return entry(plate, Verdict.DENY, **kwargs)
