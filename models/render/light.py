"""The light a scene stands in, and how the camera copes with it. Pure data."""

from dataclasses import dataclass

Colour = tuple[float, float, float]
"""Linear-ish RGB, 0..255."""


@dataclass(frozen=True, slots=True)
class Light:
    """One time of day.

    Attributes:
        sun_from: direction towards the sun, of any length (x right, y up, z away from the gate).
        sun, ambient: factors on a surface's own colour.
        zenith, horizon, ground: what glossy paint mirrors, and what the sky shows.
        lamps: 0..1, how much headlights and street lamps matter.
        plate_gain: the plate against the rest; retro-reflective sheeting returns the camera's own lamp.
        noise: standard deviation of the sensor's noise, grey levels.
        exposure_s: how long one picture gathers light; longer smears what moves.
    """

    name: str
    sun_from: tuple[float, float, float]
    sun: Colour
    ambient: Colour
    zenith: Colour
    horizon: Colour
    ground: Colour
    lamps: float
    plate_gain: float
    noise: float
    exposure_s: float


DAY = Light(
    name="day",
    sun_from=(-0.55, 0.75, -0.45),
    sun=(0.84, 0.79, 0.69),
    ambient=(0.42, 0.45, 0.50),
    zenith=(96, 146, 206),
    horizon=(206, 220, 232),
    ground=(86, 88, 84),
    lamps=0.0,
    plate_gain=1.0,
    noise=2.5,
    exposure_s=1 / 500,
)
DUSK = Light(
    name="dusk",
    sun_from=(0.8, 0.25, 0.5),
    sun=(0.30, 0.20, 0.13),
    ambient=(0.30, 0.29, 0.35),
    zenith=(58, 66, 104),
    horizon=(214, 142, 104),
    ground=(48, 46, 50),
    lamps=0.55,
    plate_gain=0.80,
    noise=5.0,
    exposure_s=1 / 200,
)
NIGHT = Light(
    name="night",
    sun_from=(-0.4, 0.9, 0.2),
    sun=(0.15, 0.14, 0.12),
    ambient=(0.085, 0.09, 0.115),
    zenith=(9, 11, 19),
    horizon=(30, 30, 38),
    ground=(15, 15, 17),
    lamps=1.0,
    plate_gain=0.72,
    noise=8.0,
    exposure_s=1 / 120,
)
LIGHTS = {light.name: light for light in (DAY, DUSK, NIGHT)}
"""Every light by its name."""
