"""Train the plate recogniser: `python -m models.training.train_reader PLATES/ocr RUN --teacher X.onnx`.

The learning rate stays until the last epochs, in which it falls to a hundredth (Hägele et al., "Scaling laws
and compute-optimal training beyond fixed training durations", 2024). Each epoch leaves a checkpoint, and the
same command goes on from it; with more epochs than before, from the last one at the full rate. So a training
can be brought to an end at any time, and still be gone on with. `final.pt` are the averaged weights at the
end of that fall. Held-out and validation crops are read each epoch, and choose nothing: some hundred crops
picked the luckiest of many epochs at the full rate, which read less than the end did.
"""

import argparse
import copy
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.training.alphabet import decode
from models.training.augment import photograph
from models.training.crops import Crop, CropSet, Kind, how_often
from models.training.prepare_reader import prepare
from models.training.reader_schedule import Schedule
from models.training.reader_slices import exact_percent
from models.training.slot_reader import SlotReader
from models.training.views import inputs

WEIGHT_DECAY = 0.03
LABEL_SMOOTHING = 0.01
AVERAGE_DECAY = 0.998
EVALUATION_BATCH = 128
SHARES = {Kind.CROP: 0.62, Kind.CUT: 0.34, Kind.NOTHING: 0.04}
"""Of the real crops; what is drawn comes on top and takes from all alike."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run does; a checkpoint goes on only under the recipe it was made with, but for its length.

    Attributes:
        epoch_crops: crops between two checkpoints.
        drawn_share: drawn plates among all, 0..1.
    """

    learning_rate: float = 1.2e-3
    batch: int = 64
    epoch_crops: int = 12_800
    drawn_share: float = 0.4
    seed: int = 0


