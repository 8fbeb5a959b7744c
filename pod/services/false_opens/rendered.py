"""Rendered cars that drive up to a rendered gate, read by the real detector and reader. Seeded."""

from collections.abc import Iterator
from random import Random

import numpy as np

from models.render.car import plate_pixels
from models.render.car_mesh import BODIES
from models.render.light import LIGHTS
from models.render.plates import STYLES, random_text
from models.render.stage import COLOURS, Stage
from models.render.story import Visit, exposure_at
from models.render.view import View
from pod.domain.plates import match_key
from pod.services.false_opens.sightings import Sighting
from pod.vision.pipeline import PlateReader

_BEFORE_S, _AFTER_S, _STEP_S = 2.4, 0.6, 0.25
"""When the pictures are taken, around the moment at which the car stands at the line."""


def rendered_approaches(reader: PlateReader, count: int, *, seed: int) -> Iterator[Sighting | None]:
    """Approaches as a gate camera sees them; None where the plate was found in fewer than two pictures."""
    view = View()
    stages: dict[str, Stage] = {}
    for number in range(count):
        draw = Random(seed * 1_000_003 + number)
        rng = np.random.default_rng((seed, number))
        style = draw.choice([style for style in STYLES.values() if style.name != "motorcycle"])
        visit = Visit(
            "unlisted",
            random_text(style, draw),
            style.name,
            draw.choice(tuple(BODIES)),
            draw.choice(COLOURS),
            draw.choice(tuple(LIGHTS)),
            number,
            _AFTER_S,
            "in",
            slogan=draw.randrange(8),
            dirt=max(0.0, draw.uniform(-0.6, 0.7)),
        )
        if visit.light not in stages:
            stages[visit.light] = Stage.build(view, LIGHTS[visit.light], seed=seed)
        yield _seen(reader, visit, stages[visit.light], view, rng)


def _seen(
    reader: PlateReader, visit: Visit, stage: Stage, view: View, rng: np.random.Generator
) -> Sighting | None:
    car = visit.car()
    wobble = rng.uniform(0, 2 * np.pi, 2)
    frames = []
    for at_s in np.arange(visit.arrives_s - _BEFORE_S, visit.arrives_s + _AFTER_S, _STEP_S):
        pose = visit.pose_at(float(at_s))
        corners = None if pose is None else plate_pixels(car, pose, view)
        if pose is None or corners is None:
            continue
        exposure = exposure_at(float(at_s), stage.light, wobble, rng=rng)
        picture = stage.photograph(stage.arrange([(car, pose)]), exposure, rng)
        (x1, y1), (x2, y2) = corners.min(axis=0), corners.max(axis=0)
        for read in reader.read(picture):
            centre_x, centre_y = (read.box[0] + read.box[2]) / 2, (read.box[1] + read.box[3]) / 2
            if x1 <= centre_x <= x2 and y1 <= centre_y <= y2:
                frames.append(read.slots)
                break
    return Sighting(match_key(visit.plate), np.stack(frames)) if len(frames) > 1 else None
