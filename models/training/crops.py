"""Plate crops with their text, and the distortions a camera at a gate adds to them."""

import csv
import math
import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.training.slot_reader import ALPHABET, HEIGHT_PX, SLOTS, WIDTH_PX

Picture = npt.NDArray[np.uint8]

BRAZIL_WEIGHT, NORTH_AMERICA_WEIGHT = 0.5, 1.8
"""Brazil is a third of the crops, US and Canada a tenth: drawn less and more often."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One plate.

    Attributes:
        picture: shape (h, w, 3), uint8, RGB.
        labelled: the text came with the picture; otherwise a teacher network read it.
    """

    picture: Picture
    text: str
    region: str
    labelled: bool


def load_crops(folder: Path, list_name: str) -> list[Crop]:
    """The crops that a CSV file of the OCR set names ("train.csv", "val.csv").

    Raises:
        FileNotFoundError: the set, or a picture of it, is not there.
    """
    origin: dict[str, tuple[bool, str]] = {}
    for table, labelled in (("labels.csv", True), ("pseudo_labels.csv", False)):
        with (folder / table).open(newline="") as lines:
            for row in csv.DictReader(lines):
                origin[row["image_path"]] = (labelled, row["teacher_region"])
    crops = []
    with (folder / list_name).open(newline="") as lines:
        for row in csv.DictReader(lines):
            picture = cv2.imread(str(folder / row["image_path"]))
            if picture is None:
                raise FileNotFoundError(f"{folder / row['image_path']}: missing or unreadable")
            labelled, region = origin[row["image_path"]]
            if len(row["plate_text"]) <= SLOTS:
                rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                crops.append(Crop(rgb, row["plate_text"], region, labelled))
    return crops


def sampling_weights(crops: list[Crop]) -> npt.NDArray[np.float64]:
    """How often each crop is drawn; sums to 1."""
    weights = np.array([_weight(crop.region) for crop in crops])
    return weights / weights.sum()


def _weight(region: str) -> float:
    if region == "Brazil":
        return BRAZIL_WEIGHT
    return NORTH_AMERICA_WEIGHT if region in ("United States", "Canada") else 1.0


def to_input(picture: Picture) -> Picture:
    """Stretched to the network's rectangle, shape (64, 128, 3)."""
    return cv2.resize(picture, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_LINEAR)


def encode(text: str) -> list[int]:
    """Alphabet indices, padded to SLOTS."""
    return [ALPHABET.index(c) for c in text] + [len(ALPHABET) - 1] * (SLOTS - len(text))


def decode(indices: npt.NDArray[np.intp]) -> str:
    return "".join(ALPHABET[i] for i in indices).rstrip("_")


def augment(picture: Picture, rng: random.Random) -> Picture:
    """A plausible other photograph of the same plate, shape (64, 128, 3), uint8."""
    warped = _warp(picture, rng) if rng.random() < 0.85 else to_input(picture)
    return _spoil(_relight(_blur(warped, rng), rng), rng)


def _warp(picture: Picture, rng: random.Random) -> Picture:
    """Another box around the plate: scale, shift, rotation, shear and perspective in one warp."""
    height, width = picture.shape[:2]
    angle, shear = math.radians(rng.gauss(0, 4)), rng.gauss(0, 0.08)
    size = np.array([rng.uniform(0.88, 1.12) * width, rng.uniform(0.85, 1.18) * height])
    centre = [width / 2 + rng.uniform(-0.05, 0.05) * width, height / 2 + rng.uniform(-0.07, 0.07) * height]
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * size
    corners[:, 0] += shear * corners[:, 1]
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    jitter = np.array([[rng.gauss(0, 0.02) * width, rng.gauss(0, 0.03) * height] for _ in range(4)])
    source = (corners @ turn + centre + jitter).astype(np.float32)
    target = np.array([[0, 0], [WIDTH_PX, 0], [WIDTH_PX, HEIGHT_PX], [0, HEIGHT_PX]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    return cv2.warpPerspective(picture, matrix, (WIDTH_PX, HEIGHT_PX), borderMode=cv2.BORDER_REPLICATE)


def _blur(picture: Picture, rng: random.Random) -> Picture:
    """Too few pixels, out of focus, or moved."""
    kind = rng.random()
    if kind < 0.2:
        factor = rng.uniform(0.3, 0.8)
        small = (int(WIDTH_PX * factor), int(HEIGHT_PX * factor))
        return to_input(cv2.resize(picture, small, interpolation=cv2.INTER_AREA))
    if kind < 0.3:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.3))
    if kind < 0.4:
        length = rng.choice((3, 5))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        return cv2.filter2D(picture, -1, kernel if rng.random() < 0.7 else kernel.T)
    return picture


def _relight(picture: Picture, rng: random.Random) -> Picture:
    """Exposure, gamma, colour cast and sensor noise."""
    if rng.random() >= 0.6:
        return picture
    gain, offset, gamma = rng.uniform(0.55, 1.3), rng.uniform(-35, 35), rng.uniform(0.7, 1.4)
    light = np.clip(255 * (picture.astype(np.float32) / 255) ** gamma * gain + offset, 0, 255)
    if rng.random() < 0.3:
        light *= np.array([rng.uniform(0.85, 1.1) for _ in range(3)], np.float32)
    if rng.random() < 0.3:
        channels = rng.choice((1, 3))
        noise = np.random.default_rng(rng.getrandbits(32)).standard_normal((HEIGHT_PX, WIDTH_PX, channels))
        light += noise * rng.uniform(2, 14)
    return np.clip(light, 0, 255).astype(np.uint8)


def _spoil(picture: Picture, rng: random.Random) -> Picture:
    """Infrared, a negative, hard compression, or something in front of the plate."""
    if rng.random() < 0.15:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.03:
        picture = 255 - picture
    if rng.random() < 0.15:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(20, 70)])
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    if rng.random() < 0.1:
        left, top = rng.randint(0, WIDTH_PX - 8), rng.randint(0, HEIGHT_PX - 8)
        picture = picture.copy()
        picture[top : top + rng.randint(3, 12), left : left + rng.randint(3, 12)] = rng.randint(0, 255)
    return picture
