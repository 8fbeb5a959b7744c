"""Real weights on real and drawn pictures, through the loader the POD uses."""

import logging
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from models import reference, registry
from models.registry import ModelError
from pod.config import CameraConfig, VisionConfig
from pod.domain.geometry import iou_matrix
from pod.vision import pipeline, session
from pod.vision.detector import Detections
from pod.vision.pictures import load_picture
from pod.vision.pipeline import PlateReader, open_models, open_reader, self_check

UPSTREAM_DETECTOR = "yolo-v9-t-416-license-plates-end2end1.onnx"
UPSTREAM_RECOGNIZER = "cct_xs_v2_global.onnx"
DRAWN_AT = np.array([[311, 286, 489, 324]], np.float32)
SHARED_WEIGHTS = Path(__file__).parents[2].parent / "shared" / "weights"


def upstream(**changes) -> VisionConfig:
    if not SHARED_WEIGHTS.is_dir():
        pytest.skip("needs ../shared (upstream weights)")
    paths = {
        "detector": str(SHARED_WEIGHTS / UPSTREAM_DETECTOR),
        "recognizer": str(SHARED_WEIGHTS / UPSTREAM_RECOGNIZER),
    }
    return VisionConfig(**(paths | {"provider": "cpu"} | changes))


@pytest.fixture(scope="module", params=["upstream", *(["bundled"] if registry.bundled_names() else [])])
def models(request):
    return open_models(upstream() if request.param == "upstream" else VisionConfig(provider="cpu"))


@pytest.fixture(scope="module")
def drawn():
    return load_picture(reference.PICTURE)


def test_the_reference_plate_is_read_with_its_place_and_its_distributions(models, drawn):
    (read,) = models.reader().read(drawn)[:1]
    assert read.text == reference.PLATE
    assert read.confidence > 0.8
    assert iou_matrix(DRAWN_AT, np.array([read.box], np.float32)) > 0.6
    np.testing.assert_allclose(read.slots.sum(axis=1), 1, atol=0.01)


def test_detecting_in_a_copy_of_the_fitting_size_finds_what_the_full_frame_shows(models, drawn):
    reader = models.reader()
    large = cv2.resize(drawn, (1920, 1080), interpolation=cv2.INTER_CUBIC)
    height, width = reader.detector.fit_px(height=1080, width=1920)
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    in_full = reader.detect(large)
    in_copy = reader.detect(small, frame_size_px=(1080, 1920))
    assert iou_matrix(in_full.boxes[:1], in_copy.boxes[:1]) > 0.8
    assert [read.text for read in reader.read_boxes(large, in_copy.only(np.array([0], np.intp)))] == [
        reference.PLATE
    ]


def test_an_empty_scene_gives_no_reads(models):
    assert models.reader().read(np.full((720, 1280, 3), 90, np.uint8)) == []


def test_more_plates_than_one_inference_takes_are_all_read_in_their_order(models, drawn):
    found = models.reader().detect(drawn)
    plate, elsewhere = found.boxes[0], np.array([10, 10, 190, 50], np.float32)
    boxes = np.stack([elsewhere, *[plate] * 9, elsewhere, plate])
    reads = models.reader().read_boxes(drawn, Detections(boxes, np.ones(12, np.float32)))
    assert [read.text == reference.PLATE for read in reads] == [False, *[True] * 9, False, True]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1), (7, 5), (33, 1999)], ids=str)
def test_frames_of_strange_shapes_are_no_fault(models, shape):
    noise = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    for read in models.reader().read(noise):
        assert 0 <= read.box[0] < read.box[2] <= shape[1]
        assert 0 <= read.box[1] < read.box[3] <= shape[0]


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        pytest.param({}, True, id="everywhere"),
        pytest.param({"min_plate_px": 250}, False, id="narrower than the minimum"),
        pytest.param({"regions": (((0, 0), (1, 0), (1, 0.4), (0, 0.4)),)}, False, id="outside the region"),
        pytest.param(
            {"regions": (((0.3, 0.5), (0.7, 0.5), (0.7, 1), (0.3, 1)),)}, True, id="inside the region"
        ),
        pytest.param({"masks": (((0.3, 0.5), (0.7, 0.5), (0.7, 1), (0.3, 1)),)}, False, id="under a mask"),
    ],
)
def test_a_camera_s_view_decides_which_plates_count(models, drawn, settings, seen):
    camera = CameraConfig(name="gate", url="x.mp4", gate="gate", **settings)
    found = models.reader(camera).detect(drawn)
    assert bool((iou_matrix(DRAWN_AT, found.boxes) > 0.5).any()) is seen


