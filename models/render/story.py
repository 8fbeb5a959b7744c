"""What happens in the demo clip: who comes, when, how each picture is taken. Pure; the same on every run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from models.render.backdrop import LANE_X_M, STOP_Z_M
from models.render.car import plate_pixels
from models.render.car_paint import Car
from models.render.car_pose import Pose
from models.render.lettering import Picture, Rgb, draw_text
from models.render.light import LIGHTS, Light
from models.render.plates import STYLES, bare
from models.render.stage import Exposure, Stage, build_car
from models.render.view import View

FPS = 15
_TURN_M = 5.0
"""Radius of the turn from the street into the driveway."""
_STRAIGHT_M = 12.6
"""Driveway from the end of the turn to the stop line."""
_WAY_M = _STRAIGHT_M + _TURN_M * np.pi / 2
_CRUISE_MPS, _BRAKE_MPS2 = 6.2, 2.1
_FORWARD_MPS2, _BACKWARD_MPS2, _BACKWARD_MPS = 2.6, 2.2, 5.5
_GAP_S = 0.7

Role = Literal["resident", "unlisted", "expired", "visitor"]


@dataclass(frozen=True)
class Visit:
    """One car's visit.

    Attributes:
        role: how its plate stands on the demo's access list.
        text: the plate with its gaps.
        clock: time of day that the picture's caption starts at, seconds after midnight.
        stays_s: how long it waits at the line.
        goes: "in" past the camera, or "back" to the street.
    """

    role: Role
    text: str
    style: str
    body: str
    colour: Rgb
    light: str
    clock: int
    stays_s: float
    goes: Literal["in", "back"]
    slogan: int = 0
    dirt: float = 0.0

    @property
    def plate(self) -> str:
        """Letters and digits alone, as a reader should give them."""
        return bare(self.text)

    @property
    def arrives_s(self) -> float:
        """When it stands at the line, from the start of the visit."""
        braking_m = _CRUISE_MPS**2 / (2 * _BRAKE_MPS2)
        return (_WAY_M - braking_m) / _CRUISE_MPS + _CRUISE_MPS / _BRAKE_MPS2

    @cached_property
    def duration_s(self) -> float:
        """From an empty view to an empty view."""
        if self.goes == "in":
            return (
                self.arrives_s + self.stays_s + float(np.sqrt(2 * (STOP_Z_M + 5.0) / _FORWARD_MPS2)) + _GAP_S
            )
        speeding_s = _BACKWARD_MPS / _BACKWARD_MPS2
        rest_m = _WAY_M + 2.0 - _BACKWARD_MPS * speeding_s / 2
        return self.arrives_s + self.stays_s + speeding_s + rest_m / _BACKWARD_MPS + _GAP_S

    def pose_at(self, at_s: float) -> Pose | None:
        """Where the car is, seconds after the visit's start; None while it is out of view."""
        dip = 0.0
        if at_s < self.arrives_s:
            left_s = self.arrives_s - at_s
            braking_s = _CRUISE_MPS / _BRAKE_MPS2
            way_m = (
                0.5 * _BRAKE_MPS2 * left_s**2
                if left_s < braking_s
                else 0.5 * _CRUISE_MPS * braking_s + _CRUISE_MPS * (left_s - braking_s)
            )
            dip = 0.012 if left_s < braking_s else 0.0
        elif at_s < self.arrives_s + self.stays_s:
            rocking_s = at_s - self.arrives_s
            way_m, dip = 0.0, 0.012 * float(np.exp(-5 * rocking_s) * np.cos(9 * rocking_s))
        else:
            moving_s = at_s - self.arrives_s - self.stays_s
            if self.goes == "in":
                way_m, dip = -0.5 * _FORWARD_MPS2 * moving_s**2, -0.006
            else:
                speeding_s = _BACKWARD_MPS / _BACKWARD_MPS2
                way_m = (
                    0.5 * _BACKWARD_MPS2 * moving_s**2
                    if moving_s < speeding_s
                    else _BACKWARD_MPS * (moving_s - speeding_s / 2)
                )
        return _on_the_way(way_m, dip)

    def car(self) -> Car:
        """The car itself."""
        return build_car(
            self.text,
            STYLES[self.style],
            body=self.body,
            colour=self.colour,
            lamps_on=LIGHTS[self.light].lamps > 0.3,
            dirt=self.dirt,
            slogan=self.slogan,
            seed=self.clock,
        )


def _on_the_way(way_m: float, dip_rad: float) -> Pose | None:
    """The pose `way_m` before the stop line; negative behind it."""
    if way_m > _WAY_M + 1.0 or way_m < -(STOP_Z_M + 4.9):
        return None
    if way_m <= _STRAIGHT_M:
        return Pose(LANE_X_M, STOP_Z_M + way_m, _lag(way_m), dip_rad)
    angle = (way_m - _STRAIGHT_M) / _TURN_M
    x = LANE_X_M - _TURN_M * (1 - np.cos(angle))
    z = STOP_Z_M + _STRAIGHT_M + _TURN_M * np.sin(angle)
    return Pose(float(x), float(z), _lag(way_m), dip_rad)


