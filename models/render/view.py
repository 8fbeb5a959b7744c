"""A pinhole camera at a gate: world metres to picture pixels and back. Pure.

The world's axes: x to the right of the driveway, y up from the ground, z away from the gate.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera hangs and what it sees.

    Attributes:
        focal_px: focal length in pixels.
        position_m: x, y, z of the lens.
        yaw_rad: turned to the right by this much.
        pitch_rad: tilted down by this much.
    """

    width_px: int = 1280
    height_px: int = 720
    focal_px: float = 1760.0
    position_m: tuple[float, float, float] = (0.0, 1.25, 0.0)
    yaw_rad: float = 0.27
    pitch_rad: float = 0.115

    def _rotation(self) -> Points:
        sin_y, cos_y = np.sin(self.yaw_rad), np.cos(self.yaw_rad)
        sin_p, cos_p = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        yaw = np.array([[cos_y, 0, -sin_y], [0, 1, 0], [sin_y, 0, cos_y]])
        pitch = np.array([[1, 0, 0], [0, cos_p, sin_p], [0, -sin_p, cos_p]])
        return np.asarray(pitch @ yaw)

    def project(self, points_m: npt.ArrayLike) -> tuple[Points, Points]:
        """Pixels, shape (..., 2), and depth along the axis in metres, shape (...).

        Points at or behind the lens get pixels without meaning; look at their depth first.
        """
        seen = (np.asarray(points_m, np.float64) - self.position_m) @ self._rotation().T
        depth = seen[..., 2]
        scale = self.focal_px / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        pixels = np.stack(
            (self.width_px / 2 + seen[..., 0] * scale, self.height_px / 2 - seen[..., 1] * scale), axis=-1
        )
        return pixels, depth

    def ground(self) -> tuple[Points, Points]:
        """World x and z of the ground behind each pixel, shape (height, width); NaN above the horizon."""
        across, down = np.meshgrid(np.arange(self.width_px) + 0.5, np.arange(self.height_px) + 0.5)
        rays = np.stack(
            (
                (across - self.width_px / 2) / self.focal_px,
                (self.height_px / 2 - down) / self.focal_px,
                np.ones_like(across),
            ),
            axis=-1,
        )
        rays = rays @ self._rotation()
        with np.errstate(divide="ignore", invalid="ignore"):
            along = np.where(rays[..., 1] < -1e-3, -self.position_m[1] / rays[..., 1], np.nan)
        return rays[..., 0] * along + self.position_m[0], rays[..., 2] * along + self.position_m[2]