def test_what_fills_the_view_of_a_camera_is_no_plate_though_a_picture_may_be_a_close_up(models, drawn):
    x1, y1, x2, y2 = (round(float(edge)) for edge in DRAWN_AT[0])
    close_up = np.ascontiguousarray(drawn[y1 - 60 : y2 + 60, x1 - 40 : x2 + 40])
    assert len(models.reader().detect(close_up)) == 1
    assert len(models.reader(CameraConfig(name="gate", url="x.mp4", gate="gate")).detect(close_up)) == 0


def test_several_threads_share_one_reader_and_read_the_same(models, drawn):
    texts = []

    def read_often():
        for _ in range(3):
            texts.extend(read.text for read in models.reader().read(drawn)[:1])

    threads = [threading.Thread(target=read_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [reference.PLATE] * 12


def test_upstream_weights_find_and_read_what_fast_alpr_does_with_them(shared):
    from benchmarks.read import fast_alpr

    peer = fast_alpr()
    ours = open_reader(upstream(detector_confidence=0.4, crop_margin=0))
    plates = 0
    for path in sorted((shared / "plates" / "detect" / "images" / "val").glob("*.jpg"))[::25]:
        picture = load_picture(path)
        theirs = peer.predict(str(path))
        places = [result.detection.bounding_box for result in theirs]
        boxes = np.array([[box.x1, box.y1, box.x2, box.y2] for box in places], np.float32).reshape(-1, 4)
        found = ours.detect(picture)
        # Theirs are cut to whole pixels, and ignore that both sides are not scaled quite alike.
        np.testing.assert_allclose(found.boxes, boxes, rtol=0, atol=2)
        reads = ours.read_boxes(picture, Detections(boxes, found.scores))
        assert [read.text for read in reads] == [result.ocr.text for result in theirs]
        plates += len(theirs)
    assert plates >= 15


def test_a_margin_around_the_crop_is_really_taken(drawn):
    tight, wide = (open_reader(upstream(crop_margin=margin)) for margin in (0.0, 0.3))
    found = tight.detect(drawn)
    assert not np.array_equal(tight.read_boxes(drawn, found)[0].slots, wide.read_boxes(drawn, found)[0].slots)


def stating(tmp_path, **fields) -> str:
    """A copy of upstream's detector whose manifest says something more."""
    path = weights(tmp_path, UPSTREAM_DETECTOR)
    said = {"name": "own", "task": "detector", "file": path.name, **fields}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("stated", "configured", "expected"),
    [
        pytest.param({}, {}, pipeline.DEFAULT_CROP_MARGIN, id="nobody says"),
        pytest.param({"crop_margin": 0.07}, {}, 0.07, id="the manifest says"),
        pytest.param({"crop_margin": 0.07}, {"crop_margin": 0.11}, 0.11, id="the configuration overrules it"),
        pytest.param({"crop_margin": 0.07}, {"crop_margin": 0.0}, 0.0, id="even with none"),
    ],
)
def test_the_margin_is_the_detector_s_own_unless_it_is_configured(tmp_path, stated, configured, expected):
    models = open_models(upstream(detector=stating(tmp_path, **stated), **configured))
    assert models.crop_margin == expected


@pytest.mark.parametrize(
    ("stated", "configured", "expected"),
    [
        pytest.param({}, {}, True, id="nobody says"),
        pytest.param(
            {"thresholds": {"confidence": 0.94}}, {}, False, id="the manifest says more than it scores"
        ),
        pytest.param(
            {"thresholds": {"confidence": 0.94}},
            {"detector_confidence": 0.3},
            True,
            id="the configuration overrules it",
        ),
        pytest.param({}, {"detector_confidence": 0.94}, False, id="the configuration alone"),
    ],
)
def test_how_sure_a_detector_must_be_is_its_own_unless_it_is_configured(
    tmp_path, monkeypatch, drawn, stated, configured, expected
):
    monkeypatch.setattr(pipeline, "self_check", lambda reader: None)
    models = open_models(upstream(detector=stating(tmp_path, **stated), **configured))
    assert bool(len(models.reader().detect(drawn))) is expected


def test_a_margin_belongs_to_a_detector(tmp_path):
    fields = {"task": "recognizer", "plate_config": {"alphabet": "A_"}}
    with pytest.raises(ModelError, match="plate_class and crop_margin belong to a detector"):
        open_models(upstream(recognizer=stating(tmp_path, **fields, crop_margin=0.1)))


def test_every_bundled_detector_states_its_margin_and_how_sure_it_must_be():
    for name in registry.bundled_names():
        if "detector" in name:
            manifest = registry.load(name, "detector")
            assert None not in (manifest.crop_margin, manifest.thresholds.confidence)


def test_what_the_recogniser_calls_no_plate_is_no_read(shared):
    """A street without any plate, in which the bundled detector takes something for one."""
    street = load_picture(shared / "plates" / "detect" / "images" / "val" / "neg_openalpr_00005.jpg")
    reader = open_reader(upstream(detector="bundled", detector_confidence=0.05))
    found = reader.detect(street)
    answers = reader.read_boxes(street, found)
    assert len(answers) == len(found)
    dropped = [answer for answer in answers if not answer.is_plate]
    assert dropped
    assert max(answer.confidence for answer in dropped) > 0.9
    kept = [answer.text for answer in answers if answer.is_plate]
    assert [read.text for read in reader.read(street)] == kept


def test_an_inference_uses_as_many_threads_as_configured_and_they_sleep_while_they_wait(monkeypatch):
    opened = []

    def noted(*arguments, **options):
        opened.append(session.open_session(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr("pod.vision.detector.open_session", noted)
    monkeypatch.setattr("pod.vision.recognizer.open_session", noted)
    open_models(upstream(threads=3))
    used = [network.get_session_options() for network, _ in opened]
    assert [options.intra_op_num_threads for options in used] == [3, 3]
    spinning = {options.get_session_config_entry("session.intra_op.allow_spinning") for options in used}
    assert spinning == {"0"}


@pytest.mark.parametrize("provider", ["cuda", "openvino"])
def test_a_provider_that_is_not_there_is_replaced_by_the_processor_and_the_log_names_the_mend(
    provider, caplog
):
    import onnxruntime

    if f"{provider}executionprovider" in str(onnxruntime.get_available_providers()).lower():
        pytest.fail(f"this onnxruntime has {provider}: the suite runs on the plain package")
    with caplog.at_level(logging.WARNING):
        models = open_models(upstream(provider=provider))
    assert (models.detector.provider, models.recognizer.provider) == ("cpu", "cpu")
    assert f"not on {provider}" in caplog.text
    assert f"onnxruntime-{'gpu' if provider == 'cuda' else 'openvino'}" in caplog.text


def test_models_that_read_the_reference_wrongly_are_refused(monkeypatch):
    monkeypatch.setattr(reference, "PLATE", "ZZ999ZZ")
    with pytest.raises(ModelError, match=r"read KHT483 in the reference picture, not ZZ999ZZ: set"):
        open_models(upstream())


def test_a_missing_reference_picture_is_named(monkeypatch, tmp_path):
    reader = open_reader(upstream())
    monkeypatch.setattr(reference, "PICTURE", tmp_path / "gone.png")
    with pytest.raises(ModelError, match=r"gone\.png: the reference picture is missing: install"):
        self_check(reader)


def weights(tmp_path, name, content=None):
    """A copy of upstream weights, or other bytes, under a name of its own."""
    if not SHARED_WEIGHTS.is_dir():
        pytest.skip("needs ../shared (upstream weights)")
    path = tmp_path / name
    path.write_bytes((SHARED_WEIGHTS / name).read_bytes() if content is None else content)
    return path


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "onnxruntime cannot load it: install", id="zero bytes"),
        pytest.param(b"no network at all", "onnxruntime cannot load it: install", id="text"),
    ],
)
@pytest.mark.parametrize("task", ["detector", "recognizer"])
def test_a_file_that_is_no_network_is_named_with_its_mend(tmp_path, task, content, says):
    path = weights(tmp_path, "own.onnx", content)
    (tmp_path / "own_plate_config.yaml").write_bytes(
        (SHARED_WEIGHTS / "cct_xs_v2_global_plate_config.yaml").read_bytes()
    )
    with pytest.raises(ModelError, match=says) as caught:
        open_models(upstream(**{task: str(path)}))
    assert str(path) in str(caught.value)


