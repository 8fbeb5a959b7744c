"""The demo's cars are read from their pixels alone, by the weights at hand."""

from pathlib import Path

import numpy as np
import pytest

from models import registry
from models.render import story
from models.render.light import LIGHTS
from models.render.stage import Stage
from models.render.view import View
from pod.config import VisionConfig
from pod.vision.pipeline import open_models

UPSTREAM = {
    "detector": "yolo-v9-t-416-license-plates-end2end1.onnx",
    "recognizer": "cct_xs_v2_global.onnx",
}


@pytest.fixture(scope="module")
def upstream():
    folder = Path(__file__).parents[2].parent / "shared" / "weights"
    if not folder.is_dir():
        pytest.skip("needs ../shared (upstream weights)")
    paths = {task: str(folder / name) for task, name in UPSTREAM.items()}
    return open_models(VisionConfig(provider="cpu", **paths))


@pytest.fixture(scope="module", params=["upstream", *(["bundled"] if registry.bundled_names() else [])])
def models(request):
    if request.param == "upstream":
        return request.getfixturevalue("upstream")
    return open_models(VisionConfig(provider="cpu"))


@pytest.fixture(scope="module", params=story.STORY, ids=lambda visit: f"{visit.light}-{visit.plate}")
def visit_at_the_line(request):
    """Twelve pictures of one visit while its car stands at the line, and its plate."""
    visit, rng = request.param, np.random.default_rng(3)
    stage = Stage.build(View(), LIGHTS[visit.light], seed=7)
    standing = stage.arrange([(visit.car(), visit.pose_at(visit.arrives_s + visit.stays_s - 0.1))])
    moments = np.linspace(visit.arrives_s, visit.arrives_s + visit.stays_s, 12)
    wobble = rng.uniform(0, 2 * np.pi, 2)
    exposures = [story.exposure_at(float(at_s), stage.light, wobble, rng=rng) for at_s in moments]
    return visit.plate, [stage.photograph(standing, exposure, rng) for exposure in exposures]


def test_a_car_at_the_line_is_read_right_in_most_pictures_and_wrong_with_certainty_in_none(
    models, visit_at_the_line
):
    plate, pictures = visit_at_the_line
    reads = [read for picture in pictures for read in models.reader().read(picture)]
    right = sum(read.text == plate for read in reads)
    assert right >= 0.8 * len(pictures)
    assert [read.text for read in reads if read.text != plate and read.confidence > 0.9] == []
