"""Clips of one car at a rendered gate, cut for a test's question; rendered once for each renderer version."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import cv2

from models.render import story
from models.render.clip import encode, renderer_version
from models.render.lettering import Picture

CACHE = Path(__file__).parents[1] / ".demo" / "tests"
FPS = story.FPS

_VISIT = story.STORY[0]
"""The demo's first car: listed, by day, it stops at the line and drives in."""

PLATE = _VISIT.plate

_OTHER_VISIT = story.STORY[1]
OTHER_PLATE = _OTHER_VISIT.plate
"""Of the second car of `two_cars`."""

EMPTY_S = 8.0
"""How long the gate stays empty after the car."""

PASSING_FROM_S, PASSING_TO_S = 4.0, 6.0
"""When the car of `passing` is in view; within the first seconds it would pass for a parked one."""

VISITS_FROM_S = 0.5
"""How long the gate of `visits` is empty before the car."""


def drive_up() -> Path:
    """The car drives up, stops, drives in; then nobody for `EMPTY_S`."""
    return _cached("drive-up", _drive_up())


def standing() -> Path:
    """The car stands at the line from the first frame to the last, 4 s."""
    return _cached("standing", _standing())


def passing() -> Path:
    """An empty gate, the car legible for two seconds while it comes to a stop, an empty gate again."""
    return _cached("passing", _passing())


def visits() -> Path:
    """A car comes, is legible for two seconds and is gone for six, 8 s: to be looped."""
    return _cached("visits", _visits())


def blurred_visits() -> Path:
    """The clip of `visits` out of focus: the plate is found, and nobody can read it."""
    return _cached("blurred-visits", (cv2.GaussianBlur(picture, (0, 0), 4.0) for picture in _visits()))


def two_cars() -> Path:
    """Two cars, one after the other, each legible for two seconds, 12 s: to be looped."""
    return _cached("two-cars", chain(_visits(_VISIT), _visits(_OTHER_VISIT)))


def _drive_up() -> Iterator[Picture]:
    last: Picture | None = None
    for last in story.frames((_VISIT,)):
        yield last
    assert last is not None
    for _ in range(round(EMPTY_S * FPS)):
        yield last


def _passing() -> Iterator[Picture]:
    return _glimpse(PASSING_FROM_S, PASSING_TO_S - PASSING_FROM_S, EMPTY_S)


def _visits(visit: story.Visit = _VISIT) -> Iterator[Picture]:
    return _glimpse(VISITS_FROM_S, 2.0, 6.0 - VISITS_FROM_S, visit=visit)


def _glimpse(
    before_s: float, seen_s: float, after_s: float, *, visit: story.Visit = _VISIT
) -> Iterator[Picture]:
    """An empty gate, the car while it comes to a stop, an empty gate."""
    pictures = list(story.frames((visit,)))
    empty, nearing = pictures[-1], round((visit.arrives_s - 1.2) * FPS)
    yield from [empty] * round(before_s * FPS)
    yield from pictures[nearing : nearing + round(seen_s * FPS)]
    yield from [empty] * round(after_s * FPS)


def _standing() -> Iterator[Picture]:
    at_the_line = round((_VISIT.arrives_s + 0.5) * FPS)
    stopped = list(islice(story.frames((_VISIT,)), at_the_line, at_the_line + round(1.4 * FPS)))
    for index in range(4 * FPS):
        yield stopped[index % len(stopped)]


def _cached(name: str, pictures: Iterator[Picture]) -> Path:
    path = CACHE / f"{name}-{renderer_version()}.mp4"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        encode(pictures, path, fps=FPS)
    return path
