"""Which stages lead from pictures to weights and cards, what each depends on, and how it is done."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from models.training import card, command, machine, plates_set, release
from models.training.alphabet import HEIGHT_PX, WIDTH_PX
from models.training.recipe import Recipe
from models.training.results import (
    EVALUATION,
    FALSE_OPENS,
    FALSE_OPENS_TEXT,
    PLACE_OF_PICTURES,
    TASKS,
    Task,
)
from models.training.stages import Stage, StageError, fingerprint, sha256_of

ROOT = Path(__file__).parents[2]
TEACHER = "cct_xs_v2_global.onnx"
STEMS: dict[Task, str] = {"detector": "plate-detector-pico", "reader": "plate-reader-slots"}
README = ROOT / "models" / "README.md"
_TRAINING = Path(__file__).parent
FACTS = _TRAINING / "card_facts.yaml"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the pipeline.

    Attributes:
        plates: the set, whole; `work`: where everything goes.
        version: the end of the new models' names.
        checkpoints: by task, where it was trained before; such a one is not trained.
        logs: by task, the lines of JSON of such a training.
        gpu: the name of the GPU in use; None: the processor.
    """

    plates: Path
    work: Path
    recipe: Recipe
    version: str
    checkpoints: Mapping[Task, Path]
    logs: Mapping[Task, Path]
    gpu: str | None
    say: Callable[[str], None]

    @property
    def used_plates(self) -> Path:
        """The set that is trained on: the whole one, or the small part of a drill."""
        return self.plates if self.recipe.part is None else self.work / "plates"

    @property
    def listing(self) -> Path:
        return self.work / "listing.json"

    @property
    def results(self) -> Path:
        return self.work / "results"

    @property
    def release(self) -> Path:
        """What belongs into the repository, at the same places as there."""
        return self.work / "release"

    @property
    def teacher(self) -> Path | None:
        """The network that the reader learns from, too: upstream's, where it lies beside the pictures."""
        file = self.plates.parent / "weights" / TEACHER
        return file if file.is_file() else None

    def epochs(self, task: Task) -> int:
        return self.recipe.detector_epochs if task == "detector" else self.recipe.reader_epochs

    def checkpoint(self, task: Task) -> Path:
        return self.work / "checkpoints" / f"{task}.pt"

    def name(self, task: Task) -> str:
        """Of the new model."""
        return f"{STEMS[task]}-{self.version}"

    def model(self, task: Task) -> Path:
        return self.work / "models" / f"{self.name(task)}.onnx"

    def call_module(
        self,
        name: str,
        module: str,
        *arguments: str | Path,
        epochs: int | None = None,
        log: Path | None = None,
    ) -> None:
        """Run a module of the training in a process of its own; None: the log has its name."""
        whole = [sys.executable, "-u", "-m", f"models.training.{module}", *arguments]
        self._call(name, whole, epochs=epochs, log=log)

    def call_platebridge(self, name: str, *arguments: str | Path, output: Path) -> None:
        """Run a verb of the installed program; status 1 says that it left something out, and named it.

        Raises:
            StageError: it failed, or ended without figures; what was there before stays.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        whole = [Path(sys.executable).with_name("platebridge"), *arguments]
        told = output.with_name(f"told-{output.name}")
        self._call(name, whole, output=told, good=(0, 1))
        try:
            json.loads(told.read_text(encoding="utf-8"))
        except ValueError:
            raise StageError(
                f"{name}: ended without figures, which should be JSON in {told}: its log is in "
                f"{self.work / 'logs'}"
            ) from None
        told.replace(output)

    def _call(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        epochs: int | None = None,
        output: Path | None = None,
        log: Path | None = None,
        good: tuple[int, ...] = (0,),
    ) -> None:
        command.run(
            [str(argument) for argument in arguments],
            log or self.work / "logs" / f"{name}.log",
            environment=_quiet(self.work),
            say=self.say,
            name=name,
            epochs=epochs,
            output=output,
            good=good,
        )


def stages(run: Run) -> list[Stage]:
    """All of them, in order; each asks for its inputs when its turn comes."""
    recipe, models = run.recipe, (run.model("detector"), run.model("reader"))
    manifests = [model.with_suffix(".yaml") for model in models]
    return [
        Stage(
            "data",
            f"looking through the pictures in {run.plates}",
            lambda: {"recipe": asdict(recipe)["part"], "plates": asdict(plates_set.check(run.plates))},
            (run.listing,),
            lambda: _data(run),
        ),
        _training(run, "detector"),
        _training(run, "reader"),
        Stage(
            "export",
            "writing both networks as ONNX and comparing their answers",
            lambda: {
                "checkpoints": _hashes(run.checkpoint("detector"), run.checkpoint("reader")),
                "input_px": recipe.detector_input_px,
                "name": run.name("detector"),
                "measured_with": _measured_with(run, "detector"),
            },
            (models[0], models[0].with_suffix(".yaml"), run.work / "uncalibrated" / "reader.onnx"),
            lambda: _export(run),
        ),
        Stage(
            "calibration",
            "fitting the reader's temperature on crops that it was not trained on",
            lambda: (
                {"reader": _hashes(run.work / "uncalibrated" / "reader.onnx"), "data": _hashes(run.listing)}
                | {"name": run.name("reader"), "measured_with": _measured_with(run, "reader")}
            ),
            (models[1], models[1].with_suffix(".yaml"), run.work / "calibration.json"),
            lambda: _calibrate(run),
        ),
        Stage(
            "evaluation",
            "reading the validation pictures, ours and upstream's side by side",
            lambda: _hashes(*manifests, run.listing),
            (run.results / EVALUATION,),
            lambda: _evaluate(run),
        ),
        Stage(
            "false-opens",
            "counting and modelling how often a stranger would be let in",
            lambda: _hashes(manifests[1], run.listing) | {"of": recipe.false_opens_of},
            (run.results / FALSE_OPENS, run.results / FALSE_OPENS_TEXT),
            lambda: _false_opens(run),
        ),
        Stage(
            "cards",
            "writing manifests, cards and pictures",
            lambda: _hashes(*models, run.results / EVALUATION, run.results / FALSE_OPENS, FACTS, README),
            (run.release / "models" / "README.md",),
            lambda: _lay_out(run),
        ),
    ]


def _training(run: Run, task: Task) -> Stage:
    checkpoint, given = run.checkpoint(task), run.checkpoints.get(task)
    if given is not None:
        return Stage(
            task,
            f"taking {given} as it is",
            lambda: {"given": _hashes(given)},
            (checkpoint,),
            lambda: _copy(given, checkpoint),
        )
    return Stage(
        task,
        f"training the {task}, {run.epochs(task)} epochs",
        lambda: _training_inputs(run, task),
        (checkpoint,),
        lambda: _train(run, task),
    )


def _options(run: Run, task: Task) -> dict[str, int]:
    """What the module that trains is told, and what its outcome depends on beside the pictures."""
    recipe = run.recipe
    if task == "detector":
        return {
            "--epochs": recipe.detector_epochs,
            "--side-px": recipe.detector_side_px,
            "--pasted": recipe.detector_pasted,
            "--drawn": recipe.detector_drawn,
        }
    limit = {} if recipe.part is None else {"--limit": recipe.part.train_crops}
    return {"--epochs": recipe.reader_epochs, "--drawn": recipe.reader_drawn} | limit


def _training_inputs(run: Run, task: Task) -> dict[str, object]:
    listing = json.loads(run.listing.read_text())
    inputs: dict[str, object] = {"options": _options(run, task), "pictures": listing["detect_digest"]}
    # A checkpoint of another network or another way to train is none of this run's.
    inputs["code"] = _hashes(*_code(task))
    if task == "reader":
        teacher = None if run.teacher is None else sha256_of(run.teacher)
        inputs |= {"crops": listing["ocr_digest"], "teacher": teacher}
    return inputs


def _code(task: Task) -> list[Path]:
    """What trains a task, beside the libraries: its modules, and the detector's network."""
    modules = sorted(_TRAINING.glob("*.py"))
    if task == "detector":
        return [m for m in modules if "detector" in m.stem] + sorted(_TRAINING.glob("yolo11-*.yaml"))
    words = ("reader", "crop", "augment", "views", "teacher", "alphabet")
    return [m for m in modules if any(word in m.stem for word in words)]


