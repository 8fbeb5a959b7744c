"""Draw clean licence plates of several kinds and make up texts for them. Pure; seeded by the caller."""

from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from models.render.lettering import Picture, Rgb, draw_text

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_UNMISTAKABLE = "ABCDEFGHJKLMNPRSTUVWXYZ"
"""Letters without I, O and Q, which many countries leave out because they look like digits."""


@dataclass(frozen=True, slots=True)
class PlateStyle:
    """One kind of plate.

    Attributes:
        size_m: width and height of the metal.
        font: a name of `lettering.font_names`.
        patterns: A stands for a letter, 9 for a digit, a space for the gap or the line break.
        boxes: where each line of the text goes, as fractions of the plate.
        slogans: small texts above and below the number, one pair per issuer; empty: none.
        band: a blue band at the left edge.
        header: a blue strip along the top, with this word.
    """

    name: str
    size_m: tuple[float, float]
    font: str
    patterns: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    ink: Rgb = (18, 18, 22)
    paper: Rgb = (236, 236, 232)
    slogans: tuple[tuple[str, str], ...] = ()
    band: bool = False
    header: str = ""
    letters: str = _UNMISTAKABLE


_STATES = (
    ("CALIFORNIA", "dmv.ca.gov"),
    ("TEXAS", "THE LONE STAR STATE"),
    ("NEW YORK", "EXCELSIOR"),
    ("OREGON", ""),
    ("Colorado", ""),
    ("MICHIGAN", "GREAT LAKES"),
    ("ARIZONA", "GRAND CANYON STATE"),
)

STYLES: dict[str, PlateStyle] = {
    style.name: style
    for style in (
        PlateStyle(
            "us",
            (0.305, 0.152),
            "Dosis-Bold",
            ("9AAA999", "AAA 9999", "AAA 999", "AA9 9AA", "999 AAA"),
            ((0.06, 0.25, 0.94, 0.77),),
            ink=(24, 32, 92),
            paper=(240, 240, 236),
            slogans=_STATES,
        ),
        PlateStyle(
            "eu",
            (0.52, 0.11),
            "BarlowCondensed-SemiBold",
            ("AA 999 AA", "AA 99 AAA", "AAA 9999", "9999 AAA", "A AA 999"),
            ((0.115, 0.15, 0.965, 0.85),),
            band=True,
        ),
        PlateStyle(
            "uk-front",
            (0.52, 0.111),
            "BarlowSemiCondensed-Bold",
            ("AA99 AAA",),
            ((0.06, 0.16, 0.94, 0.84),),
        ),
        PlateStyle(
            "uk-rear",
            (0.52, 0.111),
            "BarlowSemiCondensed-Bold",
            ("AA99 AAA",),
            ((0.06, 0.16, 0.94, 0.84),),
            paper=(244, 200, 40),
        ),
        PlateStyle(
            "mercosur",
            (0.40, 0.13),
            "Overpass-Bold",
            ("AAA9A99", "AAA9999"),
            ((0.05, 0.33, 0.95, 0.91),),
            header="BRASIL",
        ),
        PlateStyle(
            "motorcycle",
            (0.20, 0.17),
            "Overpass-Bold",
            ("AAA 9A99", "AAA 9999"),
            ((0.16, 0.30, 0.84, 0.59), (0.06, 0.65, 0.94, 0.94)),
            header="BRASIL",
        ),
    )
}
"""Every style by its name."""


def random_text(style: PlateStyle, rng: Random) -> str:
    """A text in one of the style's patterns, with the gaps that people write."""
    pattern = rng.choice(style.patterns)
    return "".join(
        rng.choice(style.letters) if c == "A" else str(rng.randrange(10)) if c == "9" else c for c in pattern
    )


def bare(text: str) -> str:
    """The letters and digits of a plate text alone, as a reader should give them."""
    return "".join(c for c in text if c.isalnum())


def draw_plate(text: str, style: PlateStyle, *, width_px: int = 512, slogan: int = 0) -> Picture:
    """The plate seen straight on, sharp and clean.

    Args:
        text: letters, digits and gaps; for a style of two lines a space parts them.
        slogan: which of the style's slogans, modulo their number.

    Returns:
        shape (height of the style's proportion, width_px, 3), uint8, RGB.
    """
    height_px = round(width_px * style.size_m[1] / style.size_m[0])
    plate = np.empty((height_px, width_px, 3), np.uint8)
    plate[:] = np.linspace(1.0, 0.94, height_px, dtype=np.float32)[:, None, None] * np.array(
        style.paper, np.float32
    )
    if style.header:
        plate[: round(height_px * 0.24)] = (26, 62, 150)
        middle = 0.03 if len(style.boxes) == 1 else 0.035
        draw_text(
            plate,
            style.header,
            box=(0.3, middle, 0.7, 0.21),
            font="Overpass-Bold",
            ink=(240, 240, 240),
            stretch=1.0,
        )
    if style.band:
        _draw_band(plate)
    if style.slogans:
        above, below = style.slogans[slogan % len(style.slogans)]
        for words, box in ((above, (0.25, 0.045, 0.75, 0.19)), (below, (0.28, 0.83, 0.72, 0.95))):
            if words:
                draw_text(plate, words, box=box, font="Overpass-Bold", ink=(150, 34, 40), stretch=1.0)
    lines = text.split(" ", 1) if len(style.boxes) == 2 else [text]
    for line, box in zip(lines, style.boxes, strict=True):
        draw_text(plate, line, box=box, font=style.font, ink=style.ink)
    _emboss(plate, style)
    return plate


def _draw_band(plate: Picture) -> None:
    height, width = plate.shape[:2]
    band = round(width * 0.085)
    plate[:, :band] = (22, 58, 156)
    centre, ring = (band * 0.5, height * 0.36), height * 0.17
    for angle in np.arange(12) * np.pi / 6:
        star = (round(centre[0] + ring * np.sin(angle)), round(centre[1] + ring * np.cos(angle)))
        cv2.circle(plate, star, max(1, height // 45), (240, 206, 60), -1, cv2.LINE_AA)


def _emboss(plate: Picture, style: PlateStyle) -> None:
    """A pressed rim and two screws; changes `plate`."""
    height, width = plate.shape[:2]
    rim = max(2, height // 40)
    dark = tuple(int(c * 0.55) for c in style.paper)
    cv2.rectangle(plate, (rim, rim), (width - rim - 1, height - rim - 1), dark, max(1, rim // 2), cv2.LINE_AA)
    if style.slogans:
        for x in (0.14, 0.86):
            for y in (0.1, 0.9):
                cv2.circle(
                    plate,
                    (round(width * x), round(height * y)),
                    max(2, height // 36),
                    (120, 122, 126),
                    -1,
                    cv2.LINE_AA,
                )
