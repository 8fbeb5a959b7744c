"""What the recogniser reads: ten slots of 37 characters, from a rectangle of 128 x 64 pixels. Pure."""

import hashlib

import numpy as np
import numpy.typing as npt

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
PAD = len(ALPHABET) - 1
SLOTS = 10
HEIGHT_PX, WIDTH_PX = 64, 128

_HELD_OUT_OF_256 = 13
_LOOK_ALIKES = str.maketrans("OI", "01")

Shares = npt.NDArray[np.float32]
"""Shape (SLOTS, len(ALPHABET)): a probability for every character of every slot."""


def encode(text: str) -> list[int]:
    """Indices into ALPHABET, padded to SLOTS; "" is all padding: nothing to read.

    Raises:
        ValueError: the text is longer than SLOTS, or has a character that is not in ALPHABET.
    """
    if len(text) > SLOTS:
        raise ValueError(f"{text}: longer than {SLOTS} characters")
    return [ALPHABET.index(c) for c in text] + [PAD] * (SLOTS - len(text))


def one_hot(text: str) -> Shares:
    """Certainty about a text."""
    return np.eye(len(ALPHABET), dtype=np.float32)[encode(text)]


def decode(indices: npt.NDArray[np.integer]) -> str:
    """The text of slot indices, shape (SLOTS,), without the padding at its end."""
    return "".join(ALPHABET[i] for i in indices).rstrip(ALPHABET[PAD])


def fold(text: str) -> str:
    """O written as 0 and I as 1, which most plate fonts draw alike."""
    return text.translate(_LOOK_ALIKES)


def is_held_out(text: str) -> bool:
    """Whether crops of this text are kept from training, to choose and calibrate by: one text in twenty.

    By text, as several pictures of one plate are nearly one picture; by a hash, so that a set that
    grows keeps its parts.
    """
    return hashlib.sha256(fold(text).encode()).digest()[0] < _HELD_OUT_OF_256
