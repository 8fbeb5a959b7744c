"""Things in pictures that look a little like plates and are none: signs, stickers, lettering, windows. Pure.

Each function draws into the piece of the picture it is given and changes it.
"""

from collections.abc import Callable
from random import Random

import cv2
import numpy as np

from models.render.designs import Box
from models.render.lettering import Picture, Rgb
from models.render.ornaments import dealer_words
from models.render.press import print_words

_FONTS = (
    "Overpass-Bold",
    "Oswald-SemiBold",
    "Rokkitt-Bold",
    "Pacifico-Regular",
    "Tinos-Bold",
    "Arimo-Bold",
)
_SIGNS = (
    "STOP",
    "EXIT",
    "SLOW",
    "NO ENTRY",
    "TAXI",
    "SALE",
    "OPEN",
    "BUS",
    "P",
    "30",
    "50",
    "DANGER",
    "PRIVATE",
    "TOILETS",
)
_COLOURS: tuple[Rgb, ...] = (
    (200, 30, 34),
    (30, 80, 170),
    (240, 240, 236),
    (244, 196, 30),
    (20, 20, 22),
    (20, 120, 70),
    (230, 110, 30),
)


def _ink_on(colour: Rgb) -> Rgb:
    return (24, 24, 28) if sum(colour) > 400 else (240, 240, 236)


def round_sign(piece: Picture, draw: Random) -> None:
    """A disc, a triangle or an octagon with a word."""
    height, width = piece.shape[:2]
    centre, radius = np.array([width / 2, height / 2]), min(width, height) / 2 - 1
    corners = draw.choice((3, 8, 40))
    angles = np.arange(corners) * 2 * np.pi / corners + draw.uniform(0, 0.3)
    outline = centre + radius * np.stack((np.sin(angles), -np.cos(angles)), axis=1)
    rim, field = draw.sample(_COLOURS, 2)
    cv2.fillPoly(piece, [outline.astype(np.int32)], rim, cv2.LINE_AA)
    cv2.fillPoly(piece, [((outline - centre) * 0.8 + centre).astype(np.int32)], field, cv2.LINE_AA)
    half = radius / width * 0.62
    box: Box = (0.5 - half, 0.36, 0.5 + half, 0.64)
    print_words(piece, draw.choice(_SIGNS), box=box, font=draw.choice(_FONTS), ink=_ink_on(field))


def lettering(piece: Picture, draw: Random) -> None:
    """Words straight on paint, as a maker's name or an advertisement."""
    ink = draw.choice(_COLOURS)
    print_words(piece, dealer_words(draw), box=(0.02, 0.25, 0.98, 0.75), font=draw.choice(_FONTS), ink=ink)


def windows(piece: Picture, draw: Random) -> None:
    """Rows of lit or dark panes."""
    height, width = piece.shape[:2]
    rows, columns = draw.randint(1, 3), draw.randint(2, 6)
    frame = draw.choice(_COLOURS)
    piece[:] = tuple(c // 3 for c in frame)
    for row in range(rows):
        for column in range(columns):
            pane = draw.choice(((250, 240, 200), (255, 250, 236), (60, 70, 90), (200, 210, 220)))
            y1, y2 = (row + 0.15) * height / rows, (row + 0.85) * height / rows
            x1, x2 = (column + 0.12) * width / columns, (column + 0.88) * width / columns
            piece[round(y1) : round(y2), round(x1) : round(x2)] = pane


def bare_panel(piece: Picture, draw: Random) -> None:
    """A field of one colour, a lamp or a sticker without a word, bright like a plate."""
    height, width = piece.shape[:2]
    colour = draw.choice(_COLOURS)
    cv2.rectangle(piece, (0, 0), (width - 1, height - 1), colour, -1)
    if draw.random() < 0.5:
        cv2.rectangle(piece, (1, 1), (width - 2, height - 2), _ink_on(colour), 1)


def small_print(piece: Picture, draw: Random) -> None:
    """A notice of many small lines."""
    height = piece.shape[0]
    paper = draw.choice(((240, 240, 236), (244, 196, 30), (220, 226, 232)))
    piece[:] = paper
    lines = max(3, min(7, height // 6))
    for line in range(lines):
        top = (line + 0.2) / lines
        box: Box = (0.06, top, draw.uniform(0.6, 0.95), top + 0.6 / lines)
        print_words(
            piece,
            f"{dealer_words(draw)} {dealer_words(draw)}",
            box=box,
            font="ArchivoNarrow-Bold",
            ink=_ink_on(paper),
        )


CLUTTER: tuple[Callable[[Picture, Random], None], ...] = (
    round_sign,
    lettering,
    windows,
    bare_panel,
    small_print,
)
"""Everything there is."""
