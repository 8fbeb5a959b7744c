"""The dies that plates are pressed and printed with, each a drawn hand or a bundled font. Pure; cached."""

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from models.render.lettering import FONTS
from models.render.strokes import Hand, letter_shape

Mask = npt.NDArray[np.uint8]
"""Coverage, shape (h, w), uint8: 0 none, 255 full."""

_TALL_PX = 96
_FONT_PX = 144
_WORD_PX = 48


@dataclass(frozen=True, slots=True)
class Die:
    """A set of characters.

    Attributes:
        hand: a `Hand`, or the name of a bundled font.
        narrow: width factor; below 1 the letters are condensed.
        bolder: pixels that lines grow (or shrink) on each side, at 96 px letter height.
        drawn_as: characters that this die draws like others, as British plates draw 0 like O.
    """

    hand: Hand | str
    narrow: float = 1.0
    bolder: int = 0
    drawn_as: tuple[tuple[str, str], ...] = ()


DIES: dict[str, Die] = {
    # North America: pressed lines with round ends, narrow, the corners between round and square.
    "us-california": Die(Hand(0.47, 0.125, 0.36, ways=("flat-3",))),
    "us-narrow": Die(Hand(0.42, 0.12, 0.42, ways=("open-4",))),
    "us-slim": Die(Hand(0.40, 0.10, 0.30, ways=("flat-a",))),
    "us-wide": Die(Hand(0.54, 0.14, 0.40, ways=("foot-1",))),
    "us-square": Die(Hand(0.46, 0.14, 0.20, ways=("flat-a", "slab-i", "foot-1"))),
    "us-bold": Die(Hand(0.50, 0.165, 0.38, ways=("slab-i",))),
    "us-slash": Die(Hand(0.48, 0.125, 0.42, ways=("slash-0", "slab-i", "flat-3"))),
    "us-round": Die(Hand(0.52, 0.12, 0.50, ways=("straight-6", "foot-1"))),
    "us-tall": Die(Hand(0.36, 0.11, 0.34, ways=("curved-7",))),
    "us-old": Die(Hand(0.46, 0.11, 0.22, ways=("square-2", "flat-3", "open-4"))),
    "us-traced": Die("TracedGothic-Narrow", bolder=2, narrow=0.95),
    "us-flat": Die("LeagueGothic-Regular", narrow=1.15),
    "us-print": Die("Arimo-Bold", narrow=0.76),
    "us-oswald": Die("Oswald-SemiBold", narrow=0.95),
    "us-fjalla": Die("FjallaOne-Regular", narrow=0.95),
    "us-dosis": Die("Dosis-Bold"),
    # Europe
    "de-fe": Die(Hand(0.60, 0.155, 0.40, True, True, ways=("straight-6", "open-4", "foot-1", "slab-i"))),
    "de-fe-narrow": Die(Hand(0.52, 0.15, 0.42, True, True, ways=("straight-6", "open-4", "slab-i"))),
    "fe-sometype": Die("SometypeMono-Bold", narrow=0.92),
    "fe-b612": Die("B612Mono-Bold", narrow=0.85),
    "fe-overpass": Die("OverpassMono-Bold", bolder=1, narrow=0.9),
    "fe-redhat": Die("RedHatMono-SemiBold", bolder=1, narrow=0.9),
    "din": Die("OSP-DIN", narrow=1.05),
    "din-drawn": Die(Hand(0.50, 0.145, 0.46, True, ways=("straight-6", "open-4"))),
    "din-narrow": Die(Hand(0.43, 0.135, 0.46, True, ways=("straight-6",))),
    "fr": Die(Hand(0.48, 0.135, 0.44, True, ways=("foot-1", "open-4", "slab-i"))),
    "fr-arial": Die("ArchivoNarrow-Bold"),
    "it": Die(Hand(0.52, 0.125, 0.40, ways=("flat-a", "deep-m"))),
    "nl": Die(Hand(0.56, 0.15, 0.36, True, ways=("flat-3", "deep-m", "steep-k"))),
    "be": Die(Hand(0.58, 0.145, 0.45, ways=("slab-i", "foot-1"))),
    "pl": Die(Hand(0.54, 0.135, 0.46, ways=("open-4", "deep-m"))),
    "es": Die(Hand(0.53, 0.14, 0.40, ways=("foot-1",))),
    "nordic": Die(Hand(0.56, 0.145, 0.42, True, ways=("straight-6",))),
    "nordic-arial": Die("Arimo-Bold", narrow=0.86),
    "swiss": Die(Hand(0.55, 0.15, 0.30, True, ways=("deep-m",))),
    "barlow": Die("BarlowSemiCondensed-Bold"),
    "barlow-condensed": Die("BarlowCondensed-SemiBold", bolder=1),
    "uk": Die(Hand(0.633, 0.177, 0.44, True, ways=("bar-1",))),
    "uk-old": Die(Hand(0.70, 0.185, 0.46, True, ways=("bar-1", "deep-m"))),
    "uk-carbon": Die("Overpass-Bold", bolder=2, narrow=0.93, drawn_as=(("0", "O"),)),
    # Elsewhere
    "br": Die(Hand(0.60, 0.15, 0.38, True, ways=("bar-1",))),
    "br-press": Die(Hand(0.56, 0.14, 0.34, ways=("bar-1",))),
    "ar-old": Die(Hand(0.56, 0.14, 0.30, ways=("flat-a",))),
    "gost": Die(Hand(0.60, 0.155, 0.46, True, ways=("straight-6", "foot-1", "steep-k"))),
    "tr": Die(Hand(0.50, 0.13, 0.44, True)),
    "arial": Die("Arimo-Bold", narrow=0.9),
    "arial-narrow": Die("ArchivoNarrow-Bold", narrow=0.95),
    "pragati": Die("PragatiNarrow-Bold"),
    "rounded": Die("MPLUSRounded1c-ExtraBold", narrow=0.88),
    "traced": Die("TracedGothic-Regular", bolder=3),
    "rajdhani": Die("Rajdhani-Bold", bolder=1),
    "gemunu": Die("GemunuLibre-Bold", bolder=1),
    "bebas": Die("BebasNeue-Regular"),
    "antonio": Die("Antonio-Bold"),
    "shoulders": Die("BigShouldersDisplay-Bold"),
    "smooch": Die("SmoochSans-Bold", bolder=1),
    "staatliches": Die("Staatliches-Regular"),
    "times": Die("Tinos-Bold", narrow=0.9),
    "slab": Die("Rokkitt-Bold", narrow=0.95),
    "au": Die(Hand(0.44, 0.13, 0.38, ways=("foot-1", "slab-i"))),
    "au-print": Die(Hand(0.50, 0.14, 0.42, True)),
}
"""Every die by its name."""


