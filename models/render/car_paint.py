"""Draw the parts of one car onto a canvas, back to front. Pure but for the canvas it changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.render.canvas import Canvas
from models.render.car_mesh import Body, Quads, mesh_of
from models.render.car_pose import Pose
from models.render.lettering import Picture, Rgb
from models.render.light import Light
from models.render.view import Points, View

_BLACK = (16, 16, 18)
_CHROME = (168, 172, 178)
_RUBBER = (22, 22, 24)
_GLASS = (20, 25, 29)


@dataclass(frozen=True, slots=True)
class Car:
    """One car and the plate it wears.

    Attributes:
        plate: the plate's picture, straight on.
        plate_size_m: width and height of the plate.
        lamps_on: headlights, whatever the light.
    """

    body: Body
    colour: Rgb
    plate: Picture
    plate_size_m: tuple[float, float]
    lamps_on: bool = False


def plate_corners(car: Car) -> Points:
    """The front plate's corners on the car, from the top left clockwise as one sees it, shape (4, 3)."""
    half_w, half_h = car.plate_size_m[0] / 2, car.plate_size_m[1] / 2
    y = car.body.plate_y_m
    return np.array(
        [
            (-half_w, y + half_h, -0.03),
            (half_w, y + half_h, -0.03),
            (half_w, y - half_h, -0.03),
            (-half_w, y - half_h, -0.03),
        ]
    )


def _normals(quads: Quads) -> Points:
    normal = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9))


def _shade(
    world: Quads, view: View, light: Light, colour: Sequence[float], mirror: float
) -> npt.NDArray[np.float64]:
    """Colours of glossy quads: matt part by sun and sky, plus a share of the surroundings they mirror."""
    centre = world.mean(axis=1)
    to_eye = np.asarray(view.position_m) - centre
    distance = np.linalg.norm(to_eye, axis=1, keepdims=True)
    to_eye /= distance
    normal = _normals(world)
    facing = np.sum(normal * to_eye, axis=1, keepdims=True)
    normal = np.where(facing < 0, -normal, normal)
    facing = np.abs(facing)
    sun = np.asarray(light.sun_from) / np.linalg.norm(light.sun_from)
    lit = np.maximum(normal @ sun, 0)[:, None]
    sky = 0.55 + 0.45 * normal[:, 1:2]
    matt = np.asarray(colour) * (np.asarray(light.sun) * lit + np.asarray(light.ambient) * sky)
    ray = 2 * facing * normal - to_eye
    up = ray[:, 1:2]
    heaven = np.asarray(light.horizon) + (np.asarray(light.zenith) - np.asarray(light.horizon)) * np.clip(
        up * 1.6, 0, 1
    )
    dark_rim = np.clip(1 - np.abs(up - 0.03) / 0.10, 0, 1) * 0.55
    scene = np.where(up > 0, heaven, np.asarray(light.ground)) * (1 - dark_rim)
    fresnel = mirror + (1 - mirror) * 0.55 * (1 - facing) ** 4
    glint = 190 * np.maximum(ray @ sun, 0)[:, None] ** 60 * np.asarray(light.sun)
    camera_lamp = light.lamps * 0.24 * facing**2 * np.clip(5 / distance, 0, 1.4) * np.asarray(colour)
    return np.asarray(np.clip(matt * (1 - fresnel) + scene * fresnel + glint + camera_lamp, 0, 255))


def _arc(centre: tuple[float, float], radius: float, *, x: float, step: int = 20) -> Points:
    angle = np.linspace(0, 2 * np.pi, step, endpoint=False)
    return np.stack(
        (np.full(step, x), centre[1] + radius * np.cos(angle), centre[0] + radius * np.sin(angle)), axis=-1
    )


def _dim(colour: Sequence[float], light: Light, share: float = 1.0) -> list[float]:
    level = (np.asarray(light.ambient) * 1.1 + np.asarray(light.sun) * 0.55) * share
    return [float(v) for v in np.clip(np.asarray(colour) * level, 0, 255)]


