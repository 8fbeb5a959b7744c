"""What stands on plates besides the number: bands, names, pictures, stickers, frames, bolts. Pure; seeded.

Each function returns an `Ornament`, which draws with the random source it is given.
"""

from random import Random

import cv2
import numpy as np

from models.render.designs import Box, Ornament
from models.render.grammar import UNMISTAKABLE
from models.render.lettering import Picture, Rgb
from models.render.press import print_words

FLAG_BLUE, FLAG_YELLOW = (20, 54, 150), (244, 208, 60)


def _px(picture: Picture, box: Box) -> tuple[int, int, int, int]:
    height, width = picture.shape[:2]
    return round(box[0] * width), round(box[1] * height), round(box[2] * width), round(box[3] * height)


def _fill(picture: Picture, box: Box, colour: Rgb) -> None:
    x1, y1, x2, y2 = _px(picture, box)
    picture[max(0, y1) : y2, max(0, x1) : x2] = colour


def patch(box: Box, *colours: Rgb, chance: float = 1.0) -> Ornament:
    """A rectangle of one of the colours."""

    def draw(picture: Picture, rng: Random) -> None:
        if rng.random() < chance:
            _fill(picture, box, rng.choice(colours))

    return draw


def print_line(
    texts: tuple[str, ...],
    box: Box,
    *,
    inks: tuple[Rgb, ...] = ((30, 40, 110),),
    fonts: tuple[str, ...] = ("Overpass-Bold",),
    chance: float = 1.0,
    stretch: float = 1.0,
) -> Ornament:
    """One of some lines of small print."""

    def draw(picture: Picture, rng: Random) -> None:
        if rng.random() < chance:
            ink, font = rng.choice(inks), rng.choice(fonts)
            print_words(picture, rng.choice(texts), box=box, font=font, ink=ink, stretch=stretch)

    return draw


def star_ring(picture: Picture, box: Box, colour: Rgb) -> None:
    """Twelve stars in a circle, the largest that fits."""
    x1, y1, x2, y2 = _px(picture, box)
    radius = min(x2 - x1, y2 - y1) / 2 * 0.8
    for angle in np.arange(12) * np.pi / 6:
        centre = (
            round((x1 + x2) / 2 + radius * np.sin(angle)),
            round((y1 + y2) / 2 + radius * np.cos(angle)),
        )
        cv2.circle(picture, centre, max(1, round(radius * 0.16)), colour, -1, cv2.LINE_AA)


def euro_band(
    codes: tuple[str, ...],
    *,
    foot: float = 1.0,
    wide: float = 0.085,
    right: bool = False,
    plain: float = 0.12,
) -> Ornament:
    """The blue band at the left (or right) edge with stars and one of the country codes.

    Args:
        foot: where it ends, over the height; two-line plates have it beside the first line.
        plain: how often it has faded or has nothing on it.
    """

    def draw(picture: Picture, rng: Random) -> None:
        x1, x2 = (1 - wide, 1.0) if right else (0.0, wide)
        blue = rng.choice(((20, 54, 150), (14, 62, 168), (30, 70, 180), (0, 80, 190), (44, 60, 120)))
        _fill(picture, (x1, 0, x2, foot), blue)
        if rng.random() < plain:
            return
        inner = (x1 + wide * 0.12, foot * 0.1, x2 - wide * 0.12, foot * 0.56)
        star_ring(picture, inner, FLAG_YELLOW if rng.random() < 0.85 else (230, 230, 230))
        below = (x1 + wide * 0.15, foot * 0.64, x2 - wide * 0.15, foot * 0.9)
        print_words(picture, rng.choice(codes), box=below, font="Overpass-Bold", ink=(240, 240, 240))

    return draw


def flag_band(
    stripes: tuple[Rgb, ...], code: str, *, back: Rgb = FLAG_BLUE, foot: float = 1.0, wide: float = 0.085
) -> Ornament:
    """A band at the left edge with a striped flag above a country code."""

    def draw(picture: Picture, rng: Random) -> None:
        _fill(picture, (0.0, 0.0, wide, foot), back)
        top, each = foot * 0.14, foot * 0.36 / len(stripes)
        for index, colour in enumerate(stripes):
            _fill(picture, (wide * 0.14, top + index * each, wide * 0.86, top + (index + 1) * each), colour)
        ink = (240, 240, 240) if sum(back) < 380 else (20, 30, 90)
        print_words(
            picture,
            code,
            box=(wide * 0.12, foot * 0.62, wide * 0.88, foot * 0.88),
            font="Overpass-Bold",
            ink=ink,
        )

    return draw


