"""`platebridge models eval`: how well models find and read plates on pictures whose truth is known."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from models.evaluation.data_set import DataSetError, find_data_set
from models.evaluation.figures import Figures, all_figures
from models.evaluation.outcomes import OURS, UPSTREAM, Outcomes
from models.evaluation.report import report_html
from models.evaluation.words import table_rows, verdicts
from pod.commands.harmless import harmless
from pod.commands.models_place import ConfigOption, ModelPlace, StoreOption, find_models
from pod.commands.plain_table import plain_table
from pod.config import VisionConfig
from pod.domain.errors import MeasurementError
from pod.services.model_trial.sides import FastAlprSide, OurSide, Side, Teacher
from pod.services.model_trial.trial import Plan, Trial
from pod.services.model_trial.upstream import Absent, find_upstream

_AS_CONFIGURED = "the configuration's, or bundled"
_MOST_TOLD = 20
_WIDTH = 140
"""Of a table that no terminal shows."""


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|CSV", help="The data set: folder or CSV, see docs/models.md.", show_default=False
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as one JSON line.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write one HTML file with plots, and the failures to look at.",
            show_default=False,
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A detector of `models list`, or the path of an .onnx file.",
            show_default=_AS_CONFIGURED,
        ),
    ] = None,
    recognizer: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A recogniser of `models list`, or the path of an .onnx file.",
            show_default=_AS_CONFIGURED,
        ),
    ] = None,
    config: ConfigOption = None,
    upstream: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where fast-alpr's weights are.",
            show_default="the store of pulled models, or `weights` beside DIR",
        ),
    ] = None,
    store: StoreOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Measure nothing where anything would have to be left out.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Take every eighth picture: an eighth of the time, wider intervals."),
    ] = False,
) -> None:
    """Measure how well models find and read plates, beside fast-alpr where its weights are at hand.

    Whatever cannot be used (a line with a mistake, a picture that is broken) is named, left out and counted.

    Exit status: 0 everything was measured, 1 something was left out, 2 nothing was measured.

    Examples:

      platebridge models eval ../shared/plates --report report.html

      platebridge models eval my-crops.csv --recognizer my.onnx --json
    """
    if report is not None:
        _check_place(report)
    place = find_models(config, store)
    vision = _vision(place, detector=detector, recognizer=recognizer)
    try:
        found = find_data_set(data)
    except DataSetError as error:
        raise MeasurementError(str(error)) from None
    if found.faults and strict:
        told = "\n".join(map(str, found.faults))
        raise MeasurementError(
            f"{told}\n{data}: {found.faults_total} mistakes: mend them, or leave out --strict"
        )
    if not found.crops and not found.scenes:
        told = "\n".join(map(str, found.faults)) or f"{data}: holds no picture"
        raise MeasurementError(f"{told}\n{data}: nothing is left to measure on: mend the lines above")

    weights = find_upstream(data, asked=upstream, store=place.store)
    sides: dict[str, Side] = {OURS: OurSide(vision)}
    teacher = None
    absence = weights.reason if isinstance(weights, Absent) else ""
    if not isinstance(weights, Absent):
        sides[UPSTREAM], teacher = FastAlprSide(weights), Teacher(weights)
    with _Bar() as bar:
        trial = Trial(sides, teacher, plan=Plan(quick=quick, strict=strict), progress=bar)
        outcomes = trial.run(found, data, absence=absence)
    figures = all_figures(outcomes)
    _tell_absent(outcomes)
    if as_json:
        print(json.dumps(figures), flush=True)
    else:
        _print(outcomes, figures)
    # Last, as minutes of measuring are not to be lost where the disk has no room for it.
    if report is not None:
        report.write_text(report_html(outcomes, figures), encoding="utf-8")
        print(f"The report is in {report}.", file=sys.stderr if as_json else sys.stdout)
    if outcomes.excluded_total:
        raise typer.Exit(1)


def _vision(place: ModelPlace, *, detector: str | None, recognizer: str | None) -> VisionConfig:
    """The configured way of reading, with the models that are asked for."""
    asked = {"detector": detector, "recognizer": recognizer, "model_store": str(place.store)}
    configured = (place.vision or VisionConfig()).model_dump()
    try:
        return VisionConfig.model_validate(
            configured | {name: value for name, value in asked.items() if value is not None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"--{first['loc'][0]}: {first['msg']}") from None


def _check_place(report: Path) -> None:
    """Finds out before the measurement whether its report has a place."""
    if not report.absolute().parent.is_dir():
        raise MeasurementError(f"{report}: there is no folder {report.parent}: make it, or name another")
    if report.is_dir():
        raise MeasurementError(f"{report}: is a folder: name a file in it, such as {report / 'report.html'}")


def _tell_absent(outcomes: Outcomes) -> None:
    """Says on standard error what was left out, and why there is no upstream."""
    for problem in outcomes.excluded[:_MOST_TOLD]:
        print(f"left out: {harmless(problem)}", file=sys.stderr)
    if outcomes.excluded_total > _MOST_TOLD:
        print(f"left out: {outcomes.excluded_total - _MOST_TOLD} more", file=sys.stderr)
    if outcomes.absence:
        print(harmless(outcomes.absence), file=sys.stderr)


def _print(outcomes: Outcomes, figures: Figures) -> None:
    for side, facts in outcomes.sides.items():
        print(harmless(f"{side}: {facts.name}, from {facts.weights_from}"))
    titles = ("percent, 95 % interval", *outcomes.sides, "")
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(plain_table(titles, table_rows(figures)))
    for sentence in verdicts(figures):
        print(sentence)


class _Bar:
    """A bar for each step, on standard error where that is a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            redirect_stdout=False,
        )
        self._step = ""
        self._task: TaskID | None = None

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, step: str, done: int, of: int) -> None:
        if step != self._step or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._step, self._task = step, self._progress.add_task(step, total=of)
        self._progress.update(self._task, completed=done)