class CarPainter:
    """Draws the parts of one car onto a canvas, back to front."""

    def __init__(self, canvas: Canvas, car: Car, pose: Pose, light: Light) -> None:
        self.canvas, self.car, self.pose, self.light = canvas, car, pose, light
        self.body = car.body

    def skin(
        self, outline: Sequence[tuple[float, float]], colour: Sequence[float], lift_m: float = 0.006
    ) -> None:
        """A polygon (x, y) laid on the car's front."""
        x, y = np.asarray(outline, np.float64).T
        own = np.stack((x, y, self.body.front_s(x, y) - lift_m), axis=-1)
        self.canvas.polygon(self.pose.to_world(own), colour)

    def draw(self) -> None:
        self._underside()
        mesh = mesh_of(self.body)
        paint, glass = self.pose.to_world(mesh.paint), self.pose.to_world(mesh.glass)
        shades = _shade(paint, self.canvas.view, self.light, self.car.colour, 0.10)
        panes = _shade(glass, self.canvas.view, self.light, _GLASS, 0.30)
        self.canvas.quads(np.concatenate((paint, glass)), np.concatenate((shades, panes)))
        self._flank()
        self._cabin_lines()
        if self.pose.faces(self.canvas.view):
            self._front()
            self._plate()

    def _underside(self) -> None:
        half = self.body.half_widths_m[3] - 0.04
        for s in (self.body.stations_m[-1] - 0.3, 0.5):
            sheet = [(-half, 0.10, s), (half, 0.10, s), (half, 0.42, s), (-half, 0.42, s)]
            self.canvas.polygon(self.pose.to_world(sheet), _dim((10, 10, 11), self.light))
        for s in self.body.wheels_s_m[::-1]:
            for side in (-1, 1):
                inner, outer = side * (half - 0.20), side * half
                r = self.body.wheel_radius_m
                tread = [
                    (inner, 0.0, s - 0.12),
                    (outer, 0.0, s - 0.12),
                    (outer, r * 1.6, s - r),
                    (inner, r * 1.6, s - r),
                ]
                self.canvas.polygon(self.pose.to_world(tread), _dim(_RUBBER, self.light))

    def _flank(self) -> None:
        """Wheels, arches and seams of the side that the camera sees."""
        side = self.pose.near_side(self.canvas.view)
        body, r = self.body, self.body.wheel_radius_m
        for s in body.wheels_s_m[::-1]:
            x = side * (float(np.interp(s, body.stations_m, body.half_widths_m)) + 0.006)
            for radius, colour, share in (
                (r * 1.16, _BLACK, 0.8),
                (r, _RUBBER, 1.0),
                (r * 0.70, (128, 132, 138), 1.0),
                (r * 0.58, (52, 54, 58), 1.0),
            ):
                self.canvas.polygon(
                    self.pose.to_world(_arc((s, r), radius, x=x)), _dim(colour, self.light, share)
                )
            for spoke in np.arange(5) * 2 * np.pi / 5 + s:
                tip = np.array([np.cos(spoke), np.sin(spoke)]) * r * 0.66
                wide = np.array([-np.sin(spoke), np.cos(spoke)]) * r * 0.10
                ends = ((-wide), wide, tip + wide * 0.7, tip - wide * 0.7)
                own = [(x + side * 0.004, r + e[0], s + e[1]) for e in ends]
                self.canvas.polygon(self.pose.to_world(own), _dim((150, 154, 160), self.light))
        seam = [float(v) * 0.45 for v in _dim(self.car.colour, self.light)]
        foot_s = body.screen_m[0][0]
        middle = (foot_s + body.roof_m[1][0]) / 2
        for s in (foot_s + 0.12, middle + 0.05):
            x = side * (float(np.interp(s, body.stations_m, body.half_widths_m)) + 0.003)
            low, high = body.bottoms_m[5] + 0.08, body.tops_m[5] - 0.06
            strip = [(x, low, s), (x, low, s + 0.014), (x, high, s + 0.014), (x, high, s)]
            self.canvas.polygon(self.pose.to_world(strip), seam)
            handle = [
                (x, high - 0.10, s + 0.55),
                (x, high - 0.07, s + 0.55),
                (x, high - 0.07, s + 0.72),
                (x, high - 0.10, s + 0.72),
            ]
            self.canvas.polygon(self.pose.to_world(handle), _dim((70, 72, 76), self.light))

    def _cabin_lines(self) -> None:
        (foot_s, foot_y, foot_w), (head_s, head_y, head_w) = self.body.screen_m
        (rear_s, rear_y, rear_w), (tail_s, _, _) = self.body.roof_m
        paint = [v * 0.9 for v in _dim(self.car.colour, self.light)]
        near = self.pose.near_side(self.canvas.view)
        belt_w = float(np.interp(foot_s, self.body.stations_m, self.body.half_widths_m)) * 0.955
        for side in (-near, near):
            pillar = [
                (side * (foot_w - 0.03), foot_y, foot_s - 0.02),
                (side * (belt_w + 0.004), foot_y - 0.01, foot_s + 0.10),
                (side * (head_w + 0.012), head_y - 0.01, head_s + 0.07),
                (side * (head_w - 0.035), head_y, head_s - 0.02),
            ]
            self.canvas.polygon(self.pose.to_world(pillar), paint)
        for share, wide in ((0.47, 0.09), (0.92, 0.20)):
            low_s = foot_s + (tail_s - foot_s) * share
            high_s = head_s + (rear_s - head_s) * share
            low_w = float(np.interp(low_s, self.body.stations_m, self.body.half_widths_m)) * 0.96
            low_y = float(np.interp(low_s, self.body.stations_m, self.body.tops_m)) - 0.02
            post = [
                (near * low_w, low_y, low_s),
                (near * low_w, low_y, low_s + wide),
                (
                    near * (head_w + (rear_w - head_w) * share + 0.004),
                    head_y + (rear_y - head_y) * share - 0.03,
                    high_s + wide,
                ),
                (
                    near * (head_w + (rear_w - head_w) * share + 0.004),
                    head_y + (rear_y - head_y) * share - 0.03,
                    high_s,
                ),
            ]
            self.canvas.polygon(self.pose.to_world(post), paint)
        self._behind_glass()
        cowl = np.linspace(-foot_w, foot_w, 11)
        bow = 0.10 * (1 - (cowl / foot_w) ** 2)
        low = np.stack((cowl, np.full(11, foot_y - 0.012), foot_s - bow - 0.05), axis=-1)
        high = np.stack((cowl, np.full(11, foot_y + 0.012), foot_s - bow + 0.01), axis=-1)
        self.canvas.polygon(self.pose.to_world(np.concatenate((low, high[::-1]))), _dim(_BLACK, self.light))
        wiper = _dim((14, 14, 15), self.light)
        for x in (-0.62, 0.02):
            y1, s1 = foot_y + 0.01, foot_s - 0.10
            arm = [
                (x, y1, s1),
                (x + 0.56, y1 + 0.06, s1 + 0.04),
                (x + 0.56, y1 + 0.075, s1 + 0.05),
                (x, y1 + 0.022, s1 + 0.01),
            ]
            self.canvas.polygon(self.pose.to_world(arm), wiper)
        for side in (-1.0, 1.0):
            x, y, s = side * (belt_w + 0.13), foot_y + 0.06, foot_s + 0.34
            angle = np.linspace(0, 2 * np.pi, 18, endpoint=False)
            oval = np.stack((x + 0.115 * np.cos(angle), y + 0.07 * np.sin(angle), np.full(18, s)), axis=-1)
            self.canvas.polygon(
                self.pose.to_world(oval), [v * 0.85 for v in _dim(self.car.colour, self.light)]
            )

    def _behind_glass(self) -> None:
        """Seats and mirror, as one makes them out behind the windscreen."""
        (foot_s, foot_y, _), (head_s, head_y, _) = self.body.screen_m
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)

        def oval(x: float, height: float, size: tuple[float, float], grey: float) -> None:
            """An oval seen through the pane at a share of its height."""
            y = foot_y + (head_y - foot_y) * height + size[1] * np.sin(angle)
            s = foot_s + (head_s - foot_s) * (y - foot_y) / (head_y - foot_y) - 0.09
            self.canvas.polygon(
                self.pose.to_world(np.stack((x + size[0] * np.cos(angle), y, s), axis=-1)),
                _dim((grey, grey * 1.04, grey * 1.08), self.light),
            )

        for x in (-0.33, 0.33):
            oval(x, 0.24, (0.19, 0.085), 32.0)
            oval(x, 0.52, (0.095, 0.06), 36.0)
        oval(0.0, 0.86, (0.10, 0.028), 22.0)

    def _front(self) -> None:
        body, light = self.body, self.light
        low, high = body.lamp_y_m
        foot = body.bottoms_m[0]
        half = body.half_widths_m[0]
        black, chrome = _dim(_BLACK, light), _dim(_CHROME, light)
        # Radiator grille between the lamps, with its bars.
        grille = [
            (-half + 0.16, high - 0.02),
            (half - 0.16, high - 0.02),
            (half - 0.24, low - 0.015),
            (-half + 0.24, low - 0.015),
        ]
        self.skin([(x * 1.03, y + (0.010 if y > low else -0.010)) for x, y in grille], chrome, 0.008)
        self.skin(grille, black, 0.010)
        bars = 4
        for i in range(1, bars):
            y = low - 0.01 + (high - low) * i / bars
            inset = half - 0.18 - 0.07 * (1 - i / bars)
            self.skin(
                [(-inset, y - 0.005), (inset, y - 0.005), (inset, y + 0.005), (-inset, y + 0.005)],
                _dim((96, 100, 106), light),
                0.012,
            )
        angle = np.linspace(0, 2 * np.pi, 22, endpoint=False)
        badge_y = (low + high) / 2 + 0.005
        self.skin([(0.058 * np.cos(a), badge_y + 0.040 * np.sin(a)) for a in angle], chrome, 0.014)
        self.skin(
            [(0.046 * np.cos(a), badge_y + 0.030 * np.sin(a)) for a in angle],
            _dim((44, 50, 66), light),
            0.016,
        )
        # Lower intake and fog lamps.
        intake_top = body.plate_y_m - 0.115
        if intake_top > foot + 0.05:
            self.skin(
                [
                    (-half + 0.10, intake_top),
                    (half - 0.10, intake_top),
                    (half - 0.16, foot + 0.03),
                    (-half + 0.16, foot + 0.03),
                ],
                black,
                0.008,
            )
        self.skin(
            [
                (-half + 0.03, foot + 0.02),
                (half - 0.03, foot + 0.02),
                (half - 0.06, foot),
                (-half + 0.06, foot),
            ],
            black,
            0.008,
        )
        for side in (-1, 1):
            x = side * (half + 0.015)
            y = body.plate_y_m - 0.09
            self.skin([(x + 0.075 * np.cos(a), y + 0.055 * np.sin(a)) for a in angle], black, 0.006)
            self.skin(
                [(x + 0.042 * np.cos(a), y + 0.036 * np.sin(a)) for a in angle],
                _dim((150, 152, 150), light),
                0.010,
            )
        for side in (-1, 1):
            self._headlight(side)

    def _headlight(self, side: int) -> None:
        low, high = self.body.lamp_y_m
        half = self.body.half_widths_m[0]
        outer = self.body.half_widths_m[2] + 0.015
        shell = [
            (half - 0.19, high - 0.03),
            (half - 0.02, high),
            (outer, high + 0.025),
            (outer + 0.01, low + 0.045),
            (half + 0.02, low),
            (half - 0.13, low + 0.012),
        ]
        on = self.car.lamps_on
        self.skin([(side * x, y) for x, y in shell], _dim((58, 62, 68), self.light), 0.008)
        inner = [
            (
                side * (0.5 * (half + outer - 0.12) + (x - 0.5 * (half + outer - 0.12)) * 0.84),
                (low + high) / 2 + (y - (low + high) / 2) * 0.72,
            )
            for x, y in shell
        ]
        self.skin(
            inner,
            (255, 250, 236) if on and self.light.lamps > 0.4 else _dim((176, 184, 194), self.light),
            0.010,
        )
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        for x in (half - 0.06, half + 0.07):
            bulb = [
                (side * x + 0.040 * np.cos(a), (low + high) / 2 + 0.004 + 0.036 * np.sin(a)) for a in angle
            ]
            self.skin(bulb, (255, 255, 250) if on else _dim((92, 98, 108), self.light), 0.014)
            if not on:
                spark = [
                    (side * x + 0.016 * np.cos(a), (low + high) / 2 + 0.012 + 0.014 * np.sin(a))
                    for a in angle
                ]
                self.skin(spark, _dim((226, 232, 240), self.light), 0.016)

    def _plate(self) -> None:
        corners = plate_corners(self.car)
        centre = corners.mean(axis=0)
        holder = centre + (corners - centre) * (1.03, 1.09, 1.0) + (0, 0, 0.004)
        self.canvas.polygon(self.pose.to_world(holder), _dim((24, 24, 26), self.light))
        level = (np.asarray(self.light.ambient) + np.asarray(self.light.sun) * 0.62) * (
            1 - self.light.lamps
        ) + self.light.lamps
        lit = np.clip(self.car.plate * (level / level.mean() * self.light.plate_gain * 0.94), 0, 255)
        self.canvas.picture_on(self.pose.to_world(corners), lit.astype(np.uint8))
