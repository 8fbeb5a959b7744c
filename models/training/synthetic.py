"""Drawn plate crops for the recogniser: kinds of plates that the real crops hold too few of."""

import random

import cv2
import numpy as np

from models.render.lens import dirty, shaded
from models.render.plates import STYLES, bare, draw_plate, random_text
from models.training.crops import Crop, Picture

_STYLE_WEIGHTS = {"us": 4.0, "eu": 2.0, "motorcycle": 1.5}
"""Others weigh 1. US crops with a label are rare in the real set, and so are plates of two lines."""


def draw_crop(rng: random.Random) -> Crop:
    """One plate of a random style and text, as a detector with 8 % margin would cut it out.

    Augmentation adds what the camera does to it.
    """
    styles = list(STYLES.values())
    style = rng.choices(styles, [_STYLE_WEIGHTS.get(s.name, 1.0) for s in styles])[0]
    text = random_text(style, rng)
    noise = np.random.default_rng(rng.getrandbits(32))
    plate = draw_plate(text, style, slogan=rng.randrange(8))
    if rng.random() < 0.4:
        plate = dirty(plate, rng.uniform(0, 0.8), noise)
    if rng.random() < 0.25:
        plate = shaded(plate, noise, depth=rng.uniform(0.2, 0.6))
    margin = rng.uniform(0.02, 0.14)
    height, width = plate.shape[:2]
    pad_y, pad_x = round(height * margin), round(width * margin)
    body = [rng.randint(10, 220)] * 3 if rng.random() < 0.7 else [rng.randint(0, 220) for _ in range(3)]
    framed = cv2.copyMakeBorder(plate, pad_y, pad_y, pad_x, pad_x, cv2.BORDER_CONSTANT, value=body)
    return Crop(_from_afar(framed, rng), bare(text), style.name, labelled=True)


def _from_afar(picture: Picture, rng: random.Random) -> Picture:
    """As few pixels as plates have in real pictures: 45 to 200 across."""
    scale = rng.uniform(45, 200) / picture.shape[1]
    size = (max(8, round(picture.shape[1] * scale)), max(8, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
