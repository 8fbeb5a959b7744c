"""The empty view of a gate camera: street, driveway, kerbs, pillars, hedges, houses. Pure; seeded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from models.render.lens import blur, glare
from models.render.lettering import Picture
from models.render.light import Colour, Light
from models.render.view import Points, View

LANE_X_M = 1.65
"""Where the middle of the driveway runs, to the right of the camera."""
STOP_Z_M = 3.75
"""How far from the camera a car's bumper stops."""

_DRIVE = (0.32, 2.98)
_STREET_Z = (19.0, 26.0)
_PILLARS_X = (-0.28, 3.16)
_HEDGE_FROM_M = 7.9
NEAREST_STANDING_M = 4.9
"""Nothing that could hide a car stands nearer than this."""


def _lit(colour: npt.ArrayLike, light: Light, facing_up: float = 1.0) -> npt.NDArray[np.float64]:
    level = np.asarray(light.ambient) + np.asarray(light.sun) * facing_up
    return np.clip(np.asarray(colour) * level, 0, 255)


def _cloud(rng: np.random.Generator, size: int = 512) -> npt.NDArray[np.float32]:
    """Tileable noise of several grain sizes, mean 0, about -1..1."""
    total = np.zeros((size, size), np.float32)
    for cells, weight in ((8, 0.30), (32, 0.30), (128, 0.35), (512, 0.55)):
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        wrapped = np.pad(coarse, 2, mode="wrap")
        step = size // cells
        large = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += weight * large[2 * step : 2 * step + size, 2 * step : 2 * step + size]
    return total


