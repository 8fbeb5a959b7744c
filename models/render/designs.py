"""What makes one kind of plate: size, texts, colours, dies and ornaments. Pure data."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from models.render.grammar import UNMISTAKABLE
from models.render.lettering import Picture, Rgb

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 as fractions of the plate."""
Ornament = Callable[[Picture, Random], None]
"""Draws something that is no part of the number; changes the picture."""

WHITE, CREAM, YELLOW, BLACK = (238, 238, 234), (228, 224, 208), (246, 198, 30), (18, 18, 20)


@dataclass(frozen=True, slots=True)
class Look:
    """Colours of one issue.

    Attributes:
        paper: one or more colours, blended from top to bottom.
        ink: of the number.
    """

    paper: tuple[Rgb, ...] = (WHITE,)
    ink: Rgb = BLACK


@dataclass(frozen=True, slots=True)
class Design:
    """One kind of plate.

    Attributes:
        size_mm: width and height.
        patterns: see `models.render.grammar`.
        lines: where each line of the number goes.
        looks: colours to choose from.
        letters: what the patterns' A is drawn from.
        behind: drawn before the number.
        above: drawn after it: stickers and frames, which may cover it a little.
        emblem: drawn where the pattern has a `*`, into a box of pixels.
        spacing: gap between letters over their height, lowest and highest.
        gap: width of a gap between groups over the letters' height.
        stretch: how far a line may be widened to fill its box.
        embossed: how high the letters stand out, 0 printed to 1.
        weight: how often it is drawn, against the others.
    """

    name: str
    region: str
    size_mm: tuple[float, float]
    patterns: tuple[str, ...]
    lines: tuple[Box, ...]
    dies: tuple[str, ...]
    looks: tuple[Look, ...] = (Look(),)
    letters: str = UNMISTAKABLE
    behind: tuple[Ornament, ...] = ()
    above: tuple[Ornament, ...] = ()
    emblem: Callable[[Picture, Random], None] | None = None
    spacing: tuple[float, float] = (0.09, 0.16)
    gap: tuple[float, float] = (0.25, 0.5)
    stretch: float = 1.12
    embossed: float = 0.6
    weight: float = 1.0


def looks(*pairs: tuple[Rgb, Rgb]) -> tuple[Look, ...]:
    """Issues of one paper and one ink each."""
    return tuple(Look((paper,), ink) for paper, ink in pairs)
