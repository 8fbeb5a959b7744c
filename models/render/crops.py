"""Draw plate crops as a detector would cut them out: tilted, dirty, blurred, dark, noisy. Pure; seeded."""

from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from models.render.camera import Conditions, photographed
from models.render.catalogue import DESIGNS, SHARES
from models.render.designs import Design
from models.render.grammar import written
from models.render.lens import dirty, shaded
from models.render.lettering import Picture
from models.render.press import press_plate
from models.render.weather import Corners, holder, in_front, snowed_in, surroundings

_NAMES, _WEIGHTS = tuple(SHARES), tuple(SHARES.values())
_NARROWEST_PX, _WIDEST_PX = 40, 256
_LEGIBLE_PX_PER_LETTER = 6.5
"""Below this many pixels a character no one reads, so no crop is drawn smaller."""
_SUPERSAMPLE = 1.25
_SQUEEZED_FROM_PX = 90
"""Narrower plates are not seen from far aside as well."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One crop and the truth about it.

    Attributes:
        picture: shape (h, w, 3), uint8, RGB; w is about 30 to 330, a plate of 40 to 256 with its margins.
        text: letters and digits alone, line by line, as a reader should give them; at most ten.
        style: name of the design in `catalogue.DESIGNS`.
        region: country, in the words of the real crops' tables; "Unknown" for made-up kinds.
    """

    picture: Picture
    text: str
    style: str
    region: str


def render_crop(seed: int, *, style: Design | None = None, harm: float = 1.0) -> Crop:
    """A made-up plate as a camera shows it; equal arguments give equal pictures.

    Args:
        style: one of `catalogue.DESIGNS`; None: any, as often as `catalogue.SHARES` says.
        harm: 0 clean and sharp, 1 as bad as cameras at gates get.
    """
    draw, rng = Random(seed), np.random.default_rng(seed)
    design = style or DESIGNS[draw.choices(_NAMES, _WEIGHTS)[0]]
    text = written(draw.choice(design.patterns), letters=design.letters, rng=draw)
    longest = max(len(line) for line in text)
    low = max(_NARROWEST_PX, longest * _LEGIBLE_PX_PER_LETTER) + (1 - harm) * 90
    wide = min(_WIDEST_PX, low * (_WIDEST_PX / low) ** draw.random())
    pressed = press_plate(design, draw, width_px=round(max(96, wide * _SUPERSAMPLE)), text=text)
    plate = _worn(pressed.picture, draw, rng, harm=harm)
    seen = _in_place(plate, wide, draw, rng, harm=harm)
    taken = photographed(seen, Conditions.drawn(draw, harm=harm), draw, rng)
    return Crop(taken, pressed.text, design.name, design.region)


def _worn(plate: Picture, draw: Random, rng: np.random.Generator, *, harm: float) -> Picture:
    """Years of use: dirt, faded ink, snow, a shadow edge."""
    if draw.random() < 0.45 * harm:
        plate = dirty(plate, harm * draw.uniform(0.05, 0.8), rng)
    if draw.random() < 0.06 * harm:
        snowed_in(plate, draw, amount=draw.random() * harm)
    if draw.random() < 0.18 * harm:
        plate = shaded(plate, rng, depth=draw.uniform(0.2, 0.6))
    if draw.random() < 0.14 * harm:
        veil = draw.uniform(0.05, 0.4) * harm
        level = draw.randint(90, 220)
        plate = np.asarray(cv2.convertScaleAbs(plate, alpha=1 - veil, beta=veil * level), np.uint8)
    return plate