def _sample(
    cloud: npt.NDArray[np.float32], x: npt.NDArray[np.float64], z: npt.NDArray[np.float64], per_m: float
) -> npt.NDArray[np.float64]:
    size = cloud.shape[0]
    u = np.nan_to_num(x * per_m % size).astype(np.float32)
    v = np.nan_to_num(z * per_m % size).astype(np.float32)
    return np.asarray(cv2.remap(cloud, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float64)


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The scene without cars.

    Attributes:
        picture: sharp and without noise.
        standing_m: shape (height, width), float32: how far away (z) the thing standing there is, which
            hides what is farther; infinity on open ground.
    """

    picture: Picture
    standing_m: npt.NDArray[np.float32]

    def hiding(self, z_m: float) -> npt.NDArray[np.uint8]:
        """Shape (height, width): 1 where something stands before a car whose nose is at `z_m`."""
        return (self.standing_m < z_m - 0.3).view(np.uint8)


def draw_backdrop(view: View, light: Light, rng: np.random.Generator) -> Backdrop:
    """The empty scene, of the view's size."""
    picture = _sky(view, light, rng)
    _far_side(picture, view, light, rng)
    picture = blur(picture, 1.6)
    _ground(picture, view, light, rng)
    standing_m = np.full(picture.shape[:2], np.inf, np.float32)
    for z_m, draw in _standing(view, light, rng):
        before = picture.copy()
        draw(picture)
        standing_m[(picture != before).any(axis=2)] = z_m
    if light.lamps > 0.3:
        _lanterns(picture, view, light)
    return Backdrop(_vignette(picture), standing_m)


def _standing(
    view: View, light: Light, rng: np.random.Generator
) -> Iterator[tuple[float, Callable[[Picture], None]]]:
    """What stands beside the driveway, far to near, with its distance."""
    for z_m in np.arange(17.0, _HEDGE_FROM_M - 0.01, -0.8):
        yield float(z_m), partial(_hedges, view=view, z_m=float(z_m), light=light, rng=rng)
    yield 7.2, partial(_pillars, view=view, light=light, rng=rng)
    yield 5.2, partial(_intercom, view=view, light=light)
    yield 4.9, partial(_barrier, view=view, light=light)


def _sky(view: View, light: Light, rng: np.random.Generator) -> Picture:
    horizon = view.height_px / 2 - view.focal_px * np.tan(view.pitch_rad)
    share = np.clip(1 - np.arange(view.height_px) / max(horizon, 1), 0, 1)[:, None, None]
    sky = (
        np.asarray(light.horizon) + (np.asarray(light.zenith) - np.asarray(light.horizon)) * share**0.8 * 0.75
    )
    sheet = np.broadcast_to(sky, (view.height_px, view.width_px, 3)).copy()
    wisps = cv2.resize(_cloud(rng, 512)[:128], (view.width_px, view.height_px), interpolation=cv2.INTER_CUBIC)
    puff = np.clip(cv2.GaussianBlur(wisps, (0, 0), 9) * 2.2, 0, 1)[..., None] * (1 - 0.8 * light.lamps)
    clouded = sheet + (np.asarray(light.horizon) * 1.05 - sheet) * puff * 0.5
    return np.asarray(np.clip(clouded, 0, 255), np.uint8)


def _block(
    picture: Picture,
    view: View,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    colour: Colour,
    light: Light,
) -> None:
    """A box with its front, its side towards the camera and its top."""
    (x1, y1, z1), (x2, y2, z2) = low, high
    side = x1 if view.position_m[0] < x1 else x2
    faces = (
        ([(x1, y2, z1), (x2, y2, z1), (x2, y2, z2), (x1, y2, z2)], 1.0),
        ([(side, y1, z1), (side, y2, z1), (side, y2, z2), (side, y1, z2)], 0.75),
        ([(x1, y1, z1), (x2, y1, z1), (x2, y2, z1), (x1, y2, z1)], 0.5),
    )
    for corners, towards_sun in faces:
        _face(picture, view, corners, _lit(colour, light, towards_sun))


def _face(picture: Picture, view: View, corners: npt.ArrayLike, colour: npt.NDArray[np.float64]) -> None:
    pixels, depth = view.project(corners)
    if depth.min() > 0.3:
        cv2.fillPoly(picture, [np.rint(pixels * 16).astype(np.int32)], colour.tolist(), cv2.LINE_AA, 4)


def _far_side(picture: Picture, view: View, light: Light, rng: np.random.Generator) -> None:
    """Houses and trees across the street."""
    for x1, wide, tall, wall in (
        (-17.0, 8.0, 4.6, (186, 172, 150)),
        (-5.5, 9.0, 5.0, (172, 132, 112)),
        (8.5, 9.0, 4.4, (190, 188, 182)),
        (20.0, 9.0, 5.2, (160, 150, 140)),
    ):
        z = 36.0
        _face(
            picture,
            view,
            [(x1, 0, z), (x1, tall, z), (x1 + wide, tall, z), (x1 + wide, 0, z)],
            _lit(wall, light, 0.5),
        )
        roof = [
            (x1 - 0.5, tall, z),
            (x1 + wide * 0.25, tall + 2.6, z + 3),
            (x1 + wide * 0.75, tall + 2.6, z + 3),
            (x1 + wide + 0.5, tall, z),
        ]
        _face(picture, view, roof, _lit((112, 76, 64), light, 0.8))
        for column in range(4):
            for y in (0.9, 3.0):
                wx = x1 + 0.8 + column * wide / 4
                lamp_lit = light.lamps > 0.3 and rng.random() < 0.45
                _window(picture, view, (wx, y, z - 0.1), light, lamp_lit=lamp_lit)
    for _ in range(26):
        x, z, tall = float(rng.uniform(-22, 30)), float(rng.uniform(28.5, 34)), float(rng.uniform(2.0, 6.5))
        _tree(picture, view, (x, z, tall), light, rng)


def _window(
    picture: Picture, view: View, at: tuple[float, float, float], light: Light, *, lamp_lit: bool
) -> None:
    """A window with drawn-back curtains and a cross of bars; changes `picture`."""
    x, y, z = at

    def part(left: float, right: float, low: float, high: float, colour: npt.NDArray[np.float64]) -> None:
        corners = [
            (x + left, y + low, z),
            (x + left, y + high, z),
            (x + right, y + high, z),
            (x + right, y + low, z),
        ]
        _face(picture, view, corners, colour)

    glass = (
        np.array((186, 138, 76)) * (0.45 + 0.2 * light.lamps) if lamp_lit else _lit((70, 84, 98), light, 0.4)
    )
    frame = _lit((176, 172, 164), light, 0.4)
    part(-0.06, 1.06, -0.06, 1.26, frame)
    part(0.0, 1.0, 0.0, 1.2, glass)
    for left, right in ((0.0, 0.26), (0.74, 1.0)):
        part(left, right, 0.0, 1.2, glass * (0.6 if lamp_lit else 0.85))
    part(0.46, 0.54, 0.0, 1.2, frame * 0.6)
    part(0.0, 1.0, 0.74, 0.80, frame * 0.6)


def _tree(
    picture: Picture, view: View, at: tuple[float, float, float], light: Light, rng: np.random.Generator
) -> None:
    x, z, tall = at
    _face(
        picture,
        view,
        [(x - 0.12, 0, z), (x - 0.1, tall * 0.5, z), (x + 0.1, tall * 0.5, z), (x + 0.12, 0, z)],
        _lit((70, 56, 44), light),
    )
    leaves = 150
    share = np.sort(rng.uniform(0, 1, leaves))
    height = tall * (0.35 + 0.65 * share)
    spread = tall * 0.26 * np.sin(np.pi * np.clip((height / tall - 0.25) / 0.8, 0.05, 0.97))
    aside = rng.normal(0, 0.6, leaves) * spread
    places = np.stack((x + aside, height, np.full(leaves, z)), axis=-1)
    sunny = rng.uniform(0.1, 1.0, leaves) * np.where(aside * light.sun_from[0] > 0, 1.0, 0.6)
    shades = rng.uniform(0.6, 1.3, leaves) * (0.6 + 0.4 * share)
    _foliage(
        picture,
        view,
        places,
        spread * rng.uniform(0.10, 0.26, leaves),
        shades=shades,
        sunny=sunny,
        light=light,
    )


def _foliage(
    picture: Picture,
    view: View,
    places: Points,
    radii_m: npt.NDArray[np.float64],
    *,
    shades: npt.NDArray[np.float64],
    sunny: npt.NDArray[np.float64],
    light: Light,
) -> None:
    """Tufts of leaves in the order given; changes `picture`.

    Args:
        places: shape (N, 3), metres.
        shades: N factors on the leaf green.
        sunny: N shares of the sun that reach the tuft.
    """
    pixels, depth = view.project(places)
    radii = np.maximum(1, (view.focal_px * radii_m / depth).astype(int)).tolist()
    level = np.asarray(light.ambient) + np.asarray(light.sun) * sunny[:, None]
    colours = np.clip(np.array((56, 85, 43)) * shades[:, None] * level, 0, 255).tolist()
    for centre, radius, colour in zip(pixels.astype(int).tolist(), radii, colours, strict=True):
        cv2.circle(picture, centre, radius, colour, -1, cv2.LINE_AA)


def _ground(picture: Picture, view: View, light: Light, rng: np.random.Generator) -> None:
    """Lawn, street, driveway, kerbs and the stop line, pixel by pixel; changes `picture`."""
    x, z = view.ground()
    seen = np.isfinite(x) & (z > 0) & (z < 36)
    fine, coarse = _cloud(rng), _cloud(rng)
    near = np.clip(1 - z / 14, 0.0, 1.0)
    grit = _sample(fine, x, z, 170.0) * near + _sample(coarse, x, z, 9.0) * 0.6
    stain = _sample(coarse, z, x, 24.0)
    grass = np.stack((70 + 16 * grit, 98 + 22 * grit, 50 + 10 * grit), axis=-1)
    asphalt = (96 + 10 * grit + 5 * stain)[..., None] * np.array((1.0, 1.0, 1.01))
    colour = np.where(np.isfinite(grass), grass, 0)
    on_street = (z > _STREET_Z[0]) & (z < _STREET_Z[1])
    pavement = ((z > _STREET_Z[0] - 1.8) & (z <= _STREET_Z[0])) | (
        (z >= _STREET_Z[1]) & (z < _STREET_Z[1] + 1.8)
    )
    on_drive = (x > _DRIVE[0]) & (x < _DRIVE[1]) & (z <= _STREET_Z[0])
    colour = np.where(
        (on_street | on_drive)[..., None], asphalt * np.where(on_street, 0.82, 1.0)[..., None], colour
    )
    colour = np.where((pavement & ~on_drive)[..., None], 150 + 8 * grit[..., None], colour)
    tracks = np.exp(-(((np.abs(x - LANE_X_M) - 0.75) / 0.16) ** 2)) * on_drive
    colour *= (1 - 0.13 * tracks)[..., None]
    drip = np.exp(-(((x - LANE_X_M) / 0.3) ** 2)) * on_drive * np.clip(stain + 0.4, 0, 1)
    colour *= (1 - 0.10 * drip)[..., None]
    for edge, inner in ((_DRIVE[0], -1), (_DRIVE[1], 1)):
        kerb = ((x - edge) * inner > 0) & ((x - edge) * inner < 0.15) & (z <= _STREET_Z[0])
        joint = (z % 0.9) < 0.02
        colour = np.where(
            kerb[..., None], (168 + 10 * grit[..., None]) * np.where(joint, 0.6, 1.0)[..., None], colour
        )
        gutter = ((edge - x) * inner > 0) & ((edge - x) * inner < 0.05) & (z <= _STREET_Z[0])
        colour *= np.where(gutter, 0.7, 1.0)[..., None]
    worn = np.clip(0.75 + 0.25 * stain, 0.35, 0.95)
    line = on_drive & (np.abs(x - LANE_X_M) < 1.15) & (z > STOP_Z_M - 0.62) & (z < STOP_Z_M - 0.38)
    colour = np.where(line[..., None], colour + (216 - colour) * worn[..., None], colour)
    dashes = on_street & (np.abs(z - sum(_STREET_Z) / 2) < 0.08) & (x % 3.0 < 1.6)
    colour = np.where(dashes[..., None], 205, colour)
    level = np.asarray(light.ambient) + np.asarray(light.sun)
    pools = np.zeros_like(x)
    for lamp_x, lamp_z, power in ((3.6, 6.6, 2.0), (-9.0, 18.5, 5.0), (12.0, 18.5, 5.0)):
        pools = pools + power / (2.4 + (x - lamp_x) ** 2 + (z - lamp_z) ** 2)
    warm = np.nan_to_num(pools)[..., None] * np.array((0.95, 0.74, 0.46)) * light.lamps
    camera_lamp = np.nan_to_num(0.9 * light.lamps / (1 + (np.hypot(x - 1.2, z) / 4.2) ** 4))[..., None] * 0.22
    shaded = np.clip(colour * (level + warm + camera_lamp), 0, 255)
    if light.lamps < 0.3:
        leaf = np.clip((_sample(coarse, x + 0.3 * z, z * 0.6, 7.0) - 0.15) * 2.5, 0, 1) * np.clip(
            (z - 7) / 3, 0, 1
        )
        shaded *= (1 - 0.42 * cv2.GaussianBlur(np.nan_to_num(leaf), (0, 0), 1.5))[..., None]
    far = np.clip((np.nan_to_num(z) - 12) / 14, 0, 1)[..., None]
    hazy = shaded + (np.asarray(light.horizon) * 0.8 - shaded) * far * 0.12
    picture[seen] = hazy[seen].astype(np.uint8)


def _hedges(picture: Picture, *, view: View, z_m: float, light: Light, rng: np.random.Generator) -> None:
    """A slice, 0.8 m thick, of the clipped hedges on both sides; changes `picture`."""
    tufts = 420
    for x1, x2 in ((-1.1, -0.35), (3.7, 4.5)):
        z = np.sort(rng.uniform(z_m, z_m + 0.8, tufts))[::-1]
        y = rng.uniform(0.01, 1.0, tufts) ** 0.7 * 1.12
        places = np.stack((rng.uniform(x1, x2, tufts), y, z), axis=-1)
        shades = rng.uniform(0.55, 1.35, tufts) * (0.42 + 0.58 * y)
        sunny = rng.uniform(0.1, 1.0, tufts)
        _foliage(
            picture, view, places, rng.uniform(0.016, 0.045, tufts), shades=shades, sunny=sunny, light=light
        )


def _lanterns(picture: Picture, view: View, light: Light) -> None:
    for x in _PILLARS_X:
        pixels, depth = view.project((x + 0.21, 1.84, 7.3))
        centre = (float(pixels[0]), float(pixels[1]))
        glare(picture, centre, radius_px=view.focal_px * 0.22 / float(depth), strength=230 * light.lamps)


def _pillars(picture: Picture, *, view: View, light: Light, rng: np.random.Generator) -> None:
    for x in _PILLARS_X:
        _block(picture, view, (x, 0.0, 7.2), (x + 0.42, 1.62, 7.62), (150, 118, 98), light)
        for row in range(20):
            y = 0.02 + row * 0.08
            for column in range(3):
                left = x + column * 0.14 - (0.07 if row % 2 else 0.0)
                low, high = max(left, x) + 0.006, min(left + 0.13, x + 0.42) - 0.002
                if high > low:
                    brick = np.array((158, 92, 70)) * rng.uniform(0.8, 1.15)
                    face = [
                        (low, y, 7.195),
                        (high, y, 7.195),
                        (high, y + 0.068, 7.195),
                        (low, y + 0.068, 7.195),
                    ]
                    _face(picture, view, face, _lit(brick, light, 0.45))
        _block(picture, view, (x - 0.05, 1.62, 7.15), (x + 0.47, 1.72, 7.67), (188, 182, 172), light)
        _block(picture, view, (x + 0.12, 1.72, 7.32), (x + 0.30, 1.94, 7.50), (200, 196, 180), light)


def _intercom(picture: Picture, *, view: View, light: Light) -> None:
    """The post a visitor would speak into."""
    _block(picture, view, (-0.10, 0.0, 5.2), (0.0, 1.15, 5.3), (96, 98, 102), light)
    _block(picture, view, (-0.14, 1.0, 5.16), (0.04, 1.30, 5.28), (54, 56, 60), light)
    _block(picture, view, (-0.09, 1.20, 5.15), (-0.01, 1.26, 5.16), (150, 154, 160), light)
    for row in range(3):
        for column in range(3):
            x, y = -0.085 + column * 0.03, 1.05 + row * 0.035
            _block(picture, view, (x, y, 5.15), (x + 0.018, y + 0.02, 5.16), (170, 172, 176), light)


def _barrier(picture: Picture, *, view: View, light: Light) -> None:
    """The barrier's housing with its arm upright."""
    _block(picture, view, (3.30, 0.0, 4.9), (3.66, 1.02, 5.25), (204, 120, 40), light)
    _block(picture, view, (3.27, 1.02, 4.87), (3.69, 1.07, 5.28), (70, 72, 74), light)
    for i in range(6):
        paint = (206, 44, 38) if i % 2 else (226, 226, 222)
        _block(picture, view, (3.43, 1.07 + i * 0.32, 5.0), (3.51, 1.39 + i * 0.32, 5.06), paint, light)


def _vignette(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fall = 1 - 0.16 * (x**2 * 0.6 + y**2 * 0.4)
    return np.asarray(picture * fall[..., None], np.uint8)