def _run_name(run: Run, task: Task) -> str:
    return f"{task}-{fingerprint(_training_inputs(run, task))[:12]}"


def training_log(run: Run, task: Task) -> Path:
    """What a training says, apart from one with other options: the curve in the card is drawn from it."""
    return run.work / "logs" / f"{_run_name(run, task)}.log"


def _data(run: Run) -> None:
    if run.recipe.part is not None:
        plates_set.take(run.plates, run.used_plates, run.recipe.part)
    listing = plates_set.check(run.used_plates)
    run.say(f"      {listing.pictures} pictures with {listing.boxes} plates, {listing.crops} crops")
    run.listing.write_text(json.dumps(asdict(listing), indent=1))


def _train(run: Run, task: Task) -> None:
    """In a folder for these options and pictures: others begin anew and leave the old run where it was."""
    options = _options(run, task)
    folder = run.work / "runs" / _run_name(run, task)
    set_of = {"detector": run.used_plates / "detect", "reader": run.used_plates / "ocr"}
    arguments = [str(word) for option in options.items() for word in option]
    if task == "reader" and run.teacher is not None:
        arguments += ["--teacher", str(run.teacher)]
    arguments += ["--threads", str(machine.cores())]
    run.call_module(
        task, f"train_{task}", set_of[task], folder, *arguments,
        epochs=run.epochs(task), log=training_log(run, task),
    )  # fmt: skip
    trained = {"detector": folder / "detector" / "weights" / "best.pt", "reader": folder / "final.pt"}
    _copy(trained[task], run.checkpoint(task))