@cache
def glyph(die: str, character: str) -> Mask:
    """One letter or digit, 96 px high, cut to its ink.

    Raises:
        KeyError: an unknown die, or a drawn hand without that character.
    """
    made = DIES[die]
    drawn = dict(made.drawn_as).get(character, character)
    shape = _from_font(made.hand, drawn) if isinstance(made.hand, str) else letter_shape(drawn, made.hand)
    if made.bolder:
        shape = _grown(shape, made.bolder)
    if made.narrow != 1.0:
        shape = cv2.resize(shape, (max(4, round(shape.shape[1] * made.narrow)), shape.shape[0]))
    return np.asarray(shape, np.uint8)


def _grown(shape: Mask, by: int) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(by) + 1,) * 2)
    if by < 0:
        return np.asarray(cv2.erode(shape, kernel), np.uint8)
    padded = cv2.copyMakeBorder(shape, by, by, by, by, cv2.BORDER_CONSTANT, value=0)
    thick = cv2.dilate(padded, kernel)
    return np.asarray(cv2.resize(thick, (thick.shape[1], _TALL_PX), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _face(font: str, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / f"{font}.ttf", size_px)


def _from_font(font: str, character: str) -> Mask:
    sheet = Image.new("L", (_FONT_PX * 2, _FONT_PX * 2), 0)
    ImageDraw.Draw(sheet).text(
        (_FONT_PX // 2, _FONT_PX // 4), character, font=_face(font, _FONT_PX), fill=255
    )
    ink = np.asarray(sheet.crop(sheet.getbbox() or (0, 0, 1, 1)))
    wide = max(3, round(ink.shape[1] * _TALL_PX / ink.shape[0]))
    return np.asarray(cv2.resize(ink, (wide, _TALL_PX), interpolation=cv2.INTER_AREA), np.uint8)


@lru_cache(maxsize=4096)
def words(text: str, font: str) -> Mask:
    """A line of small print in a bundled font, cut to its ink, about 48 px high; an empty text is 1 x 1."""
    sheet = Image.new("L", (int(_face(font, _WORD_PX).getlength(text)) + 2 * _WORD_PX, _WORD_PX * 2), 0)
    ImageDraw.Draw(sheet).text((_WORD_PX // 2, _WORD_PX // 4), text, font=_face(font, _WORD_PX), fill=255)
    return np.asarray(sheet.crop(sheet.getbbox() or (0, 0, 1, 1)))
