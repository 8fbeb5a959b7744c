"""Train the plate recogniser: `python -m models.training.train_reader CROPS_FOLDER RUN_FOLDER --epochs 30`.

One epoch of the 7,251 training crops takes 35 to 80 s on one core in bfloat16. Each leaves a checkpoint, and
the same command goes on from the last one. The averaged weights that read most of the validation crops end in
`best.pt`.
"""

import argparse
import copy
import json
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.training.crops import Crop, augment, decode, encode, load_crops, sampling_weights, to_input
from models.training.slot_reader import SlotReader
from models.training.synthetic import draw_crop

WARM_UP_STEPS = 300
WEIGHT_DECAY = 0.03
LABEL_SMOOTHING = 0.02
EMA_DECAY = 0.996
EVALUATION_BATCH = 128


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run does; a checkpoint resumes only under the recipe it was made with."""

    epochs: int
    batch: int = 64
    learning_rate: float = 2e-3
    synthetic_share: float = 0.0
    seed: int = 0


class Training:
    """One run: the network, its running average, the optimiser, and how far they are."""

    def __init__(self, recipe: Recipe, train: list[Crop]) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.train = train
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = SlotReader().to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = _optimizer(self.network, recipe.learning_rate)
        self.steps_an_epoch = max(1, len(train) // recipe.batch)
        self.epoch = 0
        self.step = 0
        self.best = 0.0

    def run_epoch(self) -> float:
        """As many crops as the set has, drawn by weight. Returns the mean loss."""
        seed = (self.recipe.seed, self.epoch)
        rng = random.Random(repr(seed))
        drawn = np.random.default_rng(seed).choice(
            len(self.train), (self.steps_an_epoch, self.recipe.batch), p=sampling_weights(self.train)
        )
        self.network.train()
        total = 0.0
        for indices in drawn:
            crops = [
                draw_crop(rng) if rng.random() < self.recipe.synthetic_share else self.train[i]
                for i in indices
            ]
            pictures = np.stack([augment(crop.picture, rng) for crop in crops])
            texts = torch.tensor([encode(crop.text) for crop in crops], device=self.device)
            total += self._learn(_to_tensor(pictures, self.device), texts)
        self.epoch += 1
        return total / self.steps_an_epoch

    def _learn(self, pictures: Tensor, texts: Tensor) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        with torch.autocast(self.device, dtype=torch.bfloat16):
            logits = self.network(pictures)
        loss = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), texts.flatten(), label_smoothing=LABEL_SMOOTHING
        )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return float(loss.item())

    def _learning_rate(self) -> float:
        """Linear warm-up, then a cosine down to 1 % of the peak."""
        peak, total = self.recipe.learning_rate, self.recipe.epochs * self.steps_an_epoch
        if self.step < WARM_UP_STEPS:
            return peak * (self.step + 1) / WARM_UP_STEPS
        done = (self.step - WARM_UP_STEPS) / max(1, total - WARM_UP_STEPS)
        return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
        for kept, new in pairs:
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)

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
        progress = {"epoch": self.epoch, "step": self.step, "best": self.best}
        torch.save(
            {
                "recipe": asdict(self.recipe),
                "progress": progress,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
            part,
        )
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
        self.epoch, self.step, self.best = (state["progress"][k] for k in ("epoch", "step", "best"))


def train(crops_folder: Path, run_folder: Path, recipe: Recipe, *, start_from: Path | None = None) -> float:
    """Train to the end of the recipe. Returns the best share of validation crops read exactly.

    Args:
        start_from: weights of an earlier run to begin with; a checkpoint in `run_folder` goes first.
    """
    cv2.setNumThreads(1)
    run_folder.mkdir(parents=True, exist_ok=True)
    training = Training(recipe, load_crops(crops_folder, "train.csv"))
    if (run_folder / "last.pt").exists():
        training.resume(run_folder / "last.pt")
    elif start_from is not None:
        training.begin_with(start_from)
    validation = load_crops(crops_folder, "val.csv")
    pictures = np.stack([to_input(crop.picture) for crop in validation])
    while training.epoch < recipe.epochs:
        started_s = time.monotonic()
        loss = training.run_epoch()
        exact = [text == crop.text for text, crop in zip(training.read(pictures), validation, strict=True)]
        share = sum(exact) / len(exact)
        if share >= training.best:
            training.best = share
            torch.save(training.average.state_dict(), run_folder / "best.pt")
        training.save(run_folder / "last.pt")
        line = {
            "epoch": training.epoch,
            "loss": round(loss, 4),
            "exact": round(share, 4),
            "seconds": round(time.monotonic() - started_s),
        }
        print(json.dumps(line), flush=True)
    return training.best


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
    parser.add_argument("crops_folder", type=Path, help="the folder with train.csv and val.csv")
    parser.add_argument(
        "run_folder", type=Path, help="where checkpoints go; an earlier run there is continued"
    )
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--synthetic-share", type=float, default=0.0, help="drawn plates among all, 0 to 1")
    parser.add_argument("--start-from", type=Path, help="best.pt of an earlier run")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = Recipe(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        synthetic_share=options.synthetic_share,
    )
    best = train(options.crops_folder, options.run_folder, recipe, start_from=options.start_from)
    print(json.dumps({"best_exact": round(best, 4)}))


if __name__ == "__main__":
    main()
