"""Train the plate detector: `python -m models.training.train_detector PLATES_FOLDER RUN_FOLDER --epochs 60`.

Ultralytics does the work. On a processor, channels-last memory and bfloat16 double its rate. The learning
rate stays for three quarters of the epochs, then falls to a hundredth. The same command goes on from the last
epoch's checkpoint; with another number of epochs, from the last one before the rate fell: so a training can
be brought to its end early, and still be gone on with.

RUN_FOLDER/epochs.jsonl gets a line for each epoch, which is printed, too: epoch (from 1), seconds (validation
included), pictures, learning_rate, and of the validation pictures, at the training's square size,
recall_percent, precision_percent (both at the confidence of the best F1) and map50_percent.
RUN_FOLDER/detector/weights/best.pt is the checkpoint to export.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from models.training import torchvision_stub
from models.training.detector_data import prepare_data
from models.training.detector_schedule import Checkpoint, epochs_without_mosaic, goes_on_from

NETWORK = Path(__file__).with_name("yolo11-pico.yaml")
IMAGE_SIZE_PX = 416
LEARNING_RATE = 7e-4


@dataclass(frozen=True, slots=True)
class DetectorData:
    """What `detector_data.prepare_data` is to make of the pictures.

    Attributes:
        passes: what an earlier detector made of the training pictures; None: every picture comes once.
        pasted, drawn: how many pictures to make by pasting.
    """

    passes: Path | None = None
    pasted: int = 0
    drawn: int = 0


def train(
    plates_folder: Path,
    run_folder: Path,
    *,
    epochs: int,
    side_px: int = IMAGE_SIZE_PX,
    start: Path | None = None,
    data: DetectorData | None = None,
) -> Path:
    """Train to the last epoch. Returns the best checkpoint.

    Args:
        side_px: the longer side of the pictures; 32 divides it.
        start: a checkpoint whose weights a new run begins with; None: chance.
    """
    os.environ["YOLO_OFFLINE"] = "1"
    os.environ["YOLO_AUTOINSTALL"] = "0"
    print(f"non-maximum suppression during validation: {torchvision_stub.ensure()}")
    from ultralytics import YOLO

    from models.training.detector_trainer import trainer_for

    run_folder = run_folder.absolute()
    weights = run_folder / "detector" / "weights"
    resumed = _resumed(weights, epochs=epochs)
    data = data or DetectorData()
    description = run_folder / "data" / "data.yaml"
    if resumed is None or not description.exists():
        description = prepare_data(
            plates_folder, run_folder, passes=data.passes, pasted=data.pasted, drawn=data.drawn
        )
    on_gpu = torch.cuda.is_available()
    model = YOLO(str(resumed or NETWORK))
    if resumed is None and start is not None:
        model.load(start)
    model.train(
        trainer=trainer_for(run_folder, on_gpu=on_gpu),
        resume=resumed is not None,
        data=str(description),
        project=str(run_folder),
        name="detector",
        exist_ok=True,
        device=0 if on_gpu else "cpu",
        amp=on_gpu,
        imgsz=side_px,
        batch=16,
        nbs=16,  # the usual 64 would gather four batches for a step: a quarter of the steps in the same time
        epochs=epochs,
        patience=epochs,
        workers=0,
        cache="ram",
        optimizer="AdamW",
        lr0=LEARNING_RATE,
        momentum=0.9,
        warmup_epochs=0.5,
        warmup_bias_lr=0.0,
        close_mosaic=epochs_without_mosaic(epochs),
        degrees=6.0,
        scale=0.7,
        hsv_v=0.5,
        save_period=-1,
        seed=0,
        plots=False,
        verbose=False,
    )
    return weights / "best.pt"


def _resumed(weights: Path, *, epochs: int) -> Path | None:
    """The checkpoint to go on from, told how many epochs are wanted now."""
    files = {name: weights / f"{name}.pt" for name in ("last", "stable")}
    known = {name: _checkpoint(file) for name, file in files.items()}
    chosen = goes_on_from(epochs, last=known["last"], stable=known["stable"])
    if chosen is None:
        return None
    if chosen == "stable":
        content = torch.load(files["stable"], map_location="cpu", weights_only=False)
        content["train_args"] |= {"epochs": epochs, "close_mosaic": epochs_without_mosaic(epochs)}
        part = files["last"].with_suffix(".part")
        torch.save(content, part)
        part.replace(files["last"])
    return files["last"]


def _checkpoint(file: Path) -> Checkpoint | None:
    if not file.exists():
        return None
    # The pickle is a checkpoint that this training wrote into its own run folder.
    content = torch.load(file, map_location="cpu", weights_only=False)
    return Checkpoint(done=content["epoch"] + 1, planned=content["train_args"]["epochs"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plates_folder", type=Path, help="holds images/ and labels_snapped/")
    parser.add_argument(
        "run_folder", type=Path, help="where checkpoints go; an earlier run there is continued"
    )
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side-px", type=int, default=IMAGE_SIZE_PX, help="longer side of the pictures")
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights a new run begins with")
    parser.add_argument("--passes", type=Path, help="what a network made of the training pictures")
    parser.add_argument("--pasted", type=int, default=0, help="pictures with small pasted plates")
    parser.add_argument("--drawn", type=int, default=0, help="pictures with drawn plates")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    best = train(
        options.plates_folder,
        options.run_folder,
        epochs=options.epochs,
        side_px=options.side_px,
        start=options.start,
        data=DetectorData(options.passes, options.pasted, options.drawn),
    )
    print(best)


if __name__ == "__main__":
    main()