def test_half_a_network_is_named_with_its_mend(tmp_path):
    path = weights(tmp_path, UPSTREAM_DETECTOR)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ModelError, match="onnxruntime cannot load it"):
        open_models(upstream(detector=str(path)))


def test_a_recogniser_in_the_place_of_the_detector_is_of_another_shape():
    with pytest.raises(ModelError, match="not a plate detector of the expected shape: it takes tensor"):
        open_models(upstream(detector=str(SHARED_WEIGHTS / UPSTREAM_RECOGNIZER)))


def test_a_detector_in_the_place_of_the_recogniser_is_of_another_shape(tmp_path):
    path = weights(tmp_path, UPSTREAM_DETECTOR)
    config = SHARED_WEIGHTS / "cct_xs_v2_global_plate_config.yaml"
    path.with_suffix(".yaml").write_bytes(config.read_bytes())
    with pytest.raises(ModelError, match="not a plate recogniser of the expected shape: it takes tensor"):
        open_models(upstream(recognizer=str(path)))


@pytest.mark.parametrize(
    ("line", "changed", "says"),
    [
        pytest.param(
            "alphabet: '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_'",
            "alphabet: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_'",
            "reads the characters 'ABC",
            id="another order of characters",
        ),
        pytest.param(
            "max_plate_slots: 10", "max_plate_slots: 9", "has 9 slots: use a model trained for 10", id="slots"
        ),
        pytest.param(
            "image_color_mode: rgb", "image_color_mode: grayscale", "takes grayscale pictures", id="colour"
        ),
        pytest.param(
            "img_width: 128", "img_width: 140", "not a plate recogniser of the expected shape", id="width"
        ),
        pytest.param(
            "img_width: 128", "width: 128", "its plate_config is not fast-plate-ocr's", id="a strange field"
        ),
    ],
)
def test_a_recogniser_with_another_contract_is_refused(tmp_path, line, changed, says):
    path = weights(tmp_path, UPSTREAM_RECOGNIZER)
    config = (SHARED_WEIGHTS / "cct_xs_v2_global_plate_config.yaml").read_text(encoding="utf-8")
    assert line in config
    path.with_name(f"{path.stem}_plate_config.yaml").write_text(
        config.replace(line, changed), encoding="utf-8"
    )
    with pytest.raises(ModelError, match=says):
        open_models(upstream(recognizer=str(path)))


