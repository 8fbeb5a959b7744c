"""The table of hub models: true to the packages that publish them, and plain about what it does not have."""

import pytest
from fast_plate_ocr.inference.hub import AVAILABLE_ONNX_MODELS
from open_image_models.detection.core.hub import DETECTION_MODELS

from models.hub import hub_model, hub_models, unfit_names
from models.manifest import ModelError
from models.registry import bundled_names

READERS = [model for model in hub_models() if model.task == "recognizer"]
FINDERS = [model for model in hub_models() if model.task == "detector"]


def test_every_model_of_the_hubs_is_known_as_fit_or_unfit():
    theirs = {*AVAILABLE_ONNX_MODELS, *DETECTION_MODELS}
    assert {model.name for model in hub_models()} | unfit_names() == theirs
    assert {model.name for model in hub_models()} & unfit_names() == set()


@pytest.mark.parametrize("model", READERS, ids=lambda model: model.name)
def test_a_reader_lies_where_fast_plate_ocr_says(model):
    assert (model.weights.url, model.plate_config.url) == AVAILABLE_ONNX_MODELS[model.name]


@pytest.mark.parametrize("model", FINDERS, ids=lambda model: model.name)
def test_a_detector_lies_where_open_image_models_says(model):
    theirs = DETECTION_MODELS[model.name]
    assert model.weights.url == theirs.url
    assert len(theirs.class_labels) == 1


def test_no_hub_model_has_the_name_of_a_bundled_one():
    assert {model.name for model in hub_models()}.isdisjoint(bundled_names())


def test_a_pin_is_the_checksum_of_the_file_that_is_at_hand(shared):
    import hashlib

    for model in READERS:
        for file in (model.weights, model.plate_config):
            at_hand = shared / "weights" / file.name
            if at_hand.exists():
                assert hashlib.sha256(at_hand.read_bytes()).hexdigest() == file.sha256
                assert file.size_bytes in (None, at_hand.stat().st_size)


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(ModelError, match="did you mean 'cct-xs-v2-global-model'"):
        hub_model("cct-xs-v2-global")


def test_a_name_like_none_is_answered_with_all():
    with pytest.raises(ModelError, match="there are cct-s-v2-global-model, cct-xs"):
        hub_model("zzz")


def test_a_model_of_no_use_here_is_refused_with_the_reason():
    with pytest.raises(ModelError, match="'cct-xs-v1-global-model' reads nine characters at most"):
        hub_model("cct-xs-v1-global-model")
