"""Characters as plate presses make them: one line of even width along a skeleton. Pure.

A skeleton is written on a square from 0,0 (top left) to 1,1. Points are joined by straight lines, `;` lifts
the pen, `*` rounds a corner, `z` closes the line. How round, how wide and how bold is up to the hand.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_SKELETONS = {
    "A": "0,1 .5,0 1,1;.18,.68 .82,.68",
    "B": "0,0 .92,0* .92,.48* 0,.48;0,.48 1,.48* 1,1* 0,1;0,0 0,1",
    "C": "1,.26 1,0* 0,0* 0,1* 1,1* 1,.74",
    "D": "0,0 1,0* 1,1* 0,1 z",
    "E": "1,0 0,0 0,1 1,1;0,.48 .86,.48",
    "F": "1,0 0,0 0,1;0,.5 .86,.5",
    "G": "1,.24 1,0* 0,0* 0,1* 1,1* 1,.54 .56,.54",
    "H": "0,0 0,1;1,0 1,1;0,.48 1,.48",
    "I": ".5,0 .5,1",
    "J": "1,0 1,1* 0,1* 0,.72",
    "K": "0,0 0,1;1,0 0,.62;.34,.44 1,1",
    "L": "0,0 0,1 1,1",
    "M": "0,1 0,0 .5,.58 1,0 1,1",
    "N": "0,1 0,0 1,1 1,0",
    "O": "0,0* 1,0* 1,1* 0,1* z",
    "P": "0,1 0,0 1,0* 1,.54* 0,.54",
    "Q": "0,0* 1,0* 1,1* 0,1* z;.58,.7 1,1",
    "R": "0,1 0,0 1,0* 1,.52* 0,.52;.5,.52 1,1",
    "S": "1,.24 1,0* 0,0* 0,.48* 1,.48* 1,1* 0,1* 0,.76",
    "T": "0,0 1,0;.5,0 .5,1",
    "U": "0,0 0,1* 1,1* 1,0",
    "V": "0,0 .5,1 1,0",
    "W": "0,0 .26,1 .5,.3 .74,1 1,0",
    "X": "0,0 1,1;1,0 0,1",
    "Y": "0,0 .5,.5 1,0;.5,.5 .5,1",
    "Z": "0,0 1,0 0,1 1,1",
    "0": "0,0* 1,0* 1,1* 0,1* z",
    "1": ".1,.22 .6,0 .6,1",
    "2": "0,.26 0,0* 1,0* 1,.42* 0,1 1,1",
    "3": "0,.22 0,0* .96,0* .96,.47* .35,.47;.35,.47 1,.47* 1,1* 0,1* 0,.78",
    "4": ".7,1 .7,0 0,.7 1,.7",
    "5": ".94,0 .04,0 .04,.42 1,.42* 1,1* 0,1* 0,.78",
    "6": "1,.22 1,0* 0,0* 0,1* 1,1* 1,.44* 0,.44",
    "7": "0,0 1,0 .36,1",
    "8": ".05,0* .95,0* .95,.47* .05,.47* z;0,.47* 1,.47* 1,1* 0,1* z",
    "9": "0,.78 0,1* 1,1* 1,0* 0,0* 0,.56* 1,.56",
}
_OTHER_SKELETONS = {
    "flat-a": {"A": "0,1 .4,0 .6,0 1,1;.16,.68 .84,.68"},
    "deep-m": {"M": "0,1 0,0 .5,.95 1,0 1,1"},
    "tent-w": {"W": "0,0 0,1 .5,.42 1,1 1,0"},
    "slab-i": {"I": ".5,0 .5,1;.12,0 .88,0;.12,1 .88,1"},
    "foot-1": {"1": ".1,.22 .52,0 .52,1;.08,1 .96,1"},
    "bar-1": {"1": ".5,0 .5,1"},
    "slash-0": {"0": "0,0* 1,0* 1,1* 0,1* z;.3,.7 .7,.3"},
    "flat-3": {"3": "0,0 1,0 .48,.4 1,.4* 1,1* 0,1* 0,.78"},
    "open-4": {"4": ".34,0 0,.66 1,.66;.72,.36 .72,1"},
    "straight-6": {
        "6": ".72,0 .02,.6;0,.42* 1,.42* 1,1* 0,1* z",
        "9": ".28,1 .98,.4;1,.58* 0,.58* 0,0* 1,0* z",
    },
    "square-2": {"2": "0,.24 0,0* 1,0* 1,.48* 0,.48* 0,1 1,1"},
    "curved-7": {"7": "0,0 1,0 1,.3* .36,.6* .36,1"},
    "tailed-q": {"Q": "0,0* 1,0* 1,.86* 0,.86* z;.5,.7 .9,1"},
    "steep-k": {"K": "0,0 0,1;1,0 0,.5;0,.5 1,1"},
    "even-r": {"R": "0,1 0,0 1,0* 1,.5* 0,.5;.12,.5 1,1"},
    "y-deep": {"Y": "0,0 0,.28* .5,.56 1,.28* 1,0;.5,.56 .5,1"},
}
"""Other ways to form one or two characters, which dies differ in."""
WAYS = tuple(_OTHER_SKELETONS)

_WIDTHS = {"I": 0.55, "1": 0.72, "M": 1.16, "W": 1.2, "J": 0.92, "L": 0.92, "E": 0.94, "F": 0.94}
_TALL_PX = 96
_ARC_STEPS = 7


@dataclass(frozen=True, slots=True)
class Hand:
    """How skeletons become shapes.

    Attributes:
        aspect: width of a common letter over its height.
        bold: width of the line over the height.
        round: radius of rounded corners over the letter's width; 0.5 makes an O of half circles.
        square_ends: lines end square, as in printed letters; pressed ones end round.
        even: every character has the same width.
        ways: names of `WAYS` to form single characters.
    """

    aspect: float
    bold: float
    round: float
    square_ends: bool = False
    even: bool = False
    ways: tuple[str, ...] = ()


def letter_shape(character: str, hand: Hand) -> npt.NDArray[np.uint8]:
    """One character as coverage, shape (96, w), uint8, filled to the edges.

    Raises:
        KeyError: no skeleton for the character.
    """
    skeleton = _SKELETONS[character]
    for way in hand.ways:
        skeleton = _OTHER_SKELETONS[way].get(character, skeleton)
    line = max(2, round(hand.bold * _TALL_PX))
    if (character == "I" and "slab-i" not in hand.ways) or (character == "1" and "bar-1" in hand.ways):
        wide = line + 2
    else:
        wide = round(hand.aspect * _TALL_PX * (1.0 if hand.even else _WIDTHS.get(character, 1.0)))
    sheet = np.zeros((_TALL_PX, wide), np.uint8)
    inner = np.array([wide - line, _TALL_PX - line], np.float64)
    radius = hand.round * wide - line / 2
    for stroke in skeleton.split(";"):
        points, rounded, closed = _parsed(stroke)
        track = points * inner + line / 2
        path = _filleted(track, rounded, closed=closed, radius=max(radius, 1.0))
        cv2.polylines(sheet, [np.rint(path * 16).astype(np.int32)], closed, 255, line, cv2.LINE_AA, 4)
        if hand.square_ends:
            _square(sheet, track, rounded, line)
    return sheet


def _parsed(stroke: str) -> tuple[npt.NDArray[np.float64], list[bool], bool]:
    words = stroke.split()
    closed = words[-1] == "z"
    words = words[:-1] if closed else words
    points = np.array([[float(v) for v in word.rstrip("*").split(",")] for word in words])
    return points, [word.endswith("*") for word in words], closed


def _filleted(
    way: npt.NDArray[np.float64], rounded: list[bool], *, closed: bool, radius: float
) -> npt.NDArray[np.float64]:
    """The line with its marked corners replaced by arcs (quadratic curves, close enough to circles)."""
    count = len(way)
    path: list[npt.NDArray[np.float64]] = []
    for index in range(count):
        here = way[index]
        if not rounded[index] or (not closed and index in (0, count - 1)):
            path.append(here)
            continue
        before, after = way[index - 1], way[(index + 1) % count]
        legs = []
        for end, free in ((before, not rounded[index - 1]), (after, not rounded[(index + 1) % count])):
            length = float(np.hypot(*(end - here)))
            reach = min(radius, length if free else length / 2)
            legs.append(here + (end - here) * (reach / max(length, 1e-6)))
        for t in np.linspace(0, 1, _ARC_STEPS):
            # A cubic with handles at 0.55 of the leg is a quarter circle to 0.03 %.
            a, d = legs
            b, c = a + (here - a) * 0.55, d + (here - d) * 0.55
            path.append((1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d)
    return np.asarray(path)


def _square(
    sheet: npt.NDArray[np.uint8], way: npt.NDArray[np.float64], rounded: list[bool], line: int
) -> None:
    """Fill the corners that a round pen leaves open at ends and sharp corners of upright lines."""
    for index, here in enumerate(way):
        near = [way[i] for i in (index - 1, index + 1) if 0 <= i < len(way)]
        if not rounded[index] and all(abs(n - here).min() < 1 for n in near):
            x, y = (round(float(v) - line / 2) for v in here)
            cv2.rectangle(sheet, (x, y), (x + line - 1, y + line - 1), 255, -1)