def test_a_recogniser_whose_manifest_contradicts_its_contract_is_refused(tmp_path):
    path = weights(tmp_path, UPSTREAM_RECOGNIZER)
    config = yaml.safe_load(
        (SHARED_WEIGHTS / "cct_xs_v2_global_plate_config.yaml").read_text(encoding="utf-8")
    )
    fields = {"name": "own", "task": "recognizer", "file": path.name, "plate_config": config}
    fields["input"] = {"height": 64, "width": 140, "layout": "NHWC", "color": "rgb"}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(ModelError, match=r"its manifest says 64 x 140, its plate_config \[64, 128, 3\]"):
        open_models(upstream(recognizer=str(path)))


def test_a_manifest_that_states_another_size_than_the_file_is_refused(tmp_path):
    path = weights(tmp_path, UPSTREAM_DETECTOR)
    path.with_suffix(".yaml").write_text(
        f"{{name: own, task: detector, file: {path.name},"
        " input: {height: 256, width: 416, layout: NCHW, color: rgb}}",
        encoding="utf-8",
    )
    with pytest.raises(ModelError, match=r"it takes 416 x 416 pixels: use a YOLO .* of 256 x 416"):
        open_models(upstream(detector=str(path)))


def test_a_provider_that_loads_but_reads_wrongly_is_given_up_for_the_processor(monkeypatch, caplog):
    """No second provider can be installed beside this onnxruntime, so the first reading is made to fail."""
    checks = []

    def fails_first(reader: PlateReader) -> None:
        checks.append(reader.detector.provider)
        if len(checks) == 1:
            reader.detector.provider = "openvino"
            raise ModelError("read nonsense")
        self_check(reader)

    monkeypatch.setattr(pipeline, "self_check", fails_first)
    with caplog.at_level(logging.WARNING):
        models = open_models(upstream(provider="auto"))
    assert len(checks) == 2
    assert models.detector.provider == "cpu"
    assert "inference runs on the processor, not on openvino: read nonsense" in caplog.text