class Training:
    """One run: the network, its running average, the optimiser, and how far they are."""

    def __init__(self, recipe: Recipe, schedule: Schedule, sets: Sequence[CropSet]) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.schedule = schedule
        self.sets = sets
        shares = {kind: share * (1 - recipe.drawn_share) for kind, share in SHARES.items()}
        self._often = np.concatenate(how_often(sets, shares | {Kind.DRAWN: recipe.drawn_share}))
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = SlotReader().to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = _optimizer(self.network, recipe.learning_rate)
        self.epoch = 0
        self.step = 0

    def run_epoch(self) -> float:
        """Recipe.epoch_crops crops, drawn by weight. Returns the mean loss.

        Raises:
            FloatingPointError: the loss is no number any more.
        """
        seed = (self.recipe.seed, self.epoch)
        rng = random.Random(repr(seed))
        steps = max(1, self.recipe.epoch_crops // self.recipe.batch)
        drawn = np.random.default_rng(seed).choice(
            len(self._often), (steps, self.recipe.batch), p=self._often
        )
        self.network.train()
        total = 0.0
        for number, indices in enumerate(drawn):
            for group in self.optimizer.param_groups:
                rate = self.schedule.rate(self.epoch + number / steps, step=self.step)
                group["lr"] = self.recipe.learning_rate * rate
            crops = [self._crop(index) for index in indices]
            pictures = np.stack([photograph(crop.picture, crop.box, rng) for crop in crops])
            targets = torch.from_numpy(np.stack([crop.target for crop in crops])).to(self.device)
            total += self._learn(_to_tensor(pictures, self.device), targets)
        self.epoch += 1
        return total / steps

    def _crop(self, index: int) -> Crop:
        for part in self.sets:
            if index < len(part):
                return part[index]
            index -= len(part)
        raise IndexError(index)

    def _learn(self, pictures: Tensor, targets: Tensor) -> float:
        with torch.autocast(self.device, dtype=torch.bfloat16):
            logits = self.network(pictures)
        loss = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), targets.flatten(0, 1), label_smoothing=LABEL_SMOOTHING
        )
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"step {self.step}: the loss is {loss.item()}: go on from the last checkpoint at a lower rate"
            )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return float(loss.item())

    @torch.no_grad()
    def _update_average(self) -> None:
        """Follows quickly at first, while the weights are still far from where they go."""
        decay = min(AVERAGE_DECAY, self.step / (10 + self.step))
        news = self.network.state_dict()
        for name, kept in self.average.state_dict().items():
            if kept.dtype.is_floating_point:
                kept.lerp_(news[name], 1 - decay)
            else:
                kept.copy_(news[name])

    @torch.no_grad()
    def read(self, pictures: npt.NDArray[np.uint8]) -> list[str]:
        """Texts by the averaged network; `pictures` has shape (N, 64, 128, 3)."""
        texts: list[str] = []
        for start in range(0, len(pictures), EVALUATION_BATCH):
            logits = self.average(_to_tensor(pictures[start : start + EVALUATION_BATCH], self.device))
            texts += [decode(row) for row in logits.argmax(-1).cpu().numpy()]
        return texts

    def save(self, path: Path) -> None:
        """Written beside and moved over, so that a kill leaves the checkpoint before."""
        part = path.with_suffix(".part")
        progress = {"epoch": self.epoch, "step": self.step}
        torch.save(
            {
                "recipe": asdict(self.recipe),
                "schedule": asdict(self.schedule),
                "progress": progress,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
            part,
        )
        part.replace(path)

    def save_average(self, path: Path) -> None:
        """The weights that are exported, whole or not at all."""
        part = path.with_suffix(".part")
        torch.save(self.average.state_dict(), part)
        part.replace(path)

    def begin_with(self, path: Path) -> None:
        """Take over the weights of a finished run."""
        weights = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(weights)
        self.average.load_state_dict(weights)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint stopped.

        Raises:
            ValueError: it was made with another recipe.
        """
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise ValueError(
                f"{path}: made with {state['recipe']}: use the same options, or another run folder"
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = state["progress"]["epoch"], state["progress"]["step"]


def train(
    sets_folder: Path,
    run_folder: Path,
    recipe: Recipe,
    *,
    schedule: Schedule,
    start_from: Path | None = None,
) -> float:
    """Train to the end of the schedule. Returns how many of the held-out crops it then reads, in percent.

    Args:
        sets_folder: what `prepare` made.
        start_from: weights of an earlier run to begin with; a checkpoint in `run_folder` goes first.
    """
    cv2.setNumThreads(1)
    run_folder.mkdir(parents=True, exist_ok=True)
    sets = [CropSet(sets_folder / name) for name in ("train", "drawn") if (sets_folder / name).exists()]
    training = Training(recipe, schedule, sets)
    if (checkpoint := _checkpoint(run_folder, schedule)) is not None:
        training.resume(checkpoint)
    elif start_from is not None:
        training.begin_with(start_from)
    held_out, validation = CropSet(sets_folder / "held_out"), CropSet(sets_folder / "val")
    pictures = {"held_out": inputs(held_out), "val": inputs(validation)}
    while training.epoch < schedule.epochs:
        started_s = time.monotonic()
        loss = training.run_epoch()
        seconds = time.monotonic() - started_s
        found = exact_percent(held_out, training.read(pictures["held_out"]))
        if training.epoch == schedule.stable_epochs:
            training.save(run_folder / "stable.pt")
        training.save(run_folder / "last.pt")
        seen = exact_percent(validation, training.read(pictures["val"]))
        line = {
            "epoch": training.epoch,
            "seconds": round(seconds, 1),
            "crops_per_s": round(recipe.epoch_crops / seconds),
            "loss": round(loss, 4),
            "held_out_percent": found["all"],
            "val_percent": seen["all"],
            "val_kinds_percent": seen,
        }
        print(json.dumps(line), flush=True)
    training.save_average(run_folder / "final.pt")
    return exact_percent(held_out, training.read(pictures["held_out"]))["all"]


def _checkpoint(run_folder: Path, schedule: Schedule) -> Path | None:
    """Where to go on: the last checkpoint, or, where a shorter run ended, its last one at the full rate."""
    last, stable = run_folder / "last.pt", run_folder / "stable.pt"
    if not last.exists():
        return None
    made_for = Schedule(**torch.load(last, map_location="cpu", weights_only=True)["schedule"])
    return stable if made_for != schedule and stable.exists() else last


def _optimizer(network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)


def _to_tensor(pictures: npt.NDArray[np.uint8], device: str) -> Tensor:
    batch = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 255.0
    return batch.contiguous(memory_format=torch.channels_last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "crops_folder", type=Path, help="the folder ocr/ of the plates; detect/ lies beside it"
    )
    parser.add_argument("run_folder", type=Path, help="for sets and checkpoints; an earlier run goes on")
    parser.add_argument("--epochs", type=int, default=60, help=f"of {Recipe().epoch_crops} crops each")
    parser.add_argument("--teacher", type=Path, help="a recogniser's ONNX file to learn from, too")
    parser.add_argument("--drawn", type=int, default=0, help="how many plates to render and learn from")
    parser.add_argument("--limit", type=int, help="crops from each source, and in an epoch, for a drill")
    parser.add_argument("--start-from", type=Path, help="final.pt of an earlier run")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sets_folder = options.run_folder / "sets"
    made = prepare(
        options.crops_folder.parent,
        sets_folder,
        options.teacher,
        drawn=options.drawn,
        limit=options.limit,
    )
    print(json.dumps({"crops": made, "teacher": options.teacher and options.teacher.name}), flush=True)
    recipe = Recipe(
        drawn_share=Recipe().drawn_share if options.drawn else 0.0,
        epoch_crops=min(Recipe().epoch_crops, options.limit or Recipe().epoch_crops),
    )
    held_out_percent = train(
        sets_folder,
        options.run_folder,
        recipe,
        schedule=Schedule(options.epochs),
        start_from=options.start_from,
    )
    print(json.dumps({"held_out_percent": held_out_percent}))


if __name__ == "__main__":
    main()
