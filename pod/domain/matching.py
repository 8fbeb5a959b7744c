"""Which listed plates a track's evidence may mean, and how surely. Pure.

A reading means a listed plate exactly, or but for one character that is a known confusion of the one read.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

from pod.domain.confusions import WEIGHT_FLOOR, has_gap, known_confusion, neighbours
from pod.domain.entry import Entry, Verdict
from pod.domain.evidence import Consensus
from pod.domain.folding import CLASSES, FOLD
from pod.domain.index import AccessIndex
from pod.domain.plates import match_key
from pod.domain.reads import ALPHABET

_PAD = ALPHABET[-1]


@dataclass(frozen=True, slots=True)
class Match:
    """How well the evidence of a track fits one plate.

    Attributes:
        plate: the plate as the list is compared: the match key, or the canonical form where the country tells
            O from 0.
        exact: whether it is the most likely reading itself.
        confidence: the lowest probability of a character of it, padding included, 0..1.
        but_for_one: the same with the most doubtful character taken together with the known confusion that
            competes with it: how sure everything else is.
        ratio: how much more the evidence speaks for the most likely reading, at least 1. What any other
            character gets in that place counts as noise and is taken off both, so that a blur that makes all
            characters likelier favours none.
        weight: probability against that of the most likely reading in the place where they differ; 1 where
            exact.
    """

    plate: str
    exact: bool
    confidence: float
    but_for_one: float
    ratio: float
    weight: float


class Matcher:
    """Compares plates with one reading.

    Args:
        apart: whether O and 0, and I and 1, are different characters.
    """

    def __init__(self, consensus: Consensus, *, apart: bool) -> None:
        self._apart = apart
        self._consensus = consensus
        self._characters = ALPHABET if apart else CLASSES
        slots = np.asarray(consensus.slots, np.float64)
        folded = slots @ FOLD
        self._slots = slots if apart else folded
        self._members = np.ones(len(ALPHABET)) if apart else FOLD.sum(axis=0)
        self._gapped = has_gap(folded, len(consensus.text))
        self.read = consensus.text if apart else match_key(consensus.text)

    @property
    def confidence(self) -> float:
        """How sure the most likely reading is, 0..1."""
        exact = self._match(self.read)
        return exact.confidence if exact is not None else 0.0

    def match(self, entry: Entry) -> Match | None:
        """How well the evidence fits an entry's plate; None where it may not mean it at all."""
        return self._match(entry.plate if self._apart else entry.key)

    def _match(self, form: str) -> Match | None:
        if len(form) != len(self.read):
            return None
        differing = [i for i, (a, b) in enumerate(zip(self.read, form, strict=True)) if a != b]
        if not differing:
            return self._exact(form)
        if (
            self._gapped
            or len(differing) > 1
            or not self._confusable(self.read[differing[0]], form[differing[0]])
        ):
            return None
        return self._near(form, differing[0])

    def _exact(self, form: str) -> Match:
        if self._gapped:
            confidence = 0.0 if self._apart else self._consensus.confidence
            return Match(form, True, confidence, 0.0, 1.0, 1.0)
        chosen = self._chosen(form)
        confidence = self._consensus.confidence
        if self._apart:
            confidence = min(confidence, float(chosen.min()))
        doubtful = int(chosen.argmin())
        own = form[doubtful] if doubtful < len(form) else _PAD
        rival = max((self._probability(doubtful, c) for c in self._rivals(own)), default=0.0)
        but_for_one = min(_least_without(chosen, doubtful), float(chosen[doubtful]) + rival)
        return Match(form, True, confidence, but_for_one, 1.0, 1.0)

    def _near(self, form: str, place: int) -> Match | None:
        chosen = self._chosen(form)
        listed, read = float(chosen[place]), self._probability(place, self.read[place])
        if listed < WEIGHT_FLOOR:
            return None
        own, other = self._characters.index(form[place]), self._characters.index(self.read[place])
        noise = float(np.delete(self._slots[place] / self._members, [own, other]).max())
        listed_excess = listed - noise * self._members[own]
        read_excess = read - noise * self._members[other]
        but_for_one = min(_least_without(chosen, place), listed + read)
        ratio = max(1.0, float(read_excess / listed_excess)) if listed_excess > 0 else inf
        weight = min(1.0, listed / read) if read > 0 else 0.0
        return Match(form, False, float(chosen.min()), but_for_one, ratio, weight)

    def _chosen(self, form: str) -> npt.NDArray[np.float64]:
        """The probability of each of a plate's characters, and of padding after it."""
        places = [self._characters.index(c) for c in form.ljust(len(self._slots), _PAD)]
        return np.asarray(self._slots[np.arange(len(places)), places])

    def _probability(self, place: int, character: str) -> float:
        return float(self._slots[place, self._characters.index(character)])

    def _confusable(self, a: str, b: str) -> bool:
        folded_a, folded_b = match_key(a), match_key(b)
        return folded_a == folded_b or known_confusion(folded_a, folded_b)

    def _rivals(self, character: str) -> tuple[str, ...]:
        """The characters that compete with one for its place."""
        if character == _PAD:
            return ()
        return tuple(
            c for c in self._characters if c not in (character, _PAD) and self._confusable(c, character)
        )


def confusable_with(entry: Entry, index: AccessIndex) -> tuple[Entry, ...]:
    """The other listed plates that let in and lie one known confusion away from an entry's plate.

    Such plates must not both be listed unless readings of them have to be exact (`Entry.exact_only`): a
    doubtful reading of the one opens for the other, or for neither. Plates of one match key are not among
    them: they are one plate to the list unless one of them is exact-only.
    """
    found = [other for key in neighbours(entry.key) for other in index.by_key(key)]
    return tuple(other for other in found if other.verdict is Verdict.ALLOW)


def _least_without(values: npt.NDArray[np.float64], place: int) -> float:
    return float(np.delete(values, place).min())