def rim(
    colours: tuple[Rgb, ...] = ((40, 40, 44), (110, 110, 112), (190, 190, 188)),
    *,
    thick: float = 0.02,
    chance: float = 0.7,
) -> Ornament:
    """A pressed or printed edge line."""

    def draw(picture: Picture, rng: Random) -> None:
        if rng.random() < chance:
            height, width = picture.shape[:2]
            line = max(1, round(height * thick * rng.uniform(0.6, 1.4)))
            inset = round(height * rng.uniform(0.005, 0.03)) + line // 2
            cv2.rectangle(
                picture,
                (inset, inset),
                (width - 1 - inset, height - 1 - inset),
                rng.choice(colours),
                line,
                cv2.LINE_AA,
            )

    return draw


_METALS = ((120, 122, 126), (60, 60, 62), (180, 180, 184), (90, 80, 60))


def bolts(*places: tuple[float, float], chance: float = 0.6, size: float = 0.035) -> Ornament:
    """Screws, or the holes for them."""

    def draw(picture: Picture, rng: Random) -> None:
        if rng.random() >= chance:
            return
        height, width = picture.shape[:2]
        metal = rng.choice(_METALS)
        radius = max(1, round(height * size * rng.uniform(0.7, 1.4)))
        for x, y in places:
            centre = (
                round((x + rng.uniform(-0.01, 0.01)) * width),
                round((y + rng.uniform(-0.01, 0.01)) * height),
            )
            cv2.circle(picture, centre, radius, metal, -1, cv2.LINE_AA)
            if radius > 2:
                cv2.circle(picture, centre, radius // 2, tuple(c // 2 for c in metal), -1, cv2.LINE_AA)

    return draw


_STICKERS = (
    (214, 40, 44),
    (250, 190, 30),
    (30, 110, 190),
    (30, 140, 80),
    (240, 120, 30),
    (236, 236, 236),
    (120, 60, 150),
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def sticker(box: Box, *, chance: float = 0.7, month: bool = False) -> Ornament:
    """A registration sticker: a coloured field with a year or month too small to be part of the number."""

    def draw(picture: Picture, rng: Random) -> None:
        if rng.random() >= chance:
            return
        shift_x, shift_y = rng.uniform(-0.012, 0.012), rng.uniform(-0.02, 0.02)
        place = (box[0] + shift_x, box[1] + shift_y, box[2] + shift_x, box[3] + shift_y)
        colour = rng.choice(_STICKERS)
        _fill(picture, place, colour)
        text = rng.choice(_MONTHS) if month else f"{rng.randint(5, 29):02}"
        wide, high = place[2] - place[0], place[3] - place[1]
        inner = (place[0] + wide * 0.1, place[1] + high * 0.12, place[2] - wide * 0.1, place[3] - high * 0.12)
        dark = sum(colour) > 400
        print_words(
            picture, text, box=inner, font="Overpass-Bold", ink=(20, 20, 24) if dark else (240, 240, 240)
        )

    return draw


_DEALER_WORDS = (
    "MOTORS",
    "AUTO",
    "CARS",
    "TOYS",
    "FORD",
    "HONDA",
    "OF",
    "CITY",
    "CHEVROLET",
    "GARAGE",
    "AUTOHAUS",
    "UNIVERSITY",
    "ALUMNI",
    "TOYOTA",
    ".COM",
    "WWW.",
)


def dealer_words(rng: Random) -> str:
    """A name such as stands on frames and holders."""
    made = "".join(rng.choice(UNMISTAKABLE if i % 2 == 0 else "AEIOU") for i in range(rng.randint(4, 8)))
    words = [made, rng.choice(_DEALER_WORDS)]
    rng.shuffle(words)
    text = " ".join(words)
    return text if rng.random() < 0.6 else text.title()


_FRAMES = (
    (18, 18, 20),
    (28, 28, 32),
    (170, 172, 176),
    (210, 212, 214),
    (120, 20, 24),
    (40, 44, 60),
    (90, 92, 96),
)


def dealer_frame(
    *, chance: float = 0.4, top: float = 0.16, foot: float = 0.14, side: float = 0.045
) -> Ornament:
    """A frame around the plate that may hide the issuer's name above and the slogan below."""

    def draw(picture: Picture, rng: Random) -> None:
        if rng.random() >= chance:
            return
        colour = rng.choice(_FRAMES)
        ink = (
            rng.choice(((236, 236, 236), (220, 190, 60), (200, 40, 40)))
            if sum(colour) < 330
            else (20, 22, 30)
        )
        high, low = top * rng.uniform(0.25, 1.0), foot * rng.uniform(0.25, 1.0)
        edge = side * rng.uniform(0.4, 1.0)
        _fill(picture, (0, 0, 1, high), colour)
        _fill(picture, (0, 1 - low, 1, 1), colour)
        _fill(picture, (0, 0, edge, 1), colour)
        _fill(picture, (1 - edge, 0, 1, 1), colour)
        if high > 0.09 and rng.random() < 0.6:
            print_words(
                picture, dealer_words(rng), box=(0.15, 0.02, 0.85, high - 0.02), font="Overpass-Bold", ink=ink
            )
        if low > 0.08 and rng.random() < 0.6:
            print_words(
                picture,
                dealer_words(rng),
                box=(0.12, 1 - low + 0.015, 0.88, 0.985),
                font="ArchivoNarrow-Bold",
                ink=ink,
            )

    return draw


def _blend(picture: Picture, layer: Picture, strength: float) -> None:
    cv2.addWeighted(layer, strength, picture, 1 - strength, 0, dst=picture)


def scenery(
    kind: str, colours: tuple[Rgb, ...], *, strength: tuple[float, float] = (0.35, 0.8), base: float = 0.75
) -> Ornament:
    """A picture behind the number.

    Args:
        kind: "ridge", "waves", "sun", "blob", "rays", "stripes", "wedge" or "trees".
        strength: how far it covers the paper.
        base: height of the ridge's foot or of the blob's centre, over the plate's height.
    """

    def draw(picture: Picture, rng: Random) -> None:
        layer = picture.copy()
        _SCENES[kind](layer, colours, base, rng)
        _blend(picture, layer, rng.uniform(*strength))

    return draw


def _ridge(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    height, width = layer.shape[:2]
    for row, colour in enumerate(colours):
        foot = base + row * 0.12
        xs = np.linspace(0, width, 14)
        ys = [(foot - rng.uniform(0.0, 0.32) * (i % 2)) * height for i in range(14)]
        points = np.array([*zip(xs, ys, strict=True), (width, height), (0, height)], np.int32)
        cv2.fillPoly(layer, [points], colour, cv2.LINE_AA)


def _waves(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    height, width = layer.shape[:2]
    xs = np.linspace(0, width, 40)
    for row, colour in enumerate(colours):
        phase, swing = rng.uniform(0, 6.3), rng.uniform(0.03, 0.09)
        ys = (base + row * 0.13 + swing * np.sin(xs / width * rng.uniform(5, 11) + phase)) * height
        points = np.array([*zip(xs, ys, strict=True), (width, height), (0, height)], np.int32)
        cv2.fillPoly(layer, [points], colour, cv2.LINE_AA)


def _sun(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    height, width = layer.shape[:2]
    centre = (round(width * rng.uniform(0.3, 0.7)), round(height * base))
    for index, colour in enumerate(colours):
        cv2.circle(layer, centre, round(height * (0.62 - 0.2 * index)), colour, -1, cv2.LINE_AA)


def _blob(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    """An outline like a map, a flower or an animal, in the middle or at one side."""
    height, width = layer.shape[:2]
    x, y = width * rng.choice((0.5, 0.5, 0.16, 0.84)), height * base
    for index, colour in enumerate(colours):
        size = height * rng.uniform(0.2, 0.42) * (1 - 0.3 * index)
        angles = np.sort([rng.uniform(0, 2 * np.pi) for _ in range(9)])
        reach = [size * rng.uniform(0.5, 1.1) for _ in angles]
        points = np.array(
            [(x + r * np.cos(a), y + r * np.sin(a)) for a, r in zip(angles, reach, strict=True)], np.int32
        )
        cv2.fillPoly(layer, [points], colour, cv2.LINE_AA)


def _rays(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    height, width = layer.shape[:2]
    centre, reach = (width / 2, height * base), width
    for index in range(12):
        angle = np.pi * (1 + index / 12)
        points = [
            centre,
            *(
                (centre[0] + reach * np.cos(angle + d), centre[1] + reach * np.sin(angle + d))
                for d in (0, 0.13)
            ),
        ]
        cv2.fillPoly(layer, [np.array(points, np.int32)], colours[index % len(colours)], cv2.LINE_AA)


def _stripes(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    height = layer.shape[0]
    each = max(1, round(height / (2 * len(colours) + 1)))
    for row in range(0, height, 2 * each):
        layer[row : row + each] = colours[(row // each // 2) % len(colours)]


def _wedge(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    height, width = layer.shape[:2]
    for index, colour in enumerate(colours):
        y = (base + 0.1 * index) * height
        points = np.array(
            [(0, y), (width, y - height * rng.uniform(-0.2, 0.3)), (width, height), (0, height)], np.int32
        )
        cv2.fillPoly(layer, [points], colour, cv2.LINE_AA)


def _trees(layer: Picture, colours: tuple[Rgb, ...], base: float, rng: Random) -> None:
    height, width = layer.shape[:2]
    for index in range(rng.randint(3, 9)):
        x, tall = rng.uniform(0, width), height * rng.uniform(0.15, 0.4)
        half, foot = tall * 0.28, base * height
        points = np.array([(x - half, foot), (x, foot - tall), (x + half, foot)], np.int32)
        cv2.fillPoly(layer, [points], colours[index % len(colours)], cv2.LINE_AA)


_SCENES = {
    "ridge": _ridge,
    "waves": _waves,
    "sun": _sun,
    "blob": _blob,
    "rays": _rays,
    "stripes": _stripes,
    "wedge": _wedge,
    "trees": _trees,
}
SCENES = tuple(_SCENES)
