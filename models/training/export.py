"""Turn checkpoints into the ONNX files that the pod loads, and prove that they answer alike.

`python -m models.training.export detector best.pt out.onnx --pictures DIR --size 320x416` or
`... reader best.pt out.onnx --pictures DIR --temperature 1.2`. The same checkpoint gives the same bytes:
what a tool writes of the day, the machine and itself is taken out. Nothing is written unless the proof holds.
"""

import argparse
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxslim
import torch

from models.training import torchvision_stub
from models.training.equality import Equality, ExportError, compare_detectors, compare_readers, prove
from models.training.half_weights import with_half_weights
from models.training.slot_reader import HEIGHT_PX, WIDTH_PX, OnnxContract, SlotReader

DETECTOR_INPUT_PX = (320, 416)
"""Height and width."""
OPSET, IR_VERSION = 17, 8
"""What onnxruntime has read since 1.11."""
MOST_PICTURES = 1000
_GREY = 114
_BATCH = 32

Batch = npt.NDArray[np.generic]
Size = tuple[int, int]


def export_detector(
    checkpoint: Path, target: Path, *, pictures: Path, size_px: Size = DETECTOR_INPUT_PX
) -> Equality:
    """A plain ultralytics network for one rectangle: input (1, 3, height, width), output (1, 5, anchors).

    Args:
        pictures: a folder of pictures to prove the file with.
        size_px: height and width; 32 divides both.

    Raises:
        ExportError: the checkpoint is none, or the file answers otherwise than the trained network.
    """
    if any(side % 32 or side <= 0 for side in size_px):
        raise ExportError(f"{size_px[0]}x{size_px[1]}: 32 must divide both sides of the detector's input")
    files = _picture_files(pictures)
    torchvision_stub.ensure()
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        copy = Path(folder) / "network.pt"
        shutil.copyfile(checkpoint, copy)
        try:
            yolo = YOLO(str(copy))
        except Exception as error:  # whatever unpickling a file of somebody's meets
            raise ExportError(f"{checkpoint}: no checkpoint of a detector ({error})") from error
        made = yolo.export(
            format="onnx", imgsz=size_px, simplify=True, opset=OPSET, nms=False, device="cpu", verbose=False
        )
        part = _compact(Path(made), target)
        trained = YOLO(str(copy)).model.float().fuse().eval()

        @torch.no_grad()
        def run(batch: Batch) -> npt.NDArray[np.float32]:
            answer = trained(torch.from_numpy(batch))
            return np.asarray(answer[0] if isinstance(answer, tuple) else answer, np.float32)

        batches = (_letterboxed(picture, size_px) for picture in _pictures(files))
        return _proven(run, part, target, batches, compare_detectors)


def export_reader(checkpoint: Path, target: Path, *, pictures: Path, temperature: float = 1.0) -> Equality:
    """The slot reader in fast-plate-ocr's contract, its probabilities calibrated by `temperature`.

    Args:
        pictures: a folder of crops to prove the file with.

    Raises:
        ExportError: the checkpoint is of another network, or the file answers otherwise than it.
    """
    if not 0.05 <= temperature <= 20:
        raise ExportError(f"temperature {temperature:g}: no calibration gives less than 0.05 or more than 20")
    files = _picture_files(pictures)
    reader = SlotReader()
    try:
        reader.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever unpickling a file of somebody's meets
        raise ExportError(f"{checkpoint}: no checkpoint of today's reader ({error})") from error
    network = OnnxContract(reader.eval(), temperature=temperature).eval()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(2, HEIGHT_PX, WIDTH_PX, 3, dtype=torch.uint8),),
            str(made),
            input_names=["input"],
            output_names=["plate"],
            dynamic_axes={"input": {0: "n"}, "plate": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
        onnxslim.slim(str(made), str(made))
        part = _compact(made, target)

        @torch.no_grad()
        def run(batch: Batch) -> npt.NDArray[np.float32]:
            return np.asarray(network(torch.from_numpy(batch)), np.float32)

        return _proven(run, part, target, _crops(files), compare_readers)


def _compact(made: Path, target: Path) -> Path:
    """What a tool exported, with half its bytes and nothing of the day it was made on; beside the target."""
    model = with_half_weights(onnx.load(str(made)))
    del model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "platebridge", "", ""
    model.graph.name, model.graph.doc_string = "plate", ""
    model.ir_version = IR_VERSION
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model)
    part = target.with_name(f"{target.stem}.part.onnx")
    part.write_bytes(model.SerializeToString(deterministic=True))
    return part


def _proven(
    trained: Callable[[Batch], npt.NDArray[np.float32]],
    part: Path,
    target: Path,
    batches: Iterable[Batch],
    compare: Callable[..., Equality],
) -> Equality:
    """Moves the file to its place once it has proved itself; takes it away otherwise."""
    try:
        equality = prove(trained, part, batches, compare)
    except ExportError:
        part.unlink()
        raise
    part.replace(target)
    return equality


def _picture_files(folder: Path) -> list[Path]:
    """Where the pictures of a folder are, by name; they are read one after the other, when they are compared.

    Raises:
        ExportError: there is none.
    """
    files = [file for file in sorted(folder.rglob("*"))[:MOST_PICTURES] if file.is_file()]
    readable = [file for file in files if cv2.haveImageReader(str(file))]
    if not readable:
        raise ExportError(f"{folder}: holds no picture to prove the export with: name a folder that does")
    return readable


def _pictures(files: Iterable[Path]) -> Iterator[npt.NDArray[np.uint8]]:
    """RGB pictures; what turns out to be none is passed over."""
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        if picture is not None:
            yield np.asarray(picture, np.uint8)


def _crops(files: Iterable[Path]) -> Iterator[Batch]:
    """Shape (n, HEIGHT_PX, WIDTH_PX, 3), n at most `_BATCH`."""
    resized = (cv2.resize(picture, (WIDTH_PX, HEIGHT_PX)) for picture in _pictures(files))
    while some := list(itertools.islice(resized, _BATCH)):
        yield np.stack(some)


def _letterboxed(picture: npt.NDArray[np.uint8], size_px: Size) -> Batch:
    """Shape (1, 3, height, width), float32, RGB in [0, 1], the rest grey."""
    height, width = size_px
    scale = min(height / picture.shape[0], width / picture.shape[1])
    small = cv2.resize(
        picture, (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    )
    framed = np.full((height, width, 3), _GREY, np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    framed[top : top + small.shape[0], left : left + small.shape[1]] = small
    return np.ascontiguousarray(framed.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def size_of(text: str) -> Size:
    """Height and width from "320x416".

    Raises:
        argparse.ArgumentTypeError: it reads otherwise.
    """
    height, times, width = text.partition("x")
    if not (times and height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}': write height and width like 320x416")
    return int(height), int(width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=("detector", "reader"))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--pictures", type=Path, required=True, help="a folder to prove the export with")
    parser.add_argument("--size", type=size_of, default=DETECTOR_INPUT_PX, help="of the detector's input")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the reader's probabilities")
    options = parser.parse_args()
    os.environ |= {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
    if options.model == "detector":
        equality = export_detector(
            options.checkpoint, options.target, pictures=options.pictures, size_px=options.size
        )
    else:
        equality = export_reader(
            options.checkpoint, options.target, pictures=options.pictures, temperature=options.temperature
        )
    print(json.dumps({"bytes": options.target.stat().st_size} | asdict(equality)))


if __name__ == "__main__":
    main()
