"""Finding models and proving that their files are the right ones."""

import hashlib

import pytest
import yaml

from models import registry
from models.manifest import as_yaml
from models.registry import ModelError, load, verify

WEIGHTS = b"not really a network"
PLATE_CONFIG = {
    "max_plate_slots": 10,
    "alphabet": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_",
    "pad_char": "_",
    "img_height": 64,
    "img_width": 128,
}


def manifest(**changes):
    fields = {
        "name": "mine",
        "task": "detector",
        "file": "mine.onnx",
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "input": {"height": 256, "width": 416, "layout": "NCHW", "color": "rgb"},
        "thresholds": {"confidence": 0.25},
        "licence": "AGPL-3.0-only",
        "training_data": ["some pictures"],
        "metrics": {"recall_percent": 90.0},
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.fixture
def own(tmp_path):
    """Writes weights and, when given, a manifest beside them; returns the weights' path as text."""

    def write(fields=None, suffix=".yaml", weights=WEIGHTS):
        path = tmp_path / "mine.onnx"
        path.write_bytes(weights)
        if fields is not None:
            (tmp_path / f"mine{suffix}").write_text(
                fields if isinstance(fields, str) else yaml.safe_dump(fields)
            )
        return str(path)

    return write


def test_every_bundled_manifest_describes_weights_that_are_there():
    for name in registry.bundled_names():
        task = "detector" if "detector" in name else "recognizer"
        verify(load(name, task))


def test_a_file_with_its_manifest_beside_it_is_known_by_the_manifest(own):
    found = load(own(manifest()), "detector")
    verify(found)
    assert (found.name, found.thresholds.confidence, found.input.width) == ("mine", 0.25, 416)


def test_a_detector_may_stand_alone(own):
    found = load(own(), "detector")
    verify(found)
    assert found.name == "mine"
    assert found.input is None


@pytest.mark.parametrize("suffix", [".yaml", "_plate_config.yaml"])
def test_a_recogniser_may_bring_the_configuration_of_fast_plate_ocr(own, suffix):
    assert load(own(PLATE_CONFIG, suffix), "recognizer").plate_config == PLATE_CONFIG


def test_a_missing_file_is_named_with_its_mend(own, tmp_path):
    found = load(own(manifest()), "detector")
    (tmp_path / "mine.onnx").unlink()
    with pytest.raises(ModelError, match=r"mine\.onnx: the weights of 'mine' are missing: install"):
        verify(found)


def test_a_changed_file_is_refused(own):
    found = load(own(manifest(), weights=WEIGHTS + b"!"), "detector")
    with pytest.raises(ModelError, match="damaged or replaced"):
        verify(found)


def test_a_model_of_another_task_is_refused(own):
    with pytest.raises(ModelError, match="'mine' is a detector, and a recognizer is wanted"):
        load(own(manifest()), "recognizer")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param(manifest(file=None), "file: Field required", id="a field is missing"),
        pytest.param(manifest(sha256="abc"), "sha256", id="not a checksum"),
        pytest.param(manifest(licens="MIT"), "licens: Extra inputs", id="a misspelt field"),
        pytest.param(
            manifest(input={"height": 2, "width": 2, "layout": "NHWC", "color": "rgb"}),
            "the input of a detector must have the layout NCHW",
            id="another layout",
        ),
        pytest.param(
            manifest(task="recognizer", input=None), "plate_config", id="a recogniser without its contract"
        ),
        pytest.param(manifest(plate_config=PLATE_CONFIG), "belong to a recognizer", id="another task's part"),
        pytest.param(manifest(file="../mine.onnx"), "without a folder", id="a file elsewhere"),
        pytest.param(
            manifest(metrics={"recall_percent": {"value": 90.0, "interval_95_percent": [91, 95]}}),
            "90 lies outside of its interval 91 to 95",
            id="a figure outside of its interval",
        ),
        pytest.param(manifest(metrics={"Recall": 90.0}), "metrics.Recall", id="a figure of a strange name"),
        pytest.param(
            manifest(thresholds={"confidence": 25}), "thresholds.confidence", id="a bound in percent"
        ),
        pytest.param("a: [1, 2", "cannot be read as YAML", id="broken YAML"),
        pytest.param("a: " + "b" * 300_000, "too large for a description", id="a huge file"),
        pytest.param("- 1\n- 2\n", "must hold 'key: value' lines", id="a list"),
        pytest.param("", "must hold 'key: value' lines", id="an empty file"),
    ],
)
def test_a_broken_manifest_is_named_with_what_is_wrong_in_it(own, fields, says):
    with pytest.raises(ModelError, match=says) as caught:
        load(own(fields), "recognizer" if "plate_config" in says else "detector")
    assert "mine.yaml" in str(caught.value)


def test_a_recogniser_without_a_configuration_is_told_which_file_is_wanted(own):
    with pytest.raises(ModelError, match=r"put mine_plate_config\.yaml beside it"):
        load(own(), "recognizer")


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ModelError, match="no model is called 'yolo': give the path of an"):
        load("yolo", "detector")


def test_a_manifest_is_written_as_it_is_read(own, tmp_path):
    fields = manifest(
        task="recognizer",
        input={"height": 64, "width": 128, "layout": "NHWC", "color": "rgb"},
        plate_config=PLATE_CONFIG,
        temperature=1.25,
        source="https://example.org/mine.onnx",
        metrics={
            "exact_percent": {"value": 93.1, "interval_95_percent": [91.2, 94.6], "n": 825},
            "ms": 1.8,
        },
    )
    found = load(own(fields), "recognizer")
    (tmp_path / "mine.yaml").write_text(as_yaml(found))
    assert load(str(tmp_path / "mine.onnx"), "recognizer") == found
    assert found.alphabet == PLATE_CONFIG["alphabet"]


def test_figures_of_bundled_models_carry_their_unit():
    for name in registry.bundled_names():
        figures = registry.find(name).metrics
        assert figures
        assert all(figure.endswith(("_percent", "_ms", "_px")) for figure in figures)
