"""Which characters recognisers mistake for each other, and the plates one such mistake away. Pure."""

from collections.abc import Iterator

from pod.domain.evidence import Consensus
from pod.domain.folding import CLASSES, FOLD, PAD_CLASS
from pod.domain.plates import match_key

_PAIRS = "0D 0Q 0C 0G 0U 8B 5S 2Z 1L 1T 17 1J CG UV VY MN MH HN KX PR EF VW 6G 4A 3B 8S 86 83 5G 9G 89 7T"

CONFUSED_WITH = {
    c: "".join(sorted(pair.replace(c, "") for pair in _PAIRS.split() if c in pair)) for c in CLASSES
}
"""For each character, as `plates.match_key` folds it, those it is known to be mistaken for."""

WEIGHT_FLOOR = 1e-3
"""A probability below this is no evidence for a character."""


def known_confusion(a: str, b: str) -> bool:
    """Whether recognisers mistake these two different characters, folded by `match_key`, for each other."""
    return b in CONFUSED_WITH[a]


def neighbours(key: str) -> Iterator[str]:
    """Every match key one known confusion away from `key`; each once, `key` itself never."""
    for i, c in enumerate(key):
        for other in CONFUSED_WITH.get(c, ""):
            yield f"{key[:i]}{other}{key[i + 1 :]}"


def likely_neighbours(consensus: Consensus) -> Iterator[str]:
    """The match keys one known confusion away from the reading that the evidence gives any weight.

    None where the reading has a gap inside, for its characters then have no certain place.
    """
    key = match_key(consensus.text)
    slots = consensus.slots @ FOLD
    if len(key) > len(slots) or (slots[: len(key)].argmax(axis=1) == PAD_CLASS).any():
        return
    for i, c in enumerate(key):
        for other in CONFUSED_WITH[c]:
            if slots[i, CLASSES.index(other)] >= WEIGHT_FLOOR:
                yield f"{key[:i]}{other}{key[i + 1 :]}"
