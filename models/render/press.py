"""Press a number into a plate: lay its marks out, ink them, draw the ornaments. Pure; seeded."""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

import cv2
import numpy as np

from models.render.designs import Box, Design
from models.render.dies import Mask, glyph, words
from models.render.grammar import Form, Mark, Written, truth, written
from models.render.lettering import Picture, Rgb

_LEAST_NARROW = 0.55
"""A line that needs more condensing than this is set smaller instead."""
_WIDTHS: dict[Form, float] = {"dash": 0.34, "dot": 0.16, "emblem": 0.5}
"""Over the letters' height."""
_STACKED_TALL, _LONE_TALL, _SIDE_TALL = 0.47, 0.62, 0.36
_PAPER_STEPS = 64
_SMALLEST_SET, _FATTEST = 0.92, 0.6
"""Presses differ: how much smaller than its box a number may stand, how fat or thin its lines run."""


@dataclass(frozen=True, slots=True)
class PressedPlate:
    """A plate seen straight on.

    Attributes:
        picture: shape (h, w, 3), uint8, RGB.
        text: what a reader should answer.
    """

    picture: Picture
    text: str


def press_plate(
    design: Design, rng: Random, *, width_px: int = 320, text: Written | None = None
) -> PressedPlate:
    """One plate of a design, clean and new.

    Args:
        text: what to press; None: a text in one of the design's patterns.
    """
    text = text or written(rng.choice(design.patterns), letters=design.letters, rng=rng)
    look = rng.choice(design.looks)
    height_px = max(16, round(width_px * design.size_mm[1] / design.size_mm[0]))
    picture = _paper(look.paper, width_px, height_px)
    for ornament in design.behind:
        ornament(picture, rng)
    die = rng.choice(design.dies)
    ink = np.zeros((height_px, width_px), np.uint8)
    spacing, gap = rng.uniform(*design.spacing), rng.uniform(*design.gap)
    size = rng.uniform(_SMALLEST_SET, 1.0)
    for marks, box in zip(text, design.lines, strict=True):
        box = _smaller(box, size)
        _set_line(picture, ink, marks, box=box, die=die, design=design, spacing=spacing, gap=gap, rng=rng)
    ink = _fatter(ink, rng.uniform(-_FATTEST, _FATTEST))
    _apply(picture, ink, look.ink, raised=design.embossed * rng.uniform(0.4, 1.0))
    for ornament in design.above:
        ornament(picture, rng)
    return PressedPlate(picture, truth(text))


def _smaller(box: Box, size: float) -> Box:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    wide, tall = (box[2] - box[0]) * size / 2, (box[3] - box[1]) * size / 2
    return x - wide, y - tall, x + wide, y + tall


def _fatter(ink: Mask, by: float) -> Mask:
    """Lines wider (or, below zero, thinner) by up to a pixel on each side."""
    grown = cv2.dilate(ink, None) if by > 0 else cv2.erode(ink, None)
    return np.asarray(cv2.addWeighted(grown, abs(by), ink, 1 - abs(by), 0), np.uint8)


def _paper(stops: tuple[Rgb, ...], width_px: int, height_px: int) -> Picture:
    if len(stops) == 1:
        sheet = np.empty((height_px, width_px, 3), np.uint8)
        sheet[:] = stops[0]
        return sheet
    column = np.array(stops, np.float32)[:, None, :]
    ramp = cv2.resize(column, (1, _PAPER_STEPS), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(ramp, (width_px, height_px)), np.uint8)


def _set_line(
    picture: Picture,
    ink: Mask,
    marks: tuple[Mark, ...],
    *,
    box: Box,
    die: str,
    design: Design,
    spacing: float,
    gap: float,
    rng: Random,
) -> None:
    """Place the marks of one line into `box`, into `ink` (or the picture, for an emblem)."""
    height_px, width_px = ink.shape
    left, top, right, foot = box[0] * width_px, box[1] * height_px, box[2] * width_px, box[3] * height_px
    tall, room = foot - top, right - left
    widths = [_width(mark, die, gap) for mark in marks]
    gaps = [0.0 if "gap" in (one.form, other.form) else spacing for one, other in pairwise(marks)]
    natural = sum(widths) + sum(gaps)
    narrow = min(design.stretch, room / (natural * tall))
    if narrow < _LEAST_NARROW:
        shrunk = tall * narrow / _LEAST_NARROW
        top, tall, narrow = top + (tall - shrunk) / 2, shrunk, _LEAST_NARROW
    x = left + (room - natural * narrow * tall) / 2
    for mark, wide, after in zip(marks, widths, [*gaps, 0.0], strict=True):
        _place(
            picture,
            ink,
            mark,
            at=(x, top, x + wide * narrow * tall, top + tall),
            die=die,
            design=design,
            rng=rng,
        )
        x += (wide + after) * narrow * tall