def _export(run: Run) -> None:
    for folder in (run.work / "models", run.work / "uncalibrated"):
        folder.mkdir(parents=True, exist_ok=True)
    height, width = run.recipe.detector_input_px
    run.call_module(
        "export-detector", "export", "detector", run.checkpoint("detector"), run.model("detector"),
        "--size", f"{height}x{width}", "--pictures", run.used_plates / "detect" / "images" / "val",
    )  # fmt: skip
    release.describe("detector", run.model("detector"), run.recipe.detector_input_px)
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
    release.describe("reader", run.model("reader"), (HEIGHT_PX, WIDTH_PX), temperature=temperature)


def _evaluate(run: Run) -> None:
    run.call_platebridge(
        "evaluation", "models", "eval", run.used_plates, "--detector", run.model("detector"),
        "--recognizer", run.model("reader"), "--json", *([] if run.recipe.part is None else ["--quick"]),
        output=run.results / EVALUATION,
    )  # fmt: skip


def _false_opens(run: Run) -> None:
    of, text = run.recipe.false_opens_of, run.results / FALSE_OPENS_TEXT
    if of == "none":
        text.write_text("## False opens\n\nNot measured: these weights are a drill's.\n")
        (run.results / FALSE_OPENS).write_text("{}")
        return
    reader = run.model("reader") if of == "trained" else "bundled"
    run.call_platebridge(
        "false-opens", "models", "false-opens", "--data", run.plates, "--recognizer", reader,
        "--markdown", text, "--svg", run.release / PLACE_OF_PICTURES,
        "--json", *([] if of == "trained" else ["--quick"]), output=run.results / FALSE_OPENS,
    )  # fmt: skip


def _lay_out(run: Run) -> None:
    release.lay_out(
        run.release,
        run.results,
        weights={task: run.model(task) for task in TASKS},
        inputs_px={"detector": run.recipe.detector_input_px, "reader": (HEIGHT_PX, WIDTH_PX)},
        logs={task: run.logs.get(task, training_log(run, task)) for task in TASKS},
        calibration=run.work / "calibration.json",
        root=ROOT,
    )


def _measured_with(run: Run, task: Task) -> dict[str, float]:
    """What a model's words say that changes its figures: the evaluation takes it from the manifest."""
    facts = card.facts_of(task, run.name(task), card.read_facts())
    return {name: facts[name] for name in ("confidence", "crop_margin") if name in facts}


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
