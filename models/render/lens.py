"""What lens, weather and sensor do to a picture. Pure; randomness comes in with the caller's generator."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.render.lettering import Picture


def blur(picture: Picture, sigma_px: float) -> Picture:
    """Out of focus; the same array where the blur is too small to see."""
    if sigma_px < 0.2:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.uint8)


def smear(picture: npt.NDArray[np.uint8], moved_px: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """Motion blur along `moved_px`, the way covered during the exposure; any number of channels."""
    length = float(np.hypot(*moved_px))
    if length < 0.7:
        return picture
    reach = int(np.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    half = np.array(moved_px) / 2
    ends = [tuple(int(v) for v in np.rint((reach + sign * half) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, shift=4)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def expose(picture: Picture, gain: float) -> Picture:
    """Brighter or darker, clipped where the sensor is full."""
    return np.asarray(cv2.convertScaleAbs(picture, alpha=gain), np.uint8)


@dataclass(frozen=True, slots=True)
class Grain:
    """Sensor noise, drawn once and laid over each picture at another offset, which is what makes it cheap.

    Attributes:
        tile: shape (height + margin, width + margin, 3), int16, unit variance times 16.
    """

    tile: npt.NDArray[np.int16]

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, *, width_px: int, height_px: int, margin_px: int = 97
    ) -> "Grain":
        """Mostly brightness noise with a little colour, as small sensors give."""
        shape = (height_px + margin_px, width_px + margin_px)
        luma = rng.standard_normal((*shape, 1), np.float32)
        chroma = rng.standard_normal((*shape, 3), np.float32)
        soft = cv2.GaussianBlur((luma + 0.45 * chroma) * 16, (0, 0), 0.55)
        return cls((soft * (16 / max(float(soft.std()), 1e-6))).astype(np.int16))

    def over(self, picture: Picture, sigma: float, rng: np.random.Generator) -> Picture:
        """The picture with noise of `sigma` grey levels.

        Raises:
            ValueError: the picture is larger than the grain was drawn for.
        """
        height, width = picture.shape[:2]
        spare_y, spare_x = self.tile.shape[0] - height, self.tile.shape[1] - width
        if spare_y < 0 or spare_x < 0:
            raise ValueError(
                f"the grain covers {self.tile.shape[1]}x{self.tile.shape[0]} px, the picture is larger"
            )
        y, x = int(rng.integers(spare_y + 1)), int(rng.integers(spare_x + 1))
        patch = self.tile[y : y + height, x : x + width]
        return np.asarray(cv2.scaleAdd(patch, sigma / 16, picture.astype(np.int16)).clip(0, 255), np.uint8)


def dirty(plate: Picture, amount: float, rng: np.random.Generator) -> Picture:
    """Dust from below and splashes, 0 none to 1 heavy; letters stay darker than the dust."""
    if amount <= 0:
        return plate
    height, width = plate.shape[:2]
    cloud = np.asarray(
        cv2.resize(rng.random((5, 12), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    )
    rising = np.linspace(0.3, 1.0, height, dtype=np.float32)[:, None]
    cover = np.clip(cloud * rising * amount * 0.8, 0, 0.75)
    for _ in range(int(14 * amount)):
        spot = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(
            cover, spot, int(rng.integers(1, max(2, height // 24))), float(0.6 * amount), -1, cv2.LINE_AA
        )
    mud = np.array((122, 106, 84), np.float32)
    return np.asarray(plate * (1 - cover[..., None]) + mud * cover[..., None], np.uint8)


def shaded(plate: Picture, rng: np.random.Generator, *, depth: float) -> Picture:
    """A hard shadow edge across the plate; `depth` 0 none to 1 black."""
    height, width = plate.shape[:2]
    top, foot = rng.uniform(0, width, 2)
    corners = np.array([[0, 0], [top, 0], [foot, height], [0, height]], np.int32)
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [corners], 1.0, cv2.LINE_AA)
    if rng.random() < 0.5:
        mask = 1 - mask
    return (plate * (1 - depth * mask[..., None])).astype(np.uint8)


def glare(picture: Picture, centre: tuple[float, float], *, radius_px: float, strength: float) -> None:
    """Add the halo of a lamp or a sun glint; changes `picture`.

    Args:
        strength: grey levels added in the middle.
    """
    reach = int(radius_px * 2.2)
    x, y = round(centre[0]), round(centre[1])
    left, top = max(0, x - reach), max(0, y - reach)
    right, foot = min(picture.shape[1], x + reach + 1), min(picture.shape[0], y + reach + 1)
    if left >= right or top >= foot or reach < 1:
        return
    rows, columns = np.arange(top, foot, dtype=np.float32) - y, np.arange(left, right, dtype=np.float32) - x
    square = (rows[:, None] ** 2 + columns[None] ** 2) / np.float32(radius_px**2)
    halo = strength * (0.75 * np.exp(-6 * square) + 0.25 * np.exp(-1.3 * square))
    tint = np.array((1.0, 0.97, 0.88), np.float32)
    patch = picture[top:foot, left:right]
    cv2.add(patch, (halo[..., None] * tint).astype(np.uint8), dst=patch)
