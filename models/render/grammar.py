"""Make up plate texts from patterns. Pure; seeded by the caller.

A pattern is written as a plate is read:

    A letter   9 digit   # either   V a word as owners choose them
    space gap   - dash   . dot   * emblem   / next line
    {AB|CD} one of these, as they stand   <AB|CD> the same, small and stacked
    [12|13] one of these, small, and no part of the number
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
UNMISTAKABLE = "ABCDEFGHJKLMNPRSTUVWXYZ"
"""Letters without I, O and Q, which many countries leave out because they look like digits."""
MOST_CHARACTERS = 10
"""A reader answers with at most so many."""

Form = Literal["full", "stacked", "side", "gap", "dash", "dot", "emblem"]
_SEPARATORS: dict[str, Form] = {" ": "gap", "-": "dash", ".": "dot", "*": "emblem"}
_CLOSING = {"{": "}", "<": ">", "[": "]"}
_FORMS: dict[str, Form] = {"{": "full", "<": "stacked", "[": "side"}

_ONSETS = ("B", "C", "D", "F", "G", "H", "J", "K", "L", "M", "N", "P", "R", "S", "T", "V", "W", "Z")
_CLUSTERS = ("BR", "CH", "CL", "DR", "FL", "GR", "KN", "PL", "SH", "SK", "ST", "TH", "TR", "WH", "QU", "PH")
_VOWELS = ("A", "E", "I", "O", "U", "Y", "EE", "OO", "EA", "AI", "OU")
_CODAS = ("", "", "N", "R", "S", "T", "L", "X", "CK", "NG", "ST", "LL", "RD", "M", "D", "P", "Z")


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing pressed into a line.

    Attributes:
        text: the character, the characters one above the other, or nothing for a separator.
    """

    form: Form
    text: str = ""

    @property
    def counted(self) -> str:
        """What a reader should answer for this mark."""
        return self.text if self.form in ("full", "stacked") else ""


Written = tuple[tuple[Mark, ...], ...]
"""Marks line by line."""


def written(pattern: str, *, letters: str, rng: Random) -> Written:
    """A text in `pattern`, at most `MOST_CHARACTERS` long if the pattern is.

    Args:
        letters: what A and # are drawn from.
    """
    lines: list[tuple[Mark, ...]] = []
    marks: list[Mark] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        if sign == "/":
            lines.append(tuple(marks))
            marks = []
        elif sign in _CLOSING:
            end = pattern.index(_CLOSING[sign], at)
            chosen = rng.choice(pattern[at:end].split("|"))
            at = end + 1
            if sign == "{":
                marks += [Mark(_SEPARATORS[c]) if c in _SEPARATORS else Mark("full", c) for c in chosen]
            elif chosen:
                marks.append(Mark(_FORMS[sign], chosen))
        elif sign in _SEPARATORS:
            marks.append(Mark(_SEPARATORS[sign]))
        elif sign == "V":
            marks += [Mark("full", c) if c != " " else Mark("gap") for c in _wish(rng)]
        else:
            marks.append(Mark("full", _drawn(sign, letters, rng)))
    return (*lines, tuple(marks))


def truth(text: Written) -> str:
    """What a reader should answer: letters and digits, line by line."""
    return "".join(mark.counted for line in text for mark in line)


def _drawn(sign: str, letters: str, rng: Random) -> str:
    if sign == "9" or (sign == "#" and rng.random() < 0.4):
        return str(rng.randrange(10))
    if sign in "A#":
        return rng.choice(letters)
    raise ValueError(f"{sign!r} means nothing in a plate pattern; put it in braces to print it")


def _wish(rng: Random) -> str:
    """A word of 3 to 7 characters, half of them with a digit or a gap, as owners choose them."""
    word = ""
    while len(word) < rng.randint(2, 6):
        onset = rng.choice(_ONSETS if rng.random() < 0.75 else _CLUSTERS)
        word += onset + rng.choice(_VOWELS) + (rng.choice(_CODAS) if rng.random() < 0.5 else "")
    word = word[:7]
    kind = rng.random()
    if kind < 0.2:
        word = "".join(c for i, c in enumerate(word) if i == 0 or c not in "AEIOU") or word
    elif kind < 0.4:
        word = word[:5] + str(rng.choice((1, 2, 3, 4, 5, 7, 8, 9, 21, 66, 88)))
    elif kind < 0.55 and len(word) > 4:
        cut = rng.randint(2, len(word) - 2)
        word = word[:cut] + " " + word[cut:]
    elif kind < 0.62:
        word = str(rng.choice((1, 2, 4, 8))) + word[:5]
    while len(word) < 3:
        word += rng.choice(UNMISTAKABLE)
    return word
