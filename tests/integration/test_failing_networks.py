"""Networks that read at the start and fail at work: the frame is worth nothing, health names them."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hostile_onnx import detector_that_fails_on_black, reader_that_fails_on_black

from models import registry
from models.manifest import ModelError
from pod.config import VisionConfig
from pod.services.health import Status
from pod.services.probes import models_probe
from pod.vision.pipeline import Models, load_models

BLACK = np.zeros((64, 64, 3), np.uint8)
GREY = np.full((64, 64, 3), 90, np.uint8)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    (tmp_path / "finds.onnx").write_bytes(detector_that_fails_on_black())
    (tmp_path / "reads.onnx").write_bytes(reader_that_fails_on_black("AB123CD"))
    contract = registry.load("bundled", "recognizer").plate_config
    (tmp_path / "reads_plate_config.yaml").write_text(yaml.safe_dump(contract))
    return load_models(
        VisionConfig(detector=str(tmp_path / "finds.onnx"), recognizer=str(tmp_path / "reads.onnx"))
    )


@pytest.mark.filterwarnings("error")
def test_a_detector_that_answers_with_no_number_is_a_fault_that_health_names(models: Models) -> None:
    probe = models_probe(models)
    reader = models.reader()
    assert [read.text for read in reader.read(GREY)] == ["AB123CD"]
    assert probe().status is Status.OK
    with pytest.raises(ModelError, match=r"finds\.onnx: answers with what is no number"):
        reader.read(BLACK)
    assert probe().status is Status.FAILING
    assert "1 since the start" in probe().sentence
    assert "finds.onnx: answers with what is no number" in probe().sentence
    reader.read(GREY)
    assert probe().status is Status.DEGRADED


@pytest.mark.filterwarnings("error")
def test_a_recogniser_that_answers_with_no_number_is_a_fault_that_health_names(models: Models) -> None:
    with pytest.raises(ModelError, match=r"reads\.onnx: answers a plate with what is no probability"):
        models.recognizer.read([GREY, BLACK])
    assert models_probe(models)().status is Status.FAILING
    assert "reads.onnx" in models_probe(models)().sentence
