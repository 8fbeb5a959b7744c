"""Spoils pictures as lenses, nights and networks do; what the plate says stays known. Pure; seeded."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""Shape (H, W, 3), RGB."""


def _blurred(picture: Picture, rng: np.random.Generator) -> Picture:
    sigma = picture.shape[0] * rng.uniform(0.025, 0.06)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _dark(picture: Picture, rng: np.random.Generator) -> Picture:
    light = picture * rng.uniform(0.08, 0.25)
    return _clipped(light + rng.normal(0, rng.uniform(2, 6), picture.shape))


def _small(picture: Picture, rng: np.random.Generator) -> Picture:
    width = int(rng.integers(36, 60))
    height = max(8, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _turned(picture: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    angle = rng.uniform(4, 12) * rng.choice([-1, 1])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _compressed(picture: Picture, rng: np.random.Generator) -> Picture:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(6, 16))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR), np.uint8)


def _loose(picture: Picture, rng: np.random.Generator) -> Picture:
    """A detector's loose box: the surroundings are not in the crop, so its rim is drawn out."""
    height, width = picture.shape[:2]
    top, bottom = (int(height * rng.uniform(0.08, 0.25)) for _ in range(2))
    left, right = (int(width * rng.uniform(0.08, 0.25)) for _ in range(2))
    return np.asarray(cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8)


def _shifted(picture: Picture, rng: np.random.Generator) -> Picture:
    """A box beside the plate by some percent: cut on one side, drawn out on the other, no glyph lost."""
    height, width = picture.shape[:2]
    matrix = np.array(
        [[1, 0, width * rng.uniform(-0.035, 0.035)], [0, 1, height * rng.uniform(-0.08, 0.08)]], np.float32
    )
    moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _noisy(picture: Picture, rng: np.random.Generator) -> Picture:
    return _clipped(picture + rng.normal(0, rng.uniform(12, 30), picture.shape))


def _clipped(light: npt.NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(light, 0, 255), np.uint8)


DEGRADATIONS: dict[str, Callable[[Picture, np.random.Generator], Picture]] = {
    "blur": _blurred,
    "dark": _dark,
    "small": _small,
    "rotation": _turned,
    "jpeg": _compressed,
    "margin": _loose,
    "shift": _shifted,
    "noise": _noisy,
}


def degrade(picture: Picture, kind: str, *, seed: int) -> Picture:
    """The picture spoilt in one way; equal arguments give equal pictures.

    Args:
        picture: shape (H, W, 3), uint8, RGB.
        kind: one of `DEGRADATIONS`.

    Returns:
        a new picture, of another size where the kind says so ("small", "margin").
    """
    return DEGRADATIONS[kind](picture, np.random.default_rng([seed, *kind.encode()]))
