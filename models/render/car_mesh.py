"""The bodies of cars as small quads, in metres. Pure.

A car's own axes: x to the side (0 the middle), y up from the ground, s back from the front bumper.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Quads = npt.NDArray[np.float64]
"""Shape (N, 4, 3): corners x, y, s."""


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of one body shape; the lists are read at `stations`.

    Attributes:
        stations_m: distance back from the bumper.
        half_widths_m, bottoms_m, tops_m: the lower body at each station.
        screen_m: the windscreen's foot and head as (s, y, half width).
        roof_m: the roof's rear edge and the tail as (s, y, half width).
        lamp_y_m: lower and upper edge of the headlights.
        plate_y_m: height of the middle of the front plate.
    """

    name: str
    stations_m: tuple[float, ...]
    half_widths_m: tuple[float, ...]
    bottoms_m: tuple[float, ...]
    tops_m: tuple[float, ...]
    screen_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    roof_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    lamp_y_m: tuple[float, float]
    plate_y_m: float
    wheel_radius_m: float = 0.32
    wheels_s_m: tuple[float, float] = (0.86, 3.42)

    def front_s(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """How far back the front's skin lies at (x, y)."""
        aside = np.interp(np.abs(x), self.half_widths_m[:4], self.stations_m[:4])
        above = np.interp(np.asarray(y, np.float64), self.tops_m[:4], self.stations_m[:4])
        return np.maximum(aside, above) + self.bow_s(x, y)

    def bow_s(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """How much farther back than its middle the front's skin lies at (x, y): it is no flat wall."""
        aside = np.asarray(x, np.float64) / max(self.half_widths_m)
        above = (np.asarray(y, np.float64) - self.plate_y_m) / 0.3
        return 0.11 * aside**2 + 0.02 * np.minimum(above**2, 1.0)


SEDAN = Body(
    "sedan",
    (0.0, 0.04, 0.13, 0.36, 0.80, 1.20, 2.60, 3.80, 4.35, 4.45),
    (0.66, 0.77, 0.84, 0.89, 0.905, 0.91, 0.915, 0.90, 0.84, 0.74),
    (0.25, 0.20, 0.18, 0.17, 0.17, 0.17, 0.17, 0.19, 0.26, 0.36),
    (0.62, 0.70, 0.77, 0.83, 0.90, 0.945, 0.95, 0.98, 0.97, 0.90),
    ((1.18, 0.94, 0.78), (2.00, 1.40, 0.58)),
    ((3.05, 1.42, 0.58), (3.75, 0.99, 0.72)),
    (0.615, 0.735),
    0.47,
)
SUV = Body(
    "suv",
    (0.0, 0.04, 0.12, 0.30, 0.75, 1.10, 2.60, 3.80, 4.40, 4.50),
    (0.70, 0.80, 0.87, 0.92, 0.935, 0.94, 0.945, 0.94, 0.90, 0.82),
    (0.33, 0.28, 0.26, 0.25, 0.25, 0.25, 0.25, 0.26, 0.32, 0.42),
    (0.78, 0.88, 0.96, 1.01, 1.06, 1.09, 1.10, 1.12, 1.12, 1.02),
    ((1.08, 1.08, 0.82), (1.80, 1.60, 0.64)),
    ((3.75, 1.63, 0.63), (4.35, 1.14, 0.78)),
    (0.77, 0.90),
    0.60,
    0.36,
)
VAN = Body(
    "van",
    (0.0, 0.04, 0.12, 0.26, 0.50, 0.80, 2.60, 3.90, 4.70, 4.80),
    (0.72, 0.82, 0.89, 0.93, 0.945, 0.95, 0.955, 0.955, 0.95, 0.90),
    (0.28, 0.23, 0.21, 0.20, 0.20, 0.20, 0.20, 0.21, 0.24, 0.30),
    (0.80, 0.92, 1.01, 1.06, 1.11, 1.15, 1.18, 1.20, 1.20, 1.16),
    ((0.76, 1.14, 0.86), (1.42, 1.78, 0.72)),
    ((4.50, 1.88, 0.76), (4.75, 1.20, 0.88)),
    (0.80, 0.97),
    0.56,
    0.34,
    (0.82, 3.85),
)
HATCH = Body(
    "hatch",
    (0.0, 0.04, 0.12, 0.30, 0.66, 0.98, 2.30, 3.30, 3.85, 3.95),
    (0.62, 0.73, 0.81, 0.86, 0.875, 0.88, 0.885, 0.88, 0.84, 0.76),
    (0.25, 0.20, 0.18, 0.17, 0.17, 0.17, 0.17, 0.18, 0.24, 0.36),
    (0.66, 0.76, 0.83, 0.88, 0.94, 0.98, 0.99, 1.01, 1.02, 0.94),
    ((0.98, 0.98, 0.77), (1.66, 1.45, 0.58)),
    ((3.20, 1.47, 0.57), (3.82, 1.03, 0.70)),
    (0.65, 0.80),
    0.46,
    0.31,
    (0.78, 3.20),
)
BODIES = {body.name: body for body in (SEDAN, SUV, VAN, HATCH)}
"""Every body by its name."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The quads of one body.

    Attributes:
        paint: sheet metal.
        glass: windows.
    """

    paint: Quads
    glass: Quads


@cache
def mesh_of(body: Body) -> Mesh:
    """The body's quads, made once."""
    lower = _lower_body(body)
    roof, glass = _cabin(body)
    return Mesh(np.concatenate((lower, roof)), glass)


def _grid_quads(grid: npt.NDArray[np.float64]) -> Quads:
    """Quads between neighbours of a grid of points, shape (rows, columns, 3)."""
    corners = (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1])
    return np.stack(corners, axis=2).reshape(-1, 4, 3)


def _lower_body(body: Body) -> Quads:
    front = np.linspace(0, 0.36, 9)
    back = np.concatenate(
        (np.linspace(0.42, body.stations_m[5], 12), np.linspace(1.4, body.stations_m[-1], 16))
    )
    s = np.concatenate((front, back))
    half = np.interp(s, body.stations_m, body.half_widths_m)
    bottom = np.interp(s, body.stations_m, body.bottoms_m)
    top = np.interp(s, body.stations_m, body.tops_m)
    # The half outline from sill to the middle of the bonnet: share of half width, share of height.
    outward = np.array([0.93, 0.985, 1.0, 1.0, 0.99, 0.965, 0.90, 0.80, 0.62, 0.42, 0.2, 0.0])
    upward = np.array([0.0, 0.12, 0.30, 0.55, 0.74, 0.88, 0.955, 0.975, 0.985, 0.992, 0.998, 1.0])
    outward = np.concatenate((outward, -outward[-2::-1]))
    upward = np.concatenate((upward, upward[-2::-1]))
    grid = np.stack(
        (
            half[:, None] * outward,
            bottom[:, None] + (top - bottom)[:, None] * upward,
            np.broadcast_to(s[:, None], (len(s), len(outward))),
        ),
        axis=-1,
    )
    grid[..., 2] += body.bow_s(grid[..., 0], grid[..., 1]) * np.exp(-s / 0.45)[:, None]
    middle = len(outward) // 2
    ring = grid[0]
    left, right = ring[: middle + 1], ring[: middle - 1 : -1]
    shares = np.linspace(0, 1, 15)[None, :, None]
    face = left[:, None] * (1 - shares) + right[:, None] * shares
    face[..., 2] = body.bow_s(face[..., 0], face[..., 1])
    return np.concatenate((_grid_quads(grid), _grid_quads(face)))


def _cabin(body: Body) -> tuple[Quads, Quads]:
    (foot_s, foot_y, foot_w), (head_s, head_y, head_w) = body.screen_m
    (rear_s, rear_y, rear_w), (tail_s, tail_y, tail_w) = body.roof_m
    across = np.linspace(-1, 1, 11)

    def sheet(
        start: tuple[float, float, float], end: tuple[float, float, float], rows: int, bow: float
    ) -> Quads:
        along = np.linspace(0, 1, rows)[:, None]
        half = start[2] + (end[2] - start[2]) * along
        crown = 1 - across[None] ** 2
        grid = np.stack(
            (
                half * across,
                start[1] + (end[1] - start[1]) * along - 0.03 * (1 - crown),
                start[0] + (end[0] - start[0]) * along - bow * crown,
            ),
            axis=-1,
        )
        return _grid_quads(grid)

    screen = sheet((foot_s, foot_y, foot_w), (head_s, head_y, head_w), 9, 0.10)
    roof = sheet((head_s, head_y, head_w), (rear_s, rear_y, rear_w), 7, 0.04)
    tail = sheet((rear_s, rear_y, rear_w), (tail_s, tail_y, tail_w), 4, 0.0)
    sides = []
    for side in (-1.0, 1.0):
        along = np.linspace(0, 1, 13)
        belt_s = foot_s + (tail_s - foot_s) * along
        top_s = head_s + (rear_s - head_s) * along
        belt = np.stack(
            (
                side * np.interp(belt_s, body.stations_m, body.half_widths_m) * 0.955,
                np.interp(belt_s, body.stations_m, body.tops_m) - 0.02,
                belt_s,
            ),
            axis=-1,
        )
        edge = np.stack(
            (
                side * (head_w + (rear_w - head_w) * along),
                head_y - 0.03 + (rear_y - head_y) * along,
                top_s,
            ),
            axis=-1,
        )
        shares = np.linspace(0, 1, 5)[None, :, None]
        sides.append(_grid_quads(belt[:, None] * (1 - shares) + edge[:, None] * shares))
    return roof, np.concatenate((tail, *sides, screen))
