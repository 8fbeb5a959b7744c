"""Turn checkpoints into the ONNX files that the pod loads.

`python -m models.training.export detector best.pt out.onnx` or `... reader best.pt out.onnx`.
"""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import onnxslim
import torch

from models.training import torchvision_stub
from models.training.slot_reader import HEIGHT_PX, WIDTH_PX, OnnxContract, SlotReader

DETECTOR_INPUT_PX = (320, 416)
OPSET = 17
LARGEST_DIFFERENCE = 1e-4


def export_detector(checkpoint: Path, target: Path) -> None:
    """A plain ultralytics export for a wide rectangle: input (1, 3, 320, 416), output (1, 5, anchors)."""
    os.environ["YOLO_OFFLINE"] = "1"
    os.environ["YOLO_AUTOINSTALL"] = "0"
    torchvision_stub.ensure()
    from ultralytics import YOLO

    made = YOLO(str(checkpoint)).export(
        format="onnx", imgsz=DETECTOR_INPUT_PX, simplify=True, opset=OPSET, nms=False, device="cpu"
    )
    shutil.move(made, target)


def export_reader(checkpoint: Path, target: Path) -> None:
    """The slot reader in fast-plate-ocr's contract.

    Raises:
        ValueError: the exported network answers otherwise than the trained one.
    """
    reader = SlotReader()
    reader.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    network = OnnxContract(reader.eval()).eval()
    sample = torch.randint(0, 255, (2, HEIGHT_PX, WIDTH_PX, 3), dtype=torch.uint8)
    torch.onnx.export(
        network,
        (sample,),
        str(target),
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
        opset_version=OPSET,
        dynamo=False,
    )
    onnxslim.slim(str(target), str(target))
    answer = onnxruntime.InferenceSession(str(target)).run(None, {"input": sample.numpy()})[0]
    difference = float(np.abs(answer - network(sample).detach().numpy()).max())
    if difference > LARGEST_DIFFERENCE:
        raise ValueError(f"{target}: differs from the trained network by {difference:.2g}: do not ship it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=("detector", "reader"))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    export = export_detector if options.model == "detector" else export_reader
    export(options.checkpoint, options.target)
    print(f"{options.target}: {options.target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
