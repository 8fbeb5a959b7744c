"""What American plates have in common: size, stickers, bolts, frames, a name above and words below."""

from dataclasses import dataclass

from models.render.designs import Box, Design, Look, Ornament
from models.render.emblems import Emblem
from models.render.grammar import UNMISTAKABLE
from models.render.lettering import Rgb
from models.render.ornaments import bolts, dealer_frame, print_line, rim, sticker

NAVY, BLUE, SKY, RED, GREEN, GOLD = (
    (24, 34, 96),
    (30, 80, 170),
    (120, 180, 224),
    (186, 34, 40),
    (20, 96, 62),
    (232, 186, 60),
)
ORANGE, TEAL, GREY, PURPLE = (236, 130, 40), (40, 150, 150), (150, 152, 156), (86, 40, 120)
_SIZE_MM = (305.0, 152.0)
_NUMBER: Box = (0.06, 0.265, 0.94, 0.755)
_ABOVE: Box = (0.24, 0.035, 0.76, 0.2)
_BELOW: Box = (0.23, 0.835, 0.77, 0.955)
_BOLTS = bolts((0.2, 0.1), (0.8, 0.1), (0.2, 0.9), (0.8, 0.9))
_TOP_BOLTS = bolts((0.2, 0.09), (0.8, 0.09), chance=0.7)
_STICKERS = (
    sticker((0.02, 0.05, 0.12, 0.19), chance=0.3, month=True),
    sticker((0.87, 0.05, 0.97, 0.19), chance=0.45),
    sticker((0.87, 0.8, 0.97, 0.94), chance=0.25),
)
_EDGE = rim(((200, 200, 200), (120, 120, 126), (60, 70, 120), (30, 30, 34)), chance=0.6)
SCRIPT, SLAB, SERIF = ("Damion-Regular", "Pacifico-Regular"), ("Rokkitt-Bold",), ("Tinos-Bold",)
PLAIN = ("Overpass-Bold", "Oswald-SemiBold", "ArchivoNarrow-Bold", "BarlowSemiCondensed-Bold")
PRESSED = (
    "us-california",
    "us-narrow",
    "us-slim",
    "us-wide",
    "us-square",
    "us-bold",
    "us-round",
    "us-tall",
    "us-old",
)
PRINTED = ("us-print", "us-flat", "us-oswald", "us-fjalla", "us-traced", "us-dosis")
ALL = (*PRESSED, *PRINTED, "us-slash")


@dataclass(frozen=True, slots=True)
class Issue:
    """What differs from issuer to issuer."""

    name: str
    title: tuple[str, ...]
    below: tuple[str, ...]
    patterns: tuple[str, ...]
    looks: tuple[Look, ...]
    dies: tuple[str, ...] = ALL
    fonts: tuple[str, ...] = PLAIN
    title_ink: tuple[Rgb, ...] = (NAVY,)
    below_ink: tuple[Rgb, ...] = (NAVY,)
    behind: tuple[Ornament, ...] = ()
    emblem: Emblem | None = None
    letters: str = UNMISTAKABLE
    region: str = "United States"
    embossed: float = 0.7
    weight: float = 1.0
    number: Box = _NUMBER


def issued(issue: Issue) -> Design:
    return Design(
        f"us-{issue.name}" if issue.region == "United States" else issue.name,
        issue.region,
        _SIZE_MM,
        issue.patterns,
        (issue.number,),
        issue.dies,
        issue.looks,
        letters=issue.letters,
        behind=(
            *issue.behind,
            print_line(
                issue.title, _ABOVE, inks=issue.title_ink, fonts=issue.fonts, chance=0.93, stretch=1.3
            ),
            print_line(issue.below, _BELOW, inks=issue.below_ink, chance=0.85, stretch=1.2),
            _EDGE,
        ),
        above=(_BOLTS, _TOP_BOLTS, *_STICKERS, dealer_frame(chance=0.4)),
        emblem=issue.emblem,
        spacing=(0.09, 0.2),
        gap=(0.3, 0.55),
        stretch=1.15,
        embossed=issue.embossed,
        weight=issue.weight,
    )


def on(*papers: tuple[Rgb, ...], ink: Rgb) -> tuple[Look, ...]:
    """Issues of one ink on these papers, each of one or more colours from top to bottom."""
    return tuple(Look(paper, ink) for paper in papers)


VANITY = ("V", "V", "V", "#####", "######", "AAA99", "{IM|MY|GO|NO|I|2|4} V", "V {1|2|4|8|88}", "AAAAAAA")
"""Texts as owners choose them."""
