"""Put one car into a gate picture, with its plate, lamps and shadow. Pure but for the picture it changes."""

from dataclasses import replace

import cv2
import numpy as np

from models.render.canvas import NEAR_M, Canvas
from models.render.car_paint import Car, CarPainter, plate_corners
from models.render.car_pose import Pose
from models.render.lens import glare, smear
from models.render.lettering import Picture
from models.render.light import Light
from models.render.view import Points, View


def plate_pixels(car: Car, pose: Pose, view: View) -> Points | None:
    """The plate's corners in the picture, clockwise from the top left, shape (4, 2); None when unseen."""
    if not pose.faces(view):
        return None
    pixels, depth = view.project(pose.to_world(plate_corners(car)))
    return pixels if depth.min() > NEAR_M else None


def _covered(view: View, car: Car, pose: Pose, margin_px: int) -> tuple[int, int, int, int] | None:
    length, half = car.body.stations_m[-1], max(car.body.half_widths_m) + 0.3
    height = max(car.body.roof_m[0][1], car.body.screen_m[1][1]) + 0.1
    s = np.linspace(-0.1, length, 12)
    block = np.array([(x, y, v) for x in (-half, half) for y in (0.0, height) for v in s])
    pixels, depth = view.project(pose.to_world(block))
    pixels = pixels[depth > NEAR_M * 0.7]
    if not len(pixels):
        return None
    left, top = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - margin_px, 0)
    right, foot = np.minimum(
        np.ceil(pixels.max(axis=0)).astype(int) + margin_px, (view.width_px, view.height_px)
    )
    return (int(left), int(top), int(right), int(foot)) if left < right and top < foot else None


def _cast_shadow(picture: Picture, view: View, car: Car, pose: Pose, light: Light) -> None:
    """Darken the ground under and beside the car; changes `picture`."""
    length, half = car.body.stations_m[-1], car.body.half_widths_m[4]
    scale = 4
    mask = np.zeros((view.height_px // scale, view.width_px // scale), np.uint8)
    lean = -light.sun_from[0] * 0.9 * (1 - light.lamps)
    for wide, reach, strength in ((1.12, lean, 105), (1.0, lean * 0.35, 150), (0.9, 0.0, 215)):
        x1, x2 = -half * wide + min(reach, 0), half * wide + max(reach, 0)
        s = np.linspace(0.12, length, 10)
        edge = np.concatenate(
            (np.stack((np.full(10, x1), s * 0, s), -1), np.stack((np.full(10, x2), s * 0, s), -1)[::-1])
        )
        world = replace(pose, dip_rad=0.0).to_world(edge)
        pixels, depth = view.project(world)
        if (depth > 0.2).sum() >= 3:
            points = np.rint(pixels[depth > 0.2] / scale * 16).astype(np.int32)
            cv2.fillPoly(mask, [points], strength, cv2.LINE_AA, 4)
    if not mask.any():
        return
    soft = cv2.GaussianBlur(mask, (0, 0), 2.2)
    share = 0.92 - 0.25 * light.lamps
    lit = np.flatnonzero(soft.any(axis=1))
    top, foot = int(lit[0]), int(lit[-1]) + 1
    keep = cv2.resize(255 - (soft[top:foot] * share).astype(np.uint8), (view.width_px, (foot - top) * scale))
    patch = picture[top * scale : foot * scale]
    patch[:] = cv2.multiply(patch, cv2.merge([keep] * 3), scale=1 / 255)


def draw_car(
    picture: Picture,
    car: Car,
    pose: Pose,
    *,
    view: View,
    light: Light,
    moved_px: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Draw the car, its shadow and the shine of its lamps; changes `picture`.

    Args:
        picture: shape (view.height_px, view.width_px, 3), uint8, RGB.
        moved_px: the way the plate covers during one exposure.
    """
    box = _covered(view, car, pose, 8)
    if box is None:
        return
    _cast_shadow(picture, view, car, pose, light)
    if car.lamps_on and light.lamps:
        _light_road(picture, view, pose, light)
    canvas = Canvas(view, box)
    CarPainter(canvas, car, pose, light).draw()
    left, top, right, foot = box
    small = np.asarray(cv2.resize(canvas.sheet, (right - left, foot - top), interpolation=cv2.INTER_AREA))
    small = smear(small, moved_px)
    patch = picture[top:foot, left:right]
    keep = cv2.merge([255 - small[..., 3]] * 3)
    patch[:] = cv2.add(cv2.multiply(patch, keep, scale=1 / 255), np.ascontiguousarray(small[..., :3]))
    if car.lamps_on and pose.faces(view):
        _shine(picture, view, car, pose, light)


def _light_road(picture: Picture, view: View, pose: Pose, light: Light) -> None:
    """The pool of light before a car; changes `picture`."""
    outline = [
        (-0.6, 0, -0.3),
        (0.6, 0, -0.3),
        (1.5, 0, -3.2),
        (0.9, 0, -5.2),
        (-0.9, 0, -5.2),
        (-1.5, 0, -3.2),
    ]
    world = replace(pose, dip_rad=0.0).to_world(outline)
    world[:, 2] = np.maximum(world[:, 2], 0.9)
    pixels, depth = view.project(world)
    if depth.min() < 0.3:
        return
    scale = 8
    mask = np.zeros((view.height_px // scale, view.width_px // scale), np.uint8)
    cv2.fillPoly(mask, [np.rint(pixels / scale).astype(np.int32)], 255)
    soft = cv2.GaussianBlur(mask, (0, 0), 5)
    pool = cv2.resize(soft, (view.width_px, view.height_px)).astype(np.uint8)
    tint = cv2.merge([(pool * (share * light.lamps)).astype(np.uint8) for share in (0.20, 0.19, 0.16)])
    rows = slice(min(max(0, int(pixels[:, 1].min()) - 120), view.height_px - 1), None)
    picture[rows] = cv2.add(picture[rows], tint[rows])


def _shine(picture: Picture, view: View, car: Car, pose: Pose, light: Light) -> None:
    y = sum(car.body.lamp_y_m) / 2
    for side in (-1, 1):
        x = side * car.body.half_widths_m[0]
        pixels, depth = view.project(pose.to_world((x, y, -0.02)))
        if depth > NEAR_M:
            radius = float(np.clip(view.focal_px * 0.26 / depth, 9, 150))
            glare(
                picture,
                (float(pixels[0]), float(pixels[1])),
                radius_px=radius,
                strength=70 + 130 * light.lamps,
            )
