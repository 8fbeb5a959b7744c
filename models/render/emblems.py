"""Signs between the groups of a number that are no characters: seals, shields, stars, maps. Pure; seeded.

Each draws into the box it is given, which is about half as wide as high.
"""

from collections.abc import Callable
from random import Random

import cv2
import numpy as np

from models.render.lettering import Picture, Rgb

Emblem = Callable[[Picture, Random], None]
_SEALS = (
    (196, 60, 50),
    (60, 120, 180),
    (220, 170, 40),
    (90, 160, 90),
    (150, 90, 60),
    (200, 200, 200),
    (230, 120, 150),
)


def _disc(picture: Picture, share: float, radius: float, colour: Rgb) -> None:
    height, width = picture.shape[:2]
    centre = (width // 2, round(height * share))
    size = max(1, round(min(width * 0.5, height * 0.5) * radius))
    cv2.circle(picture, centre, size, colour, -1, cv2.LINE_AA)
    if size > 3:
        cv2.circle(
            picture, centre, max(1, size // 2), tuple(min(255, c + 40) for c in colour), -1, cv2.LINE_AA
        )


def seals(picture: Picture, rng: Random) -> None:
    """One inspection seal above another, as on German plates."""
    if rng.random() < 0.85:
        _disc(picture, 0.26, rng.uniform(0.75, 1.0), rng.choice(_SEALS))
    _disc(
        picture, 0.74, rng.uniform(0.8, 1.0), rng.choice(((190, 190, 190), (170, 180, 175), (210, 205, 190)))
    )


def one_seal(picture: Picture, rng: Random) -> None:
    """A single small sticker or dot."""
    _disc(picture, rng.uniform(0.35, 0.65), rng.uniform(0.5, 1.0), rng.choice(_SEALS))


def shield(picture: Picture, rng: Random) -> None:
    """A coat of arms."""
    height, width = picture.shape[:2]
    outline = np.array([(0.1, 0.22), (0.9, 0.22), (0.9, 0.58), (0.5, 0.82), (0.1, 0.58)]) * (width, height)
    cv2.fillPoly(picture, [outline.astype(np.int32)], rng.choice(_SEALS), cv2.LINE_AA)
    inner = (outline - outline.mean(axis=0)) * 0.55 + outline.mean(axis=0)
    cv2.fillPoly(
        picture,
        [inner.astype(np.int32)],
        rng.choice(((220, 60, 60), (240, 220, 90), (50, 90, 180))),
        cv2.LINE_AA,
    )


def _shape(points: tuple[tuple[float, float], ...], colours: tuple[Rgb, ...]) -> Emblem:
    def draw(picture: Picture, rng: Random) -> None:
        height, width = picture.shape[:2]
        size = min(height, width * 1.6) * 0.5
        path = np.array(points) * size + (width / 2, height / 2)
        cv2.fillPoly(picture, [path.astype(np.int32)], rng.choice(colours), cv2.LINE_AA)

    return draw


def map_of(*colours: Rgb) -> Emblem:
    """An outline like a small map, another one every time."""

    def draw(picture: Picture, rng: Random) -> None:
        angles = np.sort([rng.uniform(0, 2 * np.pi) for _ in range(8)])
        points = tuple(
            (rng.uniform(0.5, 0.95) * np.cos(a), rng.uniform(0.4, 0.8) * np.sin(a)) for a in angles
        )
        _shape(points, colours)(picture, rng)

    return draw


def star(*colours: Rgb) -> Emblem:
    """Five points."""
    turns = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2 == 0, 0.7, 0.28)
    return _shape(tuple(zip(reach * np.sin(turns), -reach * np.cos(turns), strict=True)), colours)


def diamond(*colours: Rgb) -> Emblem:
    """A small square on its point."""
    return _shape(((0, -0.42), (0.42, 0), (0, 0.42), (-0.42, 0)), colours)


def any_of(*emblems: Emblem) -> Emblem:
    """One of some, by chance."""

    def draw(picture: Picture, rng: Random) -> None:
        rng.choice(emblems)(picture, rng)

    return draw
