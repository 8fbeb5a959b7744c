"""Where a car stands, and which of its sides the camera sees. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.render.view import Points, View


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a car stands.

    Attributes:
        x_m, z_m: the front bumper's middle on the ground.
        heading_rad: 0 when it faces the camera's end of the driveway; positive: tail to the right.
        dip_rad: how far its nose dips under the brakes.
    """

    x_m: float
    z_m: float
    heading_rad: float = 0.0
    dip_rad: float = 0.0

    def to_world(self, car_points: npt.ArrayLike) -> Points:
        """World points of a car's own points, shape (..., 3)."""
        own = np.asarray(car_points, np.float64)
        pivot_s, pivot_y = 2.1, 0.3
        s, y = own[..., 2] - pivot_s, own[..., 1] - pivot_y
        sin, cos = np.sin(self.dip_rad), np.cos(self.dip_rad)
        x, y, s = own[..., 0], pivot_y + y * cos + s * sin, pivot_s + s * cos - y * sin
        turn, keep = np.sin(self.heading_rad), np.cos(self.heading_rad)
        return np.stack((self.x_m + x * keep + s * turn, y, self.z_m + s * keep - x * turn), axis=-1)

    def faces(self, view: View) -> bool:
        """Whether the camera sees the car's front."""
        to_eye = (view.position_m[0] - self.x_m, view.position_m[2] - self.z_m)
        ahead = (-np.sin(self.heading_rad), -np.cos(self.heading_rad))
        return bool(np.dot(to_eye, ahead) > 0.08 * np.hypot(*to_eye))

    def near_side(self, view: View) -> float:
        """-1 or 1: the sign of x of the flank that the camera sees."""
        eye_x, _, eye_z = view.position_m
        sideways = (eye_x - self.x_m) * np.cos(self.heading_rad) - (eye_z - self.z_m) * np.sin(
            self.heading_rad
        )
        return -1.0 if sideways < 0 else 1.0
