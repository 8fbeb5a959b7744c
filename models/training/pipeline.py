"""From pictures to weights and cards: what `scripts/train.sh` runs, each stage once for what it depends on.

Kill it anywhere and start it again: what is done stays done, a training goes on from its last checkpoint.
"""

import argparse
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from models.training import command, machine, plates_set
from models.training.recipe import RECIPES, Recipe
from models.training.stages import Stage, StageError, run_stages, sha256_of

ROOT = Path(__file__).parents[2]
DEFAULT_PLATES = ROOT.parent / "shared" / "plates"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the pipeline.

    Attributes:
        plates: the set, whole; `work`: where everything goes.
        version: the end of the new models' names.
        checkpoints: of a task ("detector", "reader"), where it was trained before; such a one is not trained.
        gpu: the name of the GPU in use; None: the processor.
    """

    plates: Path
    work: Path
    recipe: Recipe
    version: str
    checkpoints: Mapping[str, Path]
    gpu: str | None
    say: Callable[[str], None]

    @property
    def used_plates(self) -> Path:
        """The set that is trained on: the whole one, or the small part of a drill."""
        return self.plates if self.recipe.part is None else self.work / "plates"

    @property
    def listing(self) -> Path:
        return self.work / "listing.json"

    def checkpoint(self, task: str) -> Path:
        return self.work / "checkpoints" / f"{task}.pt"

    def name(self, task: str) -> str:
        """Of the new model."""
        stem = {"detector": "plate-detector-pico", "reader": "plate-reader-slots"}[task]
        return f"{stem}-{self.version}"

    def model(self, task: str) -> Path:
        return self.work / "models" / f"{self.name(task)}.onnx"

    def call(
        self, name: str, *arguments: str | Path, epochs: int | None = None, output: Path | None = None
    ) -> None:
        """Run a module of the training, or a program, in a process of its own."""
        command.run(
            [str(argument) for argument in arguments],
            self.work / "logs" / f"{name}.log",
            environment=_quiet(self.work),
            say=self.say,
            name=name,
            epochs=epochs,
            output=output,
        )

    def call_module(self, name: str, module: str, *arguments: str | Path, epochs: int | None = None) -> None:
        self.call(name, sys.executable, "-u", "-m", f"models.training.{module}", *arguments, epochs=epochs)


def stages(run: Run) -> list[Stage]:
    """All of them, in order; each asks for its inputs when its turn comes."""
    recipe, models = run.recipe, (run.model("detector"), run.model("reader"))
    return [
        Stage(
            "data",
            f"looking through the pictures in {run.plates}",
            lambda: {"recipe": asdict(recipe)["part"], "plates": asdict(plates_set.check(run.plates))},
            (run.listing,),
            lambda: _data(run),
        ),
        _training(run, "detector", recipe.detector_epochs, {"side_px": recipe.detector_side_px}),
        _training(run, "reader", recipe.reader_epochs, {}),
        Stage(
            "export",
            "writing both networks as ONNX and comparing their answers",
            lambda: {
                "checkpoints": _hashes(run.checkpoint("detector"), run.checkpoint("reader")),
                "input_px": recipe.detector_input_px,
                "name": run.name("detector"),
            },
            (models[0], run.work / "uncalibrated" / "reader.onnx"),
            lambda: _export(run),
        ),
        Stage(
            "calibration",
            "fitting the reader's temperature on crops that it was not trained on",
            lambda: (
                {"reader": _hashes(run.work / "uncalibrated" / "reader.onnx"), "data": _hashes(run.listing)}
                | {"name": run.name("reader")}
            ),
            (models[1], run.work / "calibration.json"),
            lambda: _calibrate(run),
        ),
        Stage(
            "evaluation",
            "reading the validation pictures",
            lambda: {"models": _hashes(*models), "data": _hashes(run.listing)},
            (run.work / "results" / "evaluation.json",),
            lambda: _evaluate(run),
        ),
    ]


def _training(run: Run, task: str, epochs: int, options: dict[str, object]) -> Stage:
    checkpoint, given = run.checkpoint(task), run.checkpoints.get(task)
    if given is not None:
        return Stage(
            task,
            f"taking {given} as it is",
            lambda: {"given": _hashes(given)},
            (checkpoint,),
            lambda: _copy(given, checkpoint),
        )
    digest = "detect_digest" if task == "detector" else "ocr_digest"
    return Stage(
        task,
        f"training the {task}, {epochs} epochs",
        lambda: {"epochs": epochs, "data": json.loads(run.listing.read_text())[digest]} | options,
        (checkpoint,),
        lambda: {"detector": _train_detector, "reader": _train_reader}[task](run),
    )


def _data(run: Run) -> None:
    if run.recipe.part is not None:
        plates_set.take(run.plates, run.used_plates, run.recipe.part)
    listing = plates_set.check(run.used_plates)
    run.say(f"      {listing.pictures} pictures with {listing.boxes} plates, {listing.crops} crops")
    run.listing.write_text(json.dumps(asdict(listing), indent=1))


def _run_folder(run: Run, task: str) -> Path:
    """One for each recipe and data set: a changed one begins anew and leaves the old run where it was."""
    epochs = run.recipe.detector_epochs if task == "detector" else run.recipe.reader_epochs
    digest = json.loads(run.listing.read_text())["detect_digest" if task == "detector" else "ocr_digest"]
    return run.work / "runs" / f"{task}-{epochs}-epochs-{digest[:8]}"


def _train_detector(run: Run) -> None:
    folder = _run_folder(run, "detector")
    run.call_module(
        "detector",
        "train_detector",
        run.used_plates / "detect",
        folder,
        "--epochs",
        str(run.recipe.detector_epochs),
        "--threads",
        str(machine.cores()),
        epochs=run.recipe.detector_epochs,
    )
    _copy(folder / "detector" / "weights" / "best.pt", run.checkpoint("detector"))


def _train_reader(run: Run) -> None:
    folder = _run_folder(run, "reader")
    run.call_module(
        "reader",
        "train_reader",
        run.used_plates / "ocr",
        folder,
        "--epochs",
        str(run.recipe.reader_epochs),
        "--threads",
        str(machine.cores()),
        epochs=run.recipe.reader_epochs,
    )
    _copy(folder / "best.pt", run.checkpoint("reader"))


def _export(run: Run) -> None:
    for folder in (run.work / "models", run.work / "uncalibrated"):
        folder.mkdir(exist_ok=True)
    height, width = run.recipe.detector_input_px
    run.call_module(
        "export-detector", "export", "detector", run.checkpoint("detector"), run.model("detector"),
        "--size", f"{height}x{width}", "--pictures", run.used_plates / "detect" / "images" / "val",
    )  # fmt: skip
    run.call_module(
        "export-reader", "export", "reader", run.checkpoint("reader"),
        run.work / "uncalibrated" / "reader.onnx", "--pictures", run.used_plates / "ocr",
    )  # fmt: skip


def _calibrate(run: Run) -> None:
    run.call_module(
        "calibration", "calibrate_reader", run.work / "uncalibrated" / "reader.onnx",
        run.used_plates / "ocr", run.work / "calibration.json",
    )  # fmt: skip
    temperature = json.loads((run.work / "calibration.json").read_text())["temperature"]
    run.call_module(
        "export-calibrated", "export", "reader", run.checkpoint("reader"), run.model("reader"),
        "--temperature", str(temperature), "--pictures", run.used_plates / "ocr",
    )  # fmt: skip


def _evaluate(run: Run) -> None:
    results = run.work / "results"
    results.mkdir(exist_ok=True)
    platebridge = Path(sys.executable).with_name("platebridge")
    run.call(
        "evaluation", platebridge, "models", "eval", run.used_plates, "--detector", run.model("detector"),
        "--recognizer", run.model("reader"), "--json", output=results / "evaluation.json",
    )  # fmt: skip


def _hashes(*files: Path) -> dict[str, str]:
    return {file.name: sha256_of(file) for file in files}


def _copy(original: Path, target: Path) -> None:
    """Whole or not at all."""
    if not original.is_file():
        raise StageError(
            f"{original}: the training ended without it: its log is in the folder logs beside runs"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    shutil.copyfile(original, part)
    part.replace(target)


def _quiet(work: Path) -> dict[str, str]:
    """Keep ultralytics and matplotlib from the network and from the home directory."""
    settings = work / "settings"
    settings.mkdir(exist_ok=True)
    return {
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "YOLO_CONFIG_DIR": str(settings),
        "MPLCONFIGDIR": str(settings),
        "XDG_CACHE_HOME": str(settings),
        "TORCH_HOME": str(settings),
        "PYTHONPATH": str(ROOT),
    }


def _alone(work: Path) -> object:
    """Hold the work folder for this process; the lock goes when it ends, however it ends.

    Raises:
        StageError: another process holds it.
    """
    lock = (work / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise StageError(
            f"{work}: another training runs there (process {lock.read().strip()}): wait for it, or stop it "
            "with kill"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/train.sh", description=__doc__)
    parser.add_argument("--plates", type=Path, default=DEFAULT_PLATES, help="the pictures: detect/ and ocr/")
    parser.add_argument("--work", type=Path, help="checkpoints and results; .train/ and the recipe's name")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--smoke", dest="recipe", action="store_const", const="smoke", default="full",
                       help="a drill of three minutes through all stages")  # fmt: skip
    scale.add_argument("--one-step", dest="recipe", action="store_const", const="one-step",
                       help="each stage once, in half a minute")  # fmt: skip
    parser.add_argument("--version", help="the end of the new models' names, like v1")
    parser.add_argument("--detector", type=Path, metavar="CHECKPOINT", help="take this one and train none")
    parser.add_argument("--reader", type=Path, metavar="CHECKPOINT", help="take this one and train none")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    recipe = RECIPES[options.recipe]
    work = (options.work or ROOT / ".train" / recipe.name).absolute()
    started_s = time.monotonic()
    try:
        work.mkdir(parents=True, exist_ok=True)
        kept = _alone(work)
        machine.need(work, disk_gib=recipe.disk_gib, memory_gib=recipe.memory_gib)
        gpu = machine.gpu()
        _say(f"recipe {recipe.name}: {recipe.about}")
        _say(
            f"trains on {'the GPU ' + gpu if gpu else f'{machine.cores()} processor cores; no GPU was found'}"
        )
        given = {task: path for task in ("detector", "reader") if (path := getattr(options, task))}
        run = Run(options.plates.absolute(), work, recipe, options.version or recipe.name, given, gpu, _say)
        run_stages(stages(run), work / "stamps", _say)
    except (StageError, machine.MachineError, plates_set.DataError, OSError) as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        return 130
    del kept
    _say(f"done in {time.monotonic() - started_s:.0f} s")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
