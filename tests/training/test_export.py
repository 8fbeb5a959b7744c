"""What is exported answers as the trained network did, in half the bytes, and is the same file every time."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from models.training import export, half_weights
from models.training.equality import ExportError
from models.training.slot_reader import OnnxContract, SlotReader


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0)
    for number in range(6):
        picture = noise.integers(0, 255, (40 + 10 * number, 90, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network that was never trained, but is sure of something."""
    torch.manual_seed(0)
    network = SlotReader()
    with torch.no_grad():
        network.head.weight.mul_(30)
    path = tmp_path_factory.mktemp("reader") / "best.pt"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def exported(reader: Path, pictures: Path) -> Path:
    target = reader.with_name("reader.onnx")
    export.export_reader(reader, target, pictures=pictures, temperature=1.5)
    return target


def answer(file: Path, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(onnxruntime.InferenceSession(str(file)).run(["plate"], {"input": crops})[0])


def test_the_same_checkpoint_gives_the_same_bytes(reader: Path, exported: Path, pictures: Path) -> None:
    again = reader.with_name("again.onnx")
    export.export_reader(reader, again, pictures=pictures, temperature=1.5)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(exported.read_bytes()).digest()


def test_an_exported_reader_is_half_as_large_as_its_weights(reader: Path, exported: Path) -> None:
    assert exported.stat().st_size < 0.6 * reader.stat().st_size


def test_the_temperature_is_in_the_file(reader: Path, exported: Path) -> None:
    network = SlotReader()
    network.load_state_dict(torch.load(reader, weights_only=True))
    crops = np.random.default_rng(1).integers(0, 255, (3, 64, 128, 3), dtype=np.uint8)
    with torch.no_grad():
        cooled = OnnxContract(network.eval(), temperature=1.5)(torch.from_numpy(crops)).numpy()
        plain = OnnxContract(network.eval())(torch.from_numpy(crops)).numpy()
    assert np.abs(answer(exported, crops) - cooled).max() < 0.01
    assert np.abs(answer(exported, crops) - plain).max() > 0.05


def test_a_file_says_nothing_of_the_day_or_the_machine_it_was_made_on(exported: Path) -> None:
    model = onnx.load(str(exported))
    assert not model.metadata_props
    assert (model.producer_name, model.producer_version) == ("platebridge", "")
    assert (model.ir_version, [o.version for o in model.opset_import]) == (8, [17])
    assert str(exported.parent).encode() not in exported.read_bytes()


def test_a_cast_that_spoils_the_weights_is_refused(
    reader: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiling(model: onnx.ModelProto) -> onnx.ModelProto:
        halved = half_weights.with_half_weights(model)
        for initializer in halved.graph.initializer:
            if initializer.name.endswith("_half"):
                values = numpy_helper.to_array(initializer)
                initializer.CopyFrom(numpy_helper.from_array(values + np.float16(0.1), initializer.name))
        return halved

    monkeypatch.setattr(export, "with_half_weights", spoiling)
    target = reader.with_name("spoiled.onnx")
    with pytest.raises(ExportError, match=r"differs from the trained network by [\d.]+ .*do not ship it"):
        export.export_reader(reader, target, pictures=pictures)
    assert [file.name for file in target.parent.glob("*spoiled*")] == []


def test_weights_that_no_float16_holds_are_refused(reader: Path, pictures: Path, tmp_path: Path) -> None:
    weights = torch.load(reader, weights_only=True)
    weights["head.weight"][0, 0] = 1e9
    torch.save(weights, tmp_path / "huge.pt")
    with pytest.raises(ExportError, match=r"weight over 65504 or none at all: the training failed"):
        export.export_reader(tmp_path / "huge.pt", tmp_path / "huge.onnx", pictures=pictures)


@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", None], ids=["empty", "other-file", "another-network"]
)
def test_a_checkpoint_of_something_else_is_named(
    content: bytes | None, pictures: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "best.pt"
    if content is None:
        torch.save({"weight": torch.zeros(3)}, checkpoint)
    else:
        checkpoint.write_bytes(content)
    with pytest.raises(ExportError, match=r"best\.pt: no checkpoint of today's reader"):
        export.export_reader(checkpoint, tmp_path / "reader.onnx", pictures=pictures)


def test_a_folder_without_pictures_proves_nothing(reader: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"holds no picture to prove the export with"):
        export.export_reader(reader, tmp_path / "reader.onnx", pictures=tmp_path)


@pytest.mark.parametrize("size_px", [(320, 400), (0, 416), (-32, 416)], ids=str)
def test_a_size_that_the_network_cannot_take_is_refused(
    size_px: tuple[int, int], pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"32 must divide both sides"):
        export.export_detector(tmp_path / "x.pt", tmp_path / "x.onnx", pictures=pictures, size_px=size_px)


def test_large_weights_become_halves_and_small_ones_stay() -> None:
    large, small = np.full((32, 32), 0.1, np.float32), np.full(8, 0.1, np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "large"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [32, 32])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [32, 32])],
        [numpy_helper.from_array(large, "large"), numpy_helper.from_array(small, "small")],
    )
    halved = half_weights.with_half_weights(onnx.helper.make_model(graph))
    kept = {i.name: numpy_helper.to_array(i).dtype for i in halved.graph.initializer}
    assert kept == {"large_half": np.dtype(np.float16), "small": np.dtype(np.float32)}
    assert [node.op_type for node in halved.graph.node] == ["Cast", "Add"]
