"""Photograph cars at the gate, with the truth about each plate. Seeded."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from models.render.backdrop import LANE_X_M, NEAREST_STANDING_M, STOP_Z_M, Backdrop, draw_backdrop
from models.render.car import draw_car, plate_pixels
from models.render.car_mesh import BODIES
from models.render.car_paint import Car
from models.render.car_pose import Pose
from models.render.lens import Grain, blur, dirty, expose
from models.render.lettering import Picture, Rgb
from models.render.light import Light
from models.render.plates import STYLES, PlateStyle, bare, draw_plate, random_text
from models.render.view import Points, View

COLOURS: tuple[Rgb, ...] = (
    (196, 199, 203),
    (30, 32, 36),
    (232, 233, 232),
    (112, 118, 124),
    (150, 22, 28),
    (36, 66, 124),
    (38, 74, 58),
    (146, 128, 104),
)
"""Paints of cars as streets show them."""


@dataclass(frozen=True, slots=True)
class PlateLabel:
    """The truth about one plate in a picture.

    Attributes:
        text: letters and digits alone.
        corners: shape (4, 2), pixels, from the top left clockwise.
    """

    text: str
    style: str
    corners: Points

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 in pixels."""
        (x1, y1), (x2, y2) = self.corners.min(axis=0), self.corners.max(axis=0)
        return float(x1), float(y1), float(x2), float(y2)


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and its labels; a plate that lies partly outside the picture has no label."""

    picture: Picture
    plates: tuple[PlateLabel, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one picture is taken.

    Attributes:
        blur_px: standard deviation of the lens's blur.
        gain: brightness against a perfect exposure.
        noise: standard deviation in grey levels.
    """

    blur_px: float = 0.5
    gain: float = 1.0
    noise: float = 2.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One camera in one light; the slow parts are drawn once."""

    view: View
    light: Light
    backdrop: Backdrop
    grain: Grain

    @classmethod
    def build(cls, view: View, light: Light, *, seed: int) -> "Stage":
        """Draw the empty scene; about a second."""
        rng = np.random.default_rng(seed)
        backdrop = draw_backdrop(view, light, rng)
        return cls(view, light, backdrop, Grain.drawn(rng, width_px=view.width_px, height_px=view.height_px))

    def arrange(
        self, cars: Sequence[tuple[Car, Pose]], *, moved_px: tuple[float, float] = (0.0, 0.0)
    ) -> Picture:
        """The scene as light alone would show it, before lens and sensor; the farthest car is drawn first."""
        picture = self.backdrop.picture.copy()
        for car, pose in sorted(cars, key=lambda placed: -placed[1].z_m):
            draw_car(picture, car, pose, view=self.view, light=self.light, moved_px=moved_px)
            if pose.z_m > NEAREST_STANDING_M:
                cv2.copyTo(self.backdrop.picture, self.backdrop.hiding(pose.z_m), picture)
        return picture

    def photograph(self, arranged: Picture, exposure: Exposure, rng: np.random.Generator) -> Picture:
        """What the sensor makes of an arranged scene."""
        seen = expose(blur(arranged, exposure.blur_px), exposure.gain)
        return self.grain.over(seen, exposure.noise, rng)


def build_car(
    text: str,
    style: PlateStyle,
    *,
    body: str,
    colour: Rgb,
    lamps_on: bool,
    dirt: float = 0.0,
    slogan: int = 0,
    seed: int = 0,
) -> Car:
    """A car with its plate.

    Args:
        body: a name of `car_mesh.BODIES`.
        dirt: 0 clean to 1 heavy.
    """
    plate = dirty(draw_plate(text, style, slogan=slogan), dirt, np.random.default_rng(seed))
    return Car(BODIES[body], colour, plate, style.size_m, lamps_on)


def render_scene(stage: Stage, seed: int) -> Scene:
    """One car somewhere on the driveway with a made-up plate; equal seeds give equal pictures.

    The plate is 40 to 260 px wide in a picture 1280 px wide.
    """
    draw, rng = Random(seed), np.random.default_rng(seed)
    style = draw.choice([style for style in STYLES.values() if style.name != "motorcycle"])
    text = random_text(style, draw)
    lamps = draw.random() < 0.15 + stage.light.lamps
    car = build_car(
        text,
        style,
        body=draw.choice(tuple(BODIES)),
        colour=draw.choice(COLOURS),
        lamps_on=lamps,
        dirt=max(0.0, draw.uniform(-0.6, 0.6)),
        slogan=draw.randrange(8),
        seed=seed,
    )
    near = draw.random() ** 2
    pose = Pose(LANE_X_M + draw.uniform(-0.25, 0.25), STOP_Z_M - 0.4 + near * 9, draw.uniform(-0.12, 0.12))
    moved = (draw.uniform(0, 4), draw.uniform(0, 2)) if draw.random() < 0.4 else (0.0, 0.0)
    exposure = Exposure(
        draw.uniform(0.3, 1.5), draw.uniform(0.75, 1.25), stage.light.noise * draw.uniform(0.6, 1.6)
    )
    picture = stage.photograph(stage.arrange([(car, pose)], moved_px=moved), exposure, rng)
    corners = plate_pixels(car, pose, stage.view)
    inside = corners is not None and bool(
        (corners >= 0).all() and (corners < (stage.view.width_px, stage.view.height_px)).all()
    )
    labels = (PlateLabel(bare(text), style.name, corners),) if corners is not None and inside else ()
    return Scene(picture, labels)