def _in_place(plate: Picture, wide: float, draw: Random, rng: np.random.Generator, *, harm: float) -> Picture:
    """The plate in perspective on a car, cut out with a detector's margin or less."""
    height, width = plate.shape[:2]
    stretch = 1 + harm * draw.uniform(-0.15, 0.22)
    plate_w, plate_h = wide, wide * height / width * stretch
    corners = np.array([[0, 0], [plate_w, 0], [plate_w, plate_h], [0, plate_h]])
    corners = _turned(corners, draw, harm=harm)
    low, high = corners.min(axis=0), corners.max(axis=0)
    margins = [_margin(draw, harm) for _ in range(4)]
    size = high - low
    left, top = margins[0] * size[0] * 0.6, margins[1] * size[1]
    out_w = max(24, round(size[0] + left + margins[2] * size[0] * 0.6))
    out_h = max(12, round(size[1] + top + margins[3] * size[1]))
    corners = corners - low + (left, top)
    picture = surroundings(out_w, out_h, draw, rng)
    if draw.random() < 0.35:
        holder(picture, corners, draw)
    _round_off(plate, picture, corners, draw.uniform(0.0, 0.11))
    lay(plate, corners, picture)
    if draw.random() < 0.05 * harm:
        in_front(picture, corners, draw)
    return picture


def _margin(draw: Random, harm: float) -> float:
    """Of the plate's size, on one side; a few boxes cut the plate's rim off."""
    if draw.random() < 0.16 * harm:
        return draw.uniform(-0.035, 0.01)
    return draw.uniform(0.0, 0.15)


def _turned(corners: Corners, draw: Random, *, harm: float) -> Corners:
    """Rotated, sheared and in perspective, mostly a little."""
    centre = corners.mean(axis=0)
    size = corners.max(axis=0) - corners.min(axis=0)
    angle = harm * draw.gauss(0, 0.05) * (2.2 if draw.random() < 0.12 else 1.0)
    shear = harm * draw.gauss(0, 0.07)
    narrow = 1 - harm * abs(draw.gauss(0, 0.1))
    if draw.random() < 0.1 * harm and size[0] > _SQUEEZED_FROM_PX:
        narrow *= draw.uniform(0.55, 0.85)
    offset = (corners - centre) * (narrow, 1.0)
    offset[:, 0] += shear * offset[:, 1]
    offset = offset @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    nearer = harm * draw.gauss(0, 0.05)
    offset[[0, 3], 1] *= 1 + nearer
    offset[[1, 2], 1] *= 1 - nearer
    jitter = np.array([[draw.gauss(0, 0.008), draw.gauss(0, 0.015)] for _ in range(4)]) * size * harm
    return np.asarray(offset + jitter + centre)


def _round_off(plate: Picture, ground: Picture, corners: Corners, radius: float) -> None:
    """Give the plate's corners the colour of the ground behind them; changes `plate`.

    Args:
        radius: over the plate's height.
    """
    height, width = plate.shape[:2]
    reach = round(height * radius)
    if reach < 2:
        return
    steps = np.arange(reach) + 0.5
    outside = np.hypot(steps[:, None] - reach, steps[None] - reach) > reach
    rows, columns = (
        (slice(0, reach), slice(height - reach, height)),
        (slice(0, reach), slice(width - reach, width)),
    )
    for (x, y), row, column in zip(corners, (0, 0, 1, 1), (0, 1, 1, 0), strict=True):
        within = outside[:: -1 if row else 1, :: -1 if column else 1]
        at_y, at_x = min(max(int(y), 0), ground.shape[0] - 1), min(max(int(x), 0), ground.shape[1] - 1)
        plate[rows[row], columns[column]][within] = ground[at_y, at_x]


def lay(plate: Picture, corners: Corners, into: Picture) -> None:
    """Warp the plate onto its four corners; changes `into`."""
    height, width = plate.shape[:2]
    scale = float(np.hypot(*(corners[1] - corners[0]))) / width
    if scale < 0.7:
        plate = np.asarray(
            cv2.resize(plate, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        height, width = plate.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32) - 0.5)
    size = (into.shape[1], into.shape[0])
    cv2.warpPerspective(
        plate, matrix, size, dst=into, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
