"""Plates of the United Kingdom, front and rear, with and without a band, old and chosen ones."""

from models.render.blanks import RIM, SCREWS, SILVER
from models.render.designs import BLACK, WHITE, Box, Design, Look, looks
from models.render.european_issues import BARE_LINE
from models.render.ornaments import euro_band, print_line

_UK_YELLOW = ((246, 204, 20), (232, 184, 30), (240, 170, 10), (214, 170, 60))
_UK_LETTERS = "ABCDEFGHJKLMNOPRSTUVWXYZ"
_UK_WHITE = looks((WHITE, BLACK), ((222, 222, 218), BLACK), ((200, 202, 204), (30, 30, 34)))
_UK_REAR = tuple(Look((paper,), BLACK) for paper in _UK_YELLOW)
_UK_NOW = (
    "AA99 AAA",
    "AA99 AAA",
    "AA99 AAA",
    "AA{0|1|5|6}9 AAA",
    "A999 AAA",
    "A99 AAA",
    "AAA 999A",
    "AAA 99A",
)
_UK_OWN = (
    "A9 AAA",
    "A{1|2|3|4|5|6|7|8|9|10|11|16} AAA",
    "AAA {1|2|7|10|11|101|500|911}",
    "999 AA",
    "9999 AA",
    "A{055|111|10} AAA",
    "{1|2|8|9} AAA",
    "AA{Z} 9999",
    "9AA",
    "AAA 9",
)
_UK_FOOT = print_line(
    ("MOTORS LTD", "CAR CENTRE 01234 567890", "www.dealer.co.uk", "GARAGES"),
    (0.3, 0.9, 0.7, 0.985),
    inks=((60, 60, 60), (40, 60, 120)),
    chance=0.4,
)
_GB = euro_band(("GB", "GB", "UK", "IRL"), wide=0.08)


def _uk(
    name: str, looks: tuple[Look, ...], patterns: tuple[str, ...], *, weight: float, band: bool
) -> Design:
    line: Box = (0.1, 0.15, 0.965, 0.86) if band else (0.045, 0.14, 0.955, 0.86)
    behind = (_GB, RIM) if band else (RIM,)
    return Design(
        name,
        "United Kingdom",
        (520.0, 111.0),
        patterns,
        (line,),
        ("uk", "uk", "uk", "uk-carbon", "barlow"),
        looks,
        _UK_LETTERS,
        behind,
        (_UK_FOOT, SCREWS),
        spacing=(0.1, 0.17),
        gap=(0.4, 0.62),
        stretch=1.0,
        embossed=0.0,
        weight=weight,
    )


BRITAIN = (
    _uk("uk-front", _UK_WHITE, _UK_NOW, weight=2.0, band=False),
    _uk("uk-rear", _UK_REAR, _UK_NOW, weight=2.0, band=False),
    _uk("uk-front-band", _UK_WHITE, _UK_NOW, weight=1.0, band=True),
    _uk("uk-rear-band", _UK_REAR, _UK_NOW, weight=1.0, band=True),
    _uk("uk-own", (*_UK_WHITE, *_UK_REAR), _UK_OWN, weight=1.5, band=False),
    Design(
        "uk-black",
        "United Kingdom",
        (480.0, 105.0),
        ("AAA 999", "AAA 999A", "999 AAA", "AA 9999", "AAA 99"),
        (BARE_LINE,),
        ("uk-old", "uk", "us-square"),
        looks((BLACK, WHITE), (BLACK, SILVER), ((30, 30, 32), (210, 210, 205))),
        _UK_LETTERS,
        (RIM,),
        (SCREWS,),
        weight=0.8,
    ),
    Design(
        "uk-two",
        "United Kingdom",
        (285.0, 203.0),
        ("AA99/AAA", "AAA/999", "A999/AAA", "AAA/999A", "AA/9999"),
        ((0.08, 0.08, 0.92, 0.47), (0.08, 0.53, 0.92, 0.92)),
        ("uk", "uk", "uk-old"),
        (*_UK_WHITE, *_UK_REAR, *looks((BLACK, WHITE))),
        _UK_LETTERS,
        (RIM,),
        (),
        embossed=0.0,
        weight=1.6,
        spacing=(0.1, 0.18),
    ),
)
