"""What surrounds a plate and comes before the lens: bumpers, tow bars, rain, snow. Pure; seeded."""

from random import Random

import cv2
import numpy as np
import numpy.typing as npt

from models.render.lettering import Picture

Corners = npt.NDArray[np.float64]
"""Shape (4, 2): top left, top right, bottom right, bottom left, in pixels."""


def surroundings(width_px: int, height_px: int, draw: Random, rng: np.random.Generator) -> Picture:
    """A piece of bumper or boot lid: paint that curves away, gaps, edges, grain."""
    grey = draw.choice((draw.uniform(8, 60), draw.uniform(20, 220), draw.uniform(100, 235)))
    tint = np.array([draw.uniform(-30, 30) for _ in range(3)]) * draw.choice((0.1, 0.3, 1.5))
    few = rng.normal(0, draw.uniform(4, 30), (4, 5, 1)).astype(np.float32) + rng.normal(
        0, 4, (4, 5, 3)
    ).astype(np.float32)
    few += (np.linspace(draw.uniform(-40, 40), draw.uniform(-40, 40), 4, dtype=np.float32))[:, None, None]
    few += (grey + tint).astype(np.float32)
    sheet = cv2.resize(few, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    picture = np.asarray(np.clip(sheet, 0, 255), np.uint8)
    for _ in range(draw.randint(0, 4)):
        _edge(picture, draw)
    return picture


def _edge(picture: Picture, draw: Random) -> None:
    height, width = picture.shape[:2]
    level = draw.randint(0, 255) if draw.random() < 0.4 else draw.randint(0, 60)
    colour = (level, level, min(255, level + draw.randint(0, 12)))
    if draw.random() < 0.7:
        y = draw.randint(0, height)
        ends = (-2, y), (width + 2, y + draw.randint(-height // 8, height // 8))
    else:
        x = draw.randint(0, width)
        ends = (x, -2), (x + draw.randint(-width // 10, width // 10), height + 2)
    cv2.line(picture, *ends, colour, draw.randint(1, max(2, height // 10)), cv2.LINE_AA)


def holder(picture: Picture, corners: Corners, draw: Random) -> None:
    """A frame that stands out a little around the plate, and the shadow below it; changes `picture`."""
    tall = float(np.hypot(*(corners[3] - corners[0])))
    centre = corners.mean(axis=0)
    level = draw.choice((14, 24, 40, 90, 170, 215))
    grown = centre + (corners - centre) * (1 + draw.uniform(0.02, 0.07))
    grown[2:] += (0, tall * draw.uniform(0.0, 0.14))
    cv2.fillConvexPoly(picture, np.rint(grown * 16).astype(np.int32), (level, level, level), cv2.LINE_AA, 4)


def in_front(picture: Picture, corners: Corners, draw: Random) -> None:
    """A tow ball, a cable or a bar before the lower part of the plate; changes `picture`."""
    tall, wide = float(np.hypot(*(corners[3] - corners[0]))), float(np.hypot(*(corners[1] - corners[0])))
    level = draw.randint(10, 70)
    foot = corners[3] + (corners[2] - corners[3]) * draw.uniform(0.1, 0.9)
    if draw.random() < 0.5:
        centre = (round(foot[0]), round(foot[1] + tall * draw.uniform(-0.02, 0.2)))
        cv2.circle(
            picture, centre, max(1, round(tall * draw.uniform(0.08, 0.2))), (level,) * 3, -1, cv2.LINE_AA
        )
    else:
        end = (
            round(foot[0] + wide * draw.uniform(-0.5, 0.5)),
            round(foot[1] - tall * draw.uniform(0.0, 1.3)),
        )
        start = (round(foot[0]), round(foot[1] + tall * 0.2))
        cv2.line(
            picture, start, end, (level,) * 3, max(1, round(tall * draw.uniform(0.01, 0.035))), cv2.LINE_AA
        )


def rain(picture: Picture, draw: Random, *, amount: float) -> Picture:
    """Streaks of rain, or flakes of snow, that the exposure has drawn out."""
    height, width = picture.shape[:2]
    sheet = np.zeros((height, width), np.uint8)
    slope, snow = draw.uniform(-0.3, 0.3), draw.random() < 0.5
    for _ in range(int(amount * width * height / 260)):
        x, y = draw.uniform(0, width), draw.uniform(0, height)
        if snow:
            cv2.circle(
                sheet, (round(x), round(y)), draw.choice((1, 1, 2)), draw.randint(90, 230), -1, cv2.LINE_AA
            )
        else:
            long = draw.uniform(0.08, 0.3) * height
            cv2.line(
                sheet,
                (round(x), round(y)),
                (round(x + slope * long), round(y + long)),
                draw.randint(40, 130),
                1,
                cv2.LINE_AA,
            )
    return np.asarray(cv2.add(picture, cv2.merge((sheet, sheet, sheet))), np.uint8)


def snowed_in(plate: Picture, draw: Random, *, amount: float) -> None:
    """Snow or mud caked on the plate's edges, and a few lumps; changes `plate`."""
    height, width = plate.shape[:2]
    colour = draw.choice(((232, 234, 238), (90, 76, 60), (60, 52, 44)))
    edge = draw.choice(("top", "foot", "sides"))
    for _ in range(int(3 + 14 * amount)):
        if edge == "sides":
            x, y = draw.choice((0.0, width)) + draw.gauss(0, width * 0.012), draw.uniform(0, height)
        else:
            x, y = draw.uniform(0, width), (0 if edge == "top" else height) + draw.gauss(0, height * 0.03)
        cv2.circle(
            plate,
            (round(x), round(y)),
            max(1, round(height * draw.uniform(0.02, 0.09))),
            colour,
            -1,
            cv2.LINE_AA,
        )
