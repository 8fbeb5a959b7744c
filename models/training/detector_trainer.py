"""The detector's training loop: that of ultralytics, with grey and dark pictures, the learning rate of
`detector_schedule`, a line of JSON for each epoch, and the last checkpoint before the rate fell.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from ultralytics.engine import trainer as engine
from ultralytics.models.yolo.detect import DetectionTrainer

from models.training.detector_schedule import learning_rate_factor, stable_epochs

_GREY_SHARE = 0.15
_NIGHT_SHARE = 0.12
_AVERAGE_SHARE = 0.998
_LUMA = (0.299, 0.587, 0.114)


def trainer_for(run_folder: Path, *, on_gpu: bool) -> type[DetectionTrainer]:
    """The trainer of a run. On a processor, bfloat16 is used where ultralytics would use it on a GPU only.

    Args:
        run_folder: gets epochs.jsonl.
    """
    if not on_gpu:
        engine.autocast = lambda enabled, device="cpu": torch.autocast("cpu", dtype=torch.bfloat16)

    class PlateTrainer(DetectionTrainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.add_callback("on_train_start", _prepare)
            self.add_callback("on_train_epoch_start", _begin_epoch)
            self.add_callback("on_train_batch_start", _set_rate)
            self.add_callback("on_model_save", _keep_stable)
            self.add_callback("on_fit_epoch_end", lambda trainer: _tell(trainer, run_folder / "epochs.jsonl"))

        def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
            batch = super().preprocess_batch(batch)
            batch["img"] = darkened(batch["img"]).contiguous(memory_format=torch.channels_last)
            return batch

        def _setup_scheduler(self) -> None:
            self.lf = lambda epoch: learning_rate_factor(epoch, epochs=self.epochs)
            self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lr_lambda=self.lf)

    return PlateTrainer


def darkened(pictures: torch.Tensor) -> torch.Tensor:
    """Some of the pictures grey, as infrared cameras see, and some dark and noisy.

    Args:
        pictures: shape (N, 3, H, W), float32, RGB, 0..1; changed in place.
    """
    grey = torch.rand(len(pictures), device=pictures.device) < _GREY_SHARE
    luma = torch.tensor(_LUMA, device=pictures.device).view(1, 3, 1, 1)
    pictures[grey] = (pictures[grey] * luma).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    night = torch.rand(len(pictures)) < _NIGHT_SHARE
    for i in torch.nonzero(night).flatten().tolist():
        gamma, gain, noise = (
            float(torch.empty(1).uniform_(*r)) for r in ((1.2, 2.5), (0.35, 0.9), (0, 0.05))
        )
        dark = pictures[i] ** gamma * gain + torch.randn_like(pictures[i]) * noise
        pictures[i] = dark.clamp(0, 1)
    return pictures


def _prepare(trainer: Any) -> None:
    trainer.model.to(memory_format=torch.channels_last)
    trainer.ema.decay = _average_share


def _average_share(updates: int) -> float:
    """How much of the averaged weights an update keeps. The average of ultralytics needs some ten thousand
    updates to be one; until then the raw weights would be validated, which are noisy at the stable rate."""
    return min(_AVERAGE_SHARE, (1 + updates) / (10 + updates))


def _begin_epoch(trainer: Any) -> None:
    trainer.epoch_started_s = time.monotonic()
    trainer.batches_begun = 0


def _set_rate(trainer: Any) -> None:
    """The rate falls from batch to batch: in steps of an epoch, a short training would never see a low one.
    Batches of the warm-up get another one from ultralytics right after."""
    gone = trainer.epoch + trainer.batches_begun / len(trainer.train_loader)
    trainer.batches_begun += 1
    for group in trainer.optimizer.param_groups:
        group["lr"] = group["initial_lr"] * learning_rate_factor(gone, epochs=trainer.epochs)


def _keep_stable(trainer: Any) -> None:
    """Copies the checkpoint of every epoch before the rate falls over the one before, whole or not at all."""
    if trainer.epoch + 1 <= stable_epochs(trainer.epochs):
        part = trainer.last.with_name("stable.part")
        shutil.copyfile(trainer.last, part)
        part.replace(trainer.last.with_name("stable.pt"))


def _tell(trainer: Any, lines: Path) -> None:
    """Prints the line of an epoch and puts it into the file, in place of an earlier run's from there on."""
    if trainer.epoch >= trainer.epochs:
        return  # the best checkpoint is validated once more after the last epoch
    line = {
        "epoch": trainer.epoch + 1,
        "seconds": round(time.monotonic() - trainer.epoch_started_s, 1),
        "pictures": len(trainer.train_loader.dataset),
        "learning_rate": trainer.optimizer.param_groups[0]["lr"],
        "recall_percent": _percent(trainer.metrics["metrics/recall(B)"]),
        "precision_percent": _percent(trainer.metrics["metrics/precision(B)"]),
        "map50_percent": _percent(trainer.metrics["metrics/mAP50(B)"]),
    }
    print(json.dumps(line), flush=True)
    earlier = lines.read_text().splitlines() if lines.exists() else []
    told = [*(text for text in earlier if json.loads(text)["epoch"] < line["epoch"]), json.dumps(line)]
    part = lines.with_suffix(".part")
    part.write_text("".join(f"{text}\n" for text in told))
    part.replace(lines)


def _percent(share: float) -> float:
    return round(100 * float(share), 2)
