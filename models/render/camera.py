"""How a gate's camera takes a picture: focus, movement, light, infrared, noise, compression. Pure; seeded."""

from dataclasses import dataclass
from random import Random
from typing import Literal

import cv2
import numpy as np

from models.render.lens import blur, glare, smear
from models.render.lettering import Picture
from models.render.weather import rain

Light = Literal["day", "dusk", "night", "infrared"]
_TINTS = (
    (1.0, 1.0, 1.0),
    (1.06, 1.0, 0.9),
    (0.9, 1.0, 1.1),
    (1.15, 0.96, 1.08),
    (0.8, 1.12, 0.95),
    (1.1, 1.0, 0.75),
)
"""Colour casts; the fourth is a sensor without infrared filter, the fifth tinted glass, the last sodium."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """One exposure.

    Attributes:
        focus: Gaussian blur over the picture's height.
        moved: way during the exposure over the picture's height.
        coarse: how much smaller the sensor saw it before it was scaled up again; 1 not at all.
        gain, offset, gamma: of the brightness; offset in grey levels.
        noise: grey levels.
        jpeg: quality; 0 leaves it uncompressed.
        bloom: how strongly bright paper shines over into the ink, 0 to 1.
    """

    light: Light
    focus: float
    moved: tuple[float, float]
    coarse: float
    gain: float
    offset: float
    gamma: float
    tint: tuple[float, float, float]
    grey: bool
    noise: float
    jpeg: int
    bloom: float
    rain: float
    spot: bool

    @classmethod
    def drawn(cls, draw: Random, *, harm: float) -> "Conditions":
        """A plausible exposure; `harm` 0 is daylight without fault."""
        light: Light = draw.choices(
            ("day", "dusk", "night", "infrared"), (1 + (1 - harm) * 5, 0.3, 0.22, 0.2)
        )[0]
        dark = light in ("dusk", "night")
        blurred = draw.random()
        return cls(
            light=light,
            focus=harm * (draw.uniform(0.012, 0.034) if blurred < 0.18 else draw.uniform(0.0, 0.011)),
            moved=(draw.gauss(0, 0.05) * harm, draw.gauss(0, 0.025) * harm)
            if draw.random() < 0.25
            else (0.0, 0.0),
            coarse=draw.uniform(0.5, 0.95) if draw.random() < 0.18 * harm else 1.0,
            gain=1 + harm * (draw.uniform(-0.66, -0.15) if dark else draw.uniform(-0.35, 0.3)),
            offset=harm * draw.uniform(-12, 30),
            gamma=1 + harm * draw.uniform(-0.3, 0.4),
            tint=draw.choice(_TINTS) if draw.random() < 0.5 * harm else _TINTS[0],
            grey=light == "infrared" or draw.random() < 0.08,
            noise=harm * (draw.uniform(2, 9) if dark else draw.uniform(0, 6)),
            jpeg=draw.randint(35, 92) if draw.random() < 0.7 * harm else 0,
            bloom=draw.uniform(0.2, 0.9) * harm
            if light == "infrared" or draw.random() < 0.06 * harm
            else 0.0,
            rain=draw.random() if draw.random() < 0.05 * harm else 0.0,
            spot=draw.random() < (0.15 if dark else 0.07) * harm,
        )


def photographed(scene: Picture, taken: Conditions, draw: Random, rng: np.random.Generator) -> Picture:
    """The scene as the camera stores it, of the same shape."""
    picture = scene
    height, width = picture.shape[:2]
    if taken.rain:
        picture = rain(picture, draw, amount=taken.rain)
    if taken.light == "infrared":
        picture = _lit_by_infrared(picture, draw)
    elif taken.grey:
        picture = _greyed(picture)
    if taken.bloom:
        halo = cv2.GaussianBlur(picture, (0, 0), max(0.8, height * 0.045))
        picture = cv2.addWeighted(picture, 1.0, halo, 0.45 * taken.bloom, 0)
    if taken.spot:
        picture = picture.copy()
        centre = (draw.uniform(0, width), draw.uniform(-0.2, 1.2) * height)
        glare(picture, centre, radius_px=height * draw.uniform(0.2, 0.6), strength=draw.uniform(40, 130))
    moved_px = taken.moved[0] * height, taken.moved[1] * height
    picture = blur(np.asarray(smear(picture, moved_px)), taken.focus * height)
    if taken.coarse < 1:
        small = (max(8, round(width * taken.coarse)), max(6, round(height * taken.coarse)))
        picture = cv2.resize(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), (width, height))
    light = np.arange(256, dtype=np.float32) / 255
    curve = (light**taken.gamma * taken.gain * 255 + taken.offset)[:, None] * np.array(
        (1, 1, 1) if taken.grey else taken.tint, np.float32
    )
    table = np.clip(curve, 0, 255).astype(np.uint8)[:, None, :]
    picture = cv2.LUT(picture, np.ascontiguousarray(table.reshape(1, 256, 3)))
    if taken.noise > 0.5:
        grain = rng.standard_normal(
            (height, width, 1 if taken.grey or draw.random() < 0.4 else 3), np.float32
        )
        if draw.random() < 0.5:
            grain = cv2.GaussianBlur(grain, (0, 0), 0.6).reshape(height, width, -1) * 1.7
        picture = np.clip(picture + grain * np.float32(taken.noise), 0, 255).astype(np.uint8)
    if taken.jpeg:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, taken.jpeg])
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(picture, np.uint8)


def _greyed(picture: Picture) -> Picture:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.merge((grey, grey, grey)), np.uint8)


def _lit_by_infrared(picture: Picture, draw: Random) -> Picture:
    """Retro-reflecting paper returns the lamp's light; all around it is dark."""
    grey = _greyed(picture).astype(np.float32)
    contrast = draw.uniform(1.0, 1.5)
    return np.asarray(np.clip((grey - 90) * contrast + draw.uniform(70, 110), 0, 255), np.uint8)
