"""What European plates have in common: sizes, rims, places of lines, a one-line and a two-line plate each."""

from models.render.designs import BLACK, Box, Design, Look, Ornament
from models.render.emblems import Emblem
from models.render.grammar import UNMISTAKABLE
from models.render.ornaments import bolts, euro_band, rim

LONG_MM, TALL_MM, CYCLE_MM = (520.0, 110.0), (340.0, 220.0), (200.0, 180.0)
RED, GREEN, BLUE = (190, 30, 36), (20, 110, 70), (30, 60, 150)
ORANGE_YELLOW = (240, 168, 30)
PALE = (222, 226, 232)
RIMS = rim(((40, 40, 44), (90, 90, 92), (20, 20, 24)), thick=0.028, chance=0.65)
SCREWS = bolts((0.12, 0.5), (0.95, 0.5), chance=0.25, size=0.05)
ONE_LINE: Box = (0.105, 0.14, 0.965, 0.86)
BARE_LINE: Box = (0.05, 0.14, 0.95, 0.86)
TWO_LINES: tuple[Box, Box] = ((0.2, 0.08, 0.92, 0.46), (0.06, 0.54, 0.94, 0.92))
TWO_FULL: tuple[Box, Box] = ((0.08, 0.08, 0.92, 0.46), (0.06, 0.54, 0.94, 0.92))
PAPERS = ((238, 238, 234), (226, 228, 228), (214, 218, 222), (236, 232, 220))
BLACKS = tuple(Look((paper,), ink) for paper in PAPERS for ink in (BLACK, (40, 40, 44)))
FE = ("de-fe", "de-fe", "fe-sometype", "fe-b612", "fe-overpass", "fe-redhat")


def pair(
    country: str,
    region: str,
    *,
    one: tuple[str, ...],
    two: tuple[str, ...],
    dies: tuple[str, ...],
    codes: tuple[str, ...],
    looks: tuple[Look, ...] = BLACKS,
    letters: str = UNMISTAKABLE,
    emblem: Emblem | None = None,
    behind: tuple[Ornament, ...] = (),
    above: tuple[Ornament, ...] = (),
    weight: float = 1.0,
    line: Box = ONE_LINE,
    lines: tuple[Box, Box] = TWO_LINES,
    spacing: tuple[float, float] = (0.08, 0.17),
    gap: tuple[float, float] = (0.3, 0.6),
    tall_mm: tuple[float, float] = TALL_MM,
    embossed: float = 0.6,
    stretch: float = 1.0,
) -> tuple[Design, ...]:
    """A country's one-line plate and its two-line plate."""
    band = euro_band(codes)
    long = Design(
        country,
        region,
        LONG_MM,
        one,
        (line,),
        dies,
        looks,
        letters,
        (*behind, band, RIMS),
        (SCREWS, *above),
        emblem,
        spacing,
        gap,
        stretch,
        embossed,
        weight,
    )
    if not two:
        return (long,)
    tall = Design(
        f"{country}-two",
        region,
        tall_mm,
        two,
        lines,
        dies,
        looks,
        letters,
        (euro_band(codes, foot=0.5, wide=0.13), RIMS),
        (bolts((0.5, 0.06), (0.5, 0.95), chance=0.3), *above),
        emblem,
        (0.08, 0.2),
        gap,
        1.0,
        embossed,
        weight * 0.6,
    )
    return (long, tall)
