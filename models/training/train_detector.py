"""Train the plate detector: `python -m models.training.train_detector PLATES_FOLDER RUN_FOLDER --epochs 16`.

Ultralytics does the work. On a processor, channels-last memory and bfloat16 double its rate. The same command
goes on from the last epoch's checkpoint.
"""

import argparse
import os
import shutil
from pathlib import Path

import torch
import yaml

from models.training import torchvision_stub

NETWORK = Path(__file__).with_name("yolo11-pico.yaml")
IMAGE_SIZE_PX = 416


def prepare_data(plates_folder: Path, run_folder: Path) -> Path:
    """A data set that ultralytics may write caches into: linked pictures, copied labels. Returns its YAML.

    Args:
        plates_folder: holds images/ and labels_snapped/, each with train/ and val/.
    """
    data = run_folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "images").exists():
        (data / "images").symlink_to((plates_folder / "images").absolute(), target_is_directory=True)
        shutil.copytree(plates_folder / "labels_snapped", data / "labels", copy_function=shutil.copyfile)
    description = data / "data.yaml"
    description.write_text(
        yaml.safe_dump(
            {
                "path": str(data.absolute()),
                "train": "images/train",
                "val": "images/val",
                "names": {0: "plate"},
            }
        )
    )
    return description


def train(plates_folder: Path, run_folder: Path, *, epochs: int) -> Path:
    """Train to the last epoch. Returns the best checkpoint."""
    os.environ["YOLO_OFFLINE"] = "1"
    os.environ["YOLO_AUTOINSTALL"] = "0"
    print(f"non-maximum suppression during validation: {torchvision_stub.ensure()}")
    from ultralytics import YOLO
    from ultralytics.engine import trainer

    run_folder = run_folder.absolute()
    last = run_folder / "detector" / "weights" / "last.pt"
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        trainer.autocast = lambda enabled, device="cpu": torch.autocast("cpu", dtype=torch.bfloat16)
    model = YOLO(str(last if last.exists() else NETWORK))
    if not on_gpu:
        model.add_callback("on_train_start", lambda t: t.model.to(memory_format=torch.channels_last))
    model.train(
        resume=last.exists(),
        data=str(prepare_data(plates_folder, run_folder)),
        project=str(run_folder),
        name="detector",
        exist_ok=True,
        device=0 if on_gpu else "cpu",
        amp=on_gpu,
        imgsz=IMAGE_SIZE_PX,
        batch=16,
        epochs=epochs,
        workers=0,
        cache="ram",
        optimizer="AdamW",
        lr0=0.002,
        lrf=0.02,
        momentum=0.9,
        cos_lr=True,
        warmup_epochs=1.0,
        warmup_bias_lr=0.0,
        close_mosaic=3,
        degrees=3.0,
        save_period=1,
        seed=0,
        plots=False,
        verbose=False,
    )
    return run_folder / "detector" / "weights" / "best.pt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plates_folder", type=Path, help="holds images/ and labels_snapped/")
    parser.add_argument(
        "run_folder", type=Path, help="where checkpoints go; an earlier run there is continued"
    )
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(train(options.plates_folder, options.run_folder, epochs=options.epochs))


if __name__ == "__main__":
    main()
