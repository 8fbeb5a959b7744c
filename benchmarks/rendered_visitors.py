"""Cars for clips that need no footage: rendered scenes of one gate, and that gate when it is empty."""

from benchmarks.drive_up import Visitor
from models.render.lettering import Picture
from models.render.light import LIGHTS
from models.render.stage import Stage, render_scene
from models.render.view import View

_SEED = 3
_LEAST_WIDTH_PX = 80
"""Narrower plates are blurred when the car stands at the line."""


def rendered_visitors(count: int) -> tuple[list[Visitor], Picture]:
    """Cars with plates that differ, and the empty view; the same on every run."""
    stage = Stage.build(View(), LIGHTS["day"], seed=_SEED)
    chosen: dict[str, Visitor] = {}
    seed = 0
    while len(chosen) < count:
        scene = render_scene(stage, seed)
        seed += 1
        for label in scene.plates:
            x1, _, x2, _ = label.box
            if x2 - x1 >= _LEAST_WIDTH_PX:
                chosen.setdefault(label.text, Visitor(label.text, scene.picture, label.box))
    return list(chosen.values()), stage.backdrop.picture