def _width(mark: Mark, die: str, gap: float) -> float:
    if mark.form == "full":
        shape = glyph(die, mark.text)
        return float(shape.shape[1] / shape.shape[0])
    if mark.form == "gap":
        return gap
    if mark.form in ("stacked", "side"):
        tall = _small_tall(mark)
        shapes = [glyph(die, character).shape for character in mark.text]
        return float(tall * 1.05 * max(wide / high for high, wide in shapes))
    return _WIDTHS[mark.form]


def _place(
    picture: Picture,
    ink: Mask,
    mark: Mark,
    *,
    at: tuple[float, float, float, float],
    die: str,
    design: Design,
    rng: Random,
) -> None:
    left, top, right, foot = at
    tall, middle = foot - top, (top + foot) / 2
    if mark.form == "full":
        _stamp(ink, glyph(die, mark.text), left, top, right, foot)
    elif mark.form == "dash":
        inset, half = (right - left) * 0.08, tall * 0.07
        ink[round(middle - half) : round(middle + half) + 1, round(left + inset) : round(right - inset)] = 255
    elif mark.form == "dot":
        radius = tall * 0.075
        cv2.circle(
            ink, (round((left + right) / 2), round(middle)), max(1, round(radius)), 255, -1, cv2.LINE_AA
        )
    elif mark.form == "emblem" and design.emblem is not None:
        y1, y2, x1, x2 = (max(0, round(v)) for v in (top, foot, left, right))
        design.emblem(picture[y1:y2, x1:x2], rng)
    elif mark.form in ("stacked", "side"):
        share, count = _small_tall(mark), len(mark.text)
        for index, character in enumerate(mark.text):
            y = top + (index * tall / count if count > 1 else tall * (1 - share))
            _stamp(ink, glyph(die, character), left, y, right, y + min(tall * share, tall / count * 0.94))


def _small_tall(mark: Mark) -> float:
    """Height of a small character over that of the others; a lone one stands on the line."""
    if mark.form == "side":
        return _SIDE_TALL
    return _LONE_TALL if len(mark.text) == 1 else _STACKED_TALL


def _stamp(ink: Mask, shape: Mask, left: float, top: float, right: float, foot: float) -> None:
    """Scale a shape into a box; what hangs over the edge is lost."""
    x1, y1 = round(left), round(top)
    wide, high = max(1, round(right) - x1), max(1, round(foot) - y1)
    scaled = cv2.resize(shape, (wide, high), interpolation=cv2.INTER_AREA)
    from_x, from_y = max(0, -x1), max(0, -y1)
    into = ink[max(0, y1) : y1 + high, max(0, x1) : x1 + wide]
    np.maximum(into, scaled[from_y : from_y + into.shape[0], from_x : from_x + into.shape[1]], out=into)


def _apply(picture: Picture, ink: Mask, colour: Rgb, *, raised: float) -> None:
    """Colour the inked part; raised letters catch light on one edge and throw shade from the other."""
    cover = ink.astype(np.float32)[..., None] * np.float32(1 / 255)
    sheet = picture.astype(np.float32)
    sheet += (np.array(colour, np.float32) - sheet) * cover
    if raised > 0.1:
        reach = max(1, picture.shape[0] // 60)
        slope = np.zeros(ink.shape, np.float32)
        slope[reach:, reach:] = ink[:-reach, :-reach].astype(np.float32) - ink[reach:, reach:]
        sheet -= (slope * np.float32(0.16 * raised))[..., None]
    np.clip(sheet, 0, 255, out=sheet)
    picture[:] = sheet


def print_words(picture: Picture, text: str, *, box: Box, font: str, ink: Rgb, stretch: float = 1.0) -> None:
    """Small print, centred in `box` and as large as fits; changes `picture`.

    Args:
        stretch: how far it may be widened.
    """
    height, width = picture.shape[:2]
    left, top, right, foot = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    shape = words(text, font)
    scale = min((foot - top) / shape.shape[0], (right - left) / shape.shape[1])
    wide = min(right - left, shape.shape[1] * scale * stretch)
    stain(
        picture,
        shape,
        left=(left + right - wide) / 2,
        top=(top + foot - shape.shape[0] * scale) / 2,
        size=(wide, shape.shape[0] * scale),
        ink=ink,
    )


def stain(
    picture: Picture,
    shape: Mask,
    *,
    left: float,
    top: float,
    size: tuple[float, float],
    ink: Rgb,
    strength: float = 1.0,
) -> None:
    """Blend a colour in where `shape`, scaled to `size`, covers; what hangs over the edge is lost."""
    x1, y1, wide, high = round(left), round(top), max(1, round(size[0])), max(1, round(size[1]))
    scaled = cv2.resize(shape, (wide, high), interpolation=cv2.INTER_AREA)
    from_x, from_y = max(0, -x1), max(0, -y1)
    into = picture[max(0, y1) : max(0, y1 + high), max(0, x1) : max(0, x1 + wide)]
    cover = scaled[from_y : from_y + into.shape[0], from_x : from_x + into.shape[1], None] * np.float32(
        strength / 255
    )
    into[:] = into + (np.array(ink, np.float32) - into) * cover
