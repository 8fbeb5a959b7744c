"""Draw plate crops as a detector would cut them out: tilted, dirty, blurred, dark, noisy. Pure; seeded."""

from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
import numpy.typing as npt

from models.render.lens import blur, dirty, expose, glare, shaded, smear
from models.render.lettering import Picture
from models.render.plates import STYLES, PlateStyle, bare, draw_plate, random_text


@dataclass(frozen=True, slots=True)
class Crop:
    """One crop and the truth about it.

    Attributes:
        picture: shape (h, w, 3), uint8, RGB; w is 60 to 260.
        text: letters and digits alone.
    """

    picture: Picture
    text: str
    style: str


def render_crop(seed: int, *, style: PlateStyle | None = None, harm: float = 1.0) -> Crop:
    """A made-up plate as a camera shows it; equal arguments give equal pictures.

    Args:
        style: one of `plates.STYLES`; None: any, by the seed.
        harm: 0 clean and sharp, 1 as bad as cameras at gates get.
    """
    draw, rng = Random(seed), np.random.default_rng(seed)
    style = style or draw.choice(tuple(STYLES.values()))
    text = random_text(style, draw)
    plate = draw_plate(text, style, slogan=draw.randrange(8))
    plate = dirty(plate, harm * max(0.0, draw.uniform(-0.7, 0.8)), rng)
    if draw.random() < 0.3 * harm:
        plate = shaded(plate, rng, depth=draw.uniform(0.2, 0.5))
    seen = _tilted(plate, draw, rng, harm=harm)
    night = draw.random() < 0.3
    if night and draw.random() < 0.5 * harm:
        spot = (draw.uniform(0, seen.shape[1]), draw.uniform(-0.4, 1.4) * seen.shape[0])
        glare(seen, spot, radius_px=seen.shape[0] * draw.uniform(0.3, 0.8), strength=draw.uniform(40, 120))
    if draw.random() < 0.4:
        seen = np.asarray(smear(seen, (draw.uniform(-4, 4) * harm, draw.uniform(-2, 2) * harm)))
    seen = blur(seen, harm * draw.uniform(0.0, 1.2))
    seen = expose(seen, draw.uniform(0.35, 0.7) if night else draw.uniform(0.75, 1.25))
    sigma = harm * draw.uniform(3, 14) if night else harm * draw.uniform(0, 6)
    noisy = seen + rng.normal(0, 1, seen.shape) * sigma
    return Crop(np.asarray(np.clip(noisy, 0, 255), np.uint8), bare(text), style.name)


def _tilted(plate: Picture, draw: Random, rng: np.random.Generator, *, harm: float) -> Picture:
    """The plate in perspective on a piece of bumper, small as in a gate picture."""
    height, width = plate.shape[:2]
    out_w = draw.randint(60, 260)
    margin = draw.uniform(0.04, 0.15)
    out_h = round(out_w * height / width * draw.uniform(0.85, 1.25))
    scale = out_w / width
    if scale < 1:
        plate = np.asarray(cv2.resize(plate, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        height, width = plate.shape[:2]
    centre = np.array([out_w, out_h]) / 2
    half = centre * (1 - margin)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    angle = harm * draw.gauss(0, 0.05)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = corners @ turn + centre + rng.uniform(-0.05, 0.05, (4, 2)) * harm * (out_w, out_h)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    paint = np.array([draw.randint(20, 210)] * 3) + rng.integers(-12, 12, 3)
    ground = _bumper(out_w, out_h, paint.astype(np.float64))
    cv2.warpPerspective(
        plate, matrix, (out_w, out_h), dst=ground, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    return ground


def _bumper(width: int, height: int, paint: npt.NDArray[np.float64]) -> Picture:
    fall = np.linspace(1.1, 0.8, height)[:, None, None]
    sheet = np.broadcast_to(paint * fall, (height, width, 3))
    return np.asarray(np.clip(sheet, 0, 255), np.uint8).copy()
