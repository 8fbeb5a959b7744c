"""A plausible other photograph of the same plate: another box, distance, lens, light. Pure."""

import math
import random

import cv2
import numpy as np
import numpy.typing as npt

from models.training.alphabet import HEIGHT_PX, WIDTH_PX
from models.training.crops import Box, Picture
from models.training.views import CORNERS, cut

_ENLARGED_BY = (cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)


def photograph(picture: Picture, box: Box, rng: random.Random) -> Picture:
    """The plate in the box as another camera might show it; shape (64, 128, 3), uint8.

    Args:
        box: drawn tightly; around it as much is shown as loose and tight detectors do.
    """
    return _spoil(_relight(_blur(cut(picture, _other_box(box, rng)), rng), rng), rng)


def _other_box(box: Box, rng: random.Random) -> npt.NDArray[np.float64]:
    """Corners of another box around the plate: margins side by side, turned, sheared, in perspective."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    x1, x2 = x1 - _margin_x(rng) * width, x2 + _margin_x(rng) * width
    y1, y2 = y1 - _margin_y(rng) * height, y2 + _margin_y(rng) * height
    size, centre = np.array([x2 - x1, y2 - y1]), np.array([x1 + x2, y1 + y2]) / 2
    corners = CORNERS * size
    corners[:, 0] += rng.gauss(0, 0.07) * corners[:, 1]
    angle = math.radians(rng.gauss(0, 4))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    jitter = [[rng.gauss(0, 0.015), rng.gauss(0, 0.025)] for _ in range(4)] * size
    return corners @ turn + centre + jitter


def _margin_x(rng: random.Random) -> float:
    return min(0.16, max(-0.03, rng.gauss(0.05, 0.05)))


def _margin_y(rng: random.Random) -> float:
    return min(0.25, max(-0.05, rng.gauss(0.08, 0.08)))


def _blur(picture: Picture, rng: random.Random) -> Picture:
    """Too few pixels, out of focus, or moved."""
    kind = rng.random()
    if kind < 0.22:
        factor = rng.uniform(0.26, 0.8)
        small = (int(WIDTH_PX * factor), int(HEIGHT_PX * factor))
        far = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(far, (WIDTH_PX, HEIGHT_PX), interpolation=rng.choice(_ENLARGED_BY))
    if kind < 0.32:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.4))
    if kind < 0.42:
        length = rng.choice((3, 5, 7))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        return cv2.filter2D(picture, -1, kernel if rng.random() < 0.7 else kernel.T)
    return picture


def _relight(picture: Picture, rng: random.Random) -> Picture:
    """Exposure and gamma; sometimes a colour cast, light that falls off across the plate, and noise."""
    if rng.random() >= 0.6:
        return picture
    gain, offset, gamma = rng.uniform(0.45, 1.35), rng.uniform(-40, 40), rng.uniform(0.6, 1.5)
    curve = 255 * (np.arange(256, dtype=np.float32) / 255) ** gamma * gain + offset
    light = np.clip(curve, 0, 255).astype(np.uint8)[picture]
    if rng.random() >= 0.35:
        return light
    light = light.astype(np.float32)
    if rng.random() < 0.5:
        light *= np.array([rng.uniform(0.8, 1.15) for _ in range(3)], np.float32)
    if rng.random() < 0.5:
        across = np.linspace(-1, 1, WIDTH_PX, dtype=np.float32)[None] * rng.uniform(-0.4, 0.4)
        down = np.linspace(-1, 1, HEIGHT_PX, dtype=np.float32)[:, None] * rng.uniform(-0.4, 0.4)
        light *= (1 + across + down)[..., None]
    if rng.random() < 0.6:
        shape = (HEIGHT_PX, WIDTH_PX, rng.choice((1, 3)))
        noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(shape, dtype=np.float32)
        light = light + noise * rng.uniform(2, 14)
    return np.clip(light, 0, 255).astype(np.uint8)


def _spoil(picture: Picture, rng: random.Random) -> Picture:
    """Infrared, a negative, hard compression, or something in front of the plate."""
    if rng.random() < 0.15:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.03:
        picture = 255 - picture
    if rng.random() < 0.15:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(18, 70)])
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    if rng.random() < 0.08:
        left, top = rng.randint(0, WIDTH_PX - 8), rng.randint(0, HEIGHT_PX - 8)
        picture[top : top + rng.randint(3, 12), left : left + rng.randint(3, 12)] = rng.randint(0, 255)
    return picture
