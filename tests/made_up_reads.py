"""Reads with planted errors, for tests of how false opens are measured."""

from pathlib import Path

import numpy as np

from pod.domain.reads import ALPHABET, SLOTS
from pod.services.false_opens.crops import LabelledCrop, Reads


def slots_of(text: str, sure: float = 0.97) -> np.ndarray:
    """`sure` on each character, the rest spread evenly."""
    slots = np.full((SLOTS, len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1), np.float32)
    for place, character in enumerate(text.ljust(SLOTS, "_")):
        slots[place, ALPHABET.index(character)] = sure
    return slots


def a_crop(key: str, number: int = 0, *, held_out: bool = True) -> LabelledCrop:
    return LabelledCrop(Path(f"{key}-{number}.jpg"), key, "made up", held_out)


def planted(
    plates: int,
    *,
    form: str = "NNN",
    misread: float = 0.0,
    lie: tuple[str, str] | None = None,
    seed: int = 0,
) -> Reads:
    """Reads of random plates, each sure of itself.

    Args:
        misread: how often a character is taken for another of its kind, drawn evenly.
        lie: a character, and the one it is always taken for.
    """
    rng = np.random.default_rng(seed)
    kinds = {"N": "0123456789", "L": "ABCDEFGHJKLMNPRSTUVWXYZ"}
    crops, slots = [], []
    for number in range(plates):
        key = "".join(rng.choice(list(kinds[kind])) for kind in form)
        read = [
            rng.choice([c for c in kinds[kind] if c != own]) if rng.random() < misread else own
            for kind, own in zip(form, key, strict=True)
        ]
        if lie is not None:
            read = [lie[1] if c == lie[0] else c for c in read]
        crops.append(a_crop(key, number))
        slots.append(slots_of("".join(read)))
    return Reads(tuple(crops), np.stack(slots))
