"""Which characters recognisers mistake for each other, and the plates one such mistake away. Pure."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pod.domain.evidence import Consensus
from pod.domain.folding import CLASSES, FOLD, PAD_CLASS
from pod.domain.plates import match_key

_MEASURED = "0D 0Q 8B VW 56 HM HR 17 1T CG BR 27 2Z VY MW 68 DQ 09 59 HW NW 38 0C 13 1L MN 0U 19"
"""Pairs that the bundled and the upstream recogniser mistake for each other. Chosen on validation crops, then
held against training crops, plain and spoilt, which took out three that nothing else had shown: `platebridge
models false-opens --check`."""

_DRAWN_ALIKE = "5S 6G"
"""Pairs that plate fonts draw alike and of which those crops hold too few to tell."""

CONFUSED_WITH = {
    c: "".join(sorted(pair.replace(c, "") for pair in f"{_MEASURED} {_DRAWN_ALIKE}".split() if c in pair))
    for c in CLASSES
}
"""For each character, as `plates.match_key` folds it, those it is known to be mistaken for."""

WEIGHT_FLOOR = 0.005
"""A probability below this is no evidence for a character."""


def known_confusion(a: str, b: str) -> bool:
    """Whether recognisers mistake these two different characters, folded by `match_key`, for each other."""
    return b in CONFUSED_WITH[a]


def neighbours(key: str) -> Iterator[str]:
    """Every match key one known confusion away from `key`; each once, `key` itself never."""
    for i, c in enumerate(key):
        for other in CONFUSED_WITH.get(c, ""):
            yield f"{key[:i]}{other}{key[i + 1 :]}"


def has_gap(folded_slots: npt.NDArray[np.floating], length: int) -> bool:
    """Whether padding stands among the first `length` characters of a reading: their places are unsure then.

    Args:
        folded_slots: shape (SLOTS, len(CLASSES)), probabilities.
    """
    return length > len(folded_slots) or bool((folded_slots[:length].argmax(axis=1) == PAD_CLASS).any())


def likely_neighbours(consensus: Consensus) -> Iterator[str]:
    """The match keys one known confusion away from the reading that the evidence gives any weight.

    None where the reading has a gap inside, for its characters then have no certain place.
    """
    key = match_key(consensus.text)
    slots = consensus.slots @ FOLD
    if has_gap(slots, len(key)):
        return
    for i, c in enumerate(key):
        for other in CONFUSED_WITH[c]:
            if slots[i, CLASSES.index(other)] >= WEIGHT_FLOOR:
                yield f"{key[:i]}{other}{key[i + 1 :]}"