def _lag(way_m: float) -> float:
    """Heading: the tail still swings round when the nose is already straight."""
    swing = np.clip((way_m - _STRAIGHT_M + 1.6) / (_TURN_M * np.pi / 2), 0, 1)
    return -float(swing * swing * (3 - 2 * swing)) * np.pi / 2


STORY: tuple[Visit, ...] = (
    Visit("resident", "7KDM294", "us", "sedan", (142, 22, 28), "day", 8 * 3600 + 724, 2.2, "in"),
    Visit(
        "unlisted",
        "LK63 XTN",
        "uk-front",
        "hatch",
        (44, 74, 132),
        "day",
        11 * 3600 + 2051,
        2.6,
        "back",
        dirt=0.25,
    ),
    Visit(
        "expired",
        "RHV4E82",
        "mercosur",
        "van",
        (226, 228, 228),
        "dusk",
        18 * 3600 + 1402,
        2.6,
        "back",
        dirt=0.15,
    ),
    Visit("visitor", "WTR 6158", "us", "suv", (176, 180, 184), "dusk", 18 * 3600 + 2215, 2.2, "in", slogan=2),
    Visit("resident", "LE 275 TK", "eu", "hatch", (56, 62, 66), "night", 22 * 3600 + 547, 2.4, "in"),
)
"""The demo's visits, in order."""


def duration_s(story: tuple[Visit, ...] = STORY) -> float:
    """Length of the whole clip."""
    return sum(round(visit.duration_s * FPS) for visit in story) / FPS


def frames(
    story: tuple[Visit, ...] = STORY, *, seed: int = 7, tick: Callable[[], None] = lambda: None
) -> Iterator[Picture]:
    """The clip's pictures in order, shape (720, 1280, 3), uint8, RGB; `tick` is called after each.

    Between two visits the light changes within the empty gap, as if time had been cut out.
    """
    rng = np.random.default_rng(seed)
    view = View()
    by_light = {
        name: Stage.build(view, LIGHTS[name], seed=seed) for name in dict.fromkeys(v.light for v in story)
    }
    for number, visit in enumerate(story):
        stage, car = by_light[visit.light], visit.car()
        total = round(visit.duration_s * FPS)
        follower = by_light[story[(number + 1) % len(story)].light]
        wobble = rng.uniform(0, 2 * np.pi, 2)
        before: tuple[float, float] | None = None
        still: tuple[Pose, Picture] | None = None
        for index in range(total):
            at_s = index / FPS
            pose = visit.pose_at(at_s)
            if pose is None:
                arranged, before = stage.backdrop.picture, None
                dawn = 1 - (total - index) / (_GAP_S * FPS)
                if at_s > visit.arrives_s and follower is not stage and dawn > 0:
                    arranged = cv2.addWeighted(follower.backdrop.picture, dawn, arranged, 1 - dawn, 0)
            elif still is not None and still[0] == pose:
                arranged = still[1]
            else:
                corners = plate_pixels(car, pose, view)
                here = (
                    (float(corners[:, 0].mean()), float(corners[:, 1].mean()))
                    if corners is not None
                    else None
                )
                share = stage.light.exposure_s * FPS
                moved = (
                    ((here[0] - before[0]) * share, (here[1] - before[1]) * share)
                    if here and before
                    else (0.0, 0.0)
                )
                arranged, before = stage.arrange([(car, pose)], moved_px=moved), here
                still = (pose, arranged)
            picture = stage.photograph(arranged, exposure_at(at_s, stage.light, wobble, rng=rng), rng)
            _caption(picture, visit.clock + int(at_s))
            yield picture
            tick()


def exposure_at(
    at_s: float, light: Light, wobble: npt.NDArray[np.float64], *, rng: np.random.Generator
) -> Exposure:
    """How the camera takes the picture at a moment: focus and gain drift, and each picture strays a little.

    Args:
        wobble: two phases of the drift, radians.
    """
    hunting = 0.35 * np.sin(at_s * 1.3 + wobble[0])
    return Exposure(
        blur_px=float(0.55 + 0.25 * hunting + rng.uniform(0, 0.35)),
        gain=float(1.0 + 0.06 * np.sin(at_s * 2.1 + wobble[1]) + rng.normal(0, 0.012)),
        noise=float(light.noise * rng.uniform(0.85, 1.2)),
    )


def _caption(picture: Picture, clock: int) -> None:
    """The camera's name and time of day, burnt into the lower left corner; changes `picture`."""
    words = f"GATE CAM  {clock // 3600 % 24:02}:{clock // 60 % 60:02}:{clock % 60:02}"
    box = (0.015, 0.945, 0.195, 0.975)
    shadow = (box[0] + 0.001, box[1] + 0.002, box[2] + 0.001, box[3] + 0.002)
    for place, ink in ((shadow, (20, 20, 20)), (box, (236, 236, 236))):
        draw_text(picture, words, box=place, font="Overpass-Bold", ink=ink, stretch=1.0)
