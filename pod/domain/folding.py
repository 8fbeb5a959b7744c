"""The recogniser's characters with those summed up that `plates.match_key` takes for one. Pure."""

import numpy as np
import numpy.typing as npt

from pod.domain.plates import match_key
from pod.domain.reads import ALPHABET

_FOLDED = tuple(match_key(c) or c for c in ALPHABET)

CLASSES = "".join(sorted(set(_FOLDED)))
"""One character per class; the padding character is a class of its own."""

PAD_CLASS = CLASSES.index(ALPHABET[-1])


def _matrix() -> npt.NDArray[np.float64]:
    matrix = np.zeros((len(ALPHABET), len(CLASSES)))
    for row, name in enumerate(_FOLDED):
        matrix[row, CLASSES.index(name)] = 1
    return matrix


FOLD = _matrix()
"""Shape (len(ALPHABET), len(CLASSES)): probabilities of characters times this are those of classes."""
