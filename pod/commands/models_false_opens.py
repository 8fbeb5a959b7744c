"""`platebridge models false-opens`."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from models import registry
from pod.config import VisionConfig
from pod.domain.errors import MeasurementError
from pod.services.false_opens.measure import QUICK, Effort, measure
from pod.services.false_opens.modelled import Scenario
from pod.services.false_opens.report import as_json, as_markdown, as_pictures, as_report
from pod.vision.pipeline import load_models
from pod.vision.recognizer import Recognizer

_DEFAULT = Scenario()
_UPSTREAM = "cct_xs_v2_global.onnx"
_MOST_LISTED = 1_000_000


def false_opens(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="The plate set: holds ocr/val.csv.", show_default=False),
    ],
    as_json_line: Annotated[
        bool, typer.Option("--json", help="Print one JSON line last on stdout, for programs.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Exit with 1 where a shipped constant contradicts what was measured beyond tolerance.",
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Take a tenth of the time, with wider intervals.")
    ] = False,
    listed: Annotated[
        list[int] | None,
        typer.Option(min=1, max=_MOST_LISTED, help="Plates on a list.", show_default="100, 1000, 10000"),
    ] = None,
    neighbours: Annotated[
        float,
        typer.Option(
            min=0,
            max=100,
            metavar="PERCENT",
            help="Strangers one character from a listed plate, at 1,000 listed; grows with the list.",
        ),
    ] = _DEFAULT.neighbours_percent,
    form: Annotated[
        str, typer.Option(help="The plates of the modelled strangers: L a letter, N a digit.")
    ] = _DEFAULT.form,
    recognizer: Annotated[
        str, typer.Option(metavar="MODEL", help="Name of a recogniser, or the path of an .onnx file.")
    ] = "bundled",
    upstream: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Upstream's recogniser, whose confusions count, too.",
            show_default=f"../weights/{_UPSTREAM} beside DIR, where it is",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write all of it as a page.", show_default=False)
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the curves there as false-opens.svg.", show_default=False),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the card's section there.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal figures.")] = _DEFAULT.seed,
) -> None:
    """Measure how often the gate would open for a stranger: counted on real reads, and modelled.

    The two figures are never mixed. Takes some minutes, all on one core.

    Examples:

      platebridge models false-opens --data ../shared/plates

      platebridge models false-opens --data ../shared/plates --quick --check
    """
    for path in (report, markdown, None if svg is None else svg / "false-opens.svg"):
        if path is not None:
            _make_room(path)
    sizes = tuple(sorted(set(listed or (100, 1000, 10_000))))
    models = load_models(VisionConfig(provider="cpu", recognizer=recognizer))
    effort = QUICK if quick else Effort()
    scenario = replace(
        _DEFAULT, form=form, neighbours_percent=neighbours, approaches=effort.approaches, seed=seed
    )
    with Progress(
        console=Console(stderr=True), redirect_stdout=False, disable=not sys.stderr.isatty()
    ) as progress:

        def stage(name: str, steps: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=steps)
            return lambda done: progress.update(task, advance=done)

        found = measure(
            data,
            models,
            upstream=_upstream(data, upstream),
            sizes=sizes,
            scenario=scenario,
            effort=effort,
            stage=stage,
        )
    if svg is not None:
        for name, picture in as_pictures(found).items():
            _write(svg / name, picture)
    if markdown is not None:
        _write(markdown, as_markdown(found))
    if report is not None:
        _write(report, as_report(found))
    print(
        json.dumps(as_json(found)) if as_json_line else as_markdown(found), end="\n" if as_json_line else ""
    )
    if check and (broken := [finding for finding in found.findings if not finding.holds]):
        for finding in broken:
            print(f"{finding.name}: {finding.mend}", file=sys.stderr)
        raise typer.Exit(1)


def _upstream(data: Path, given: Path | None) -> Recognizer | None:
    beside = [folder.parent / "weights" / _UPSTREAM for folder in (data.absolute(), data.absolute().parent)]
    file = given or next((path for path in beside if path.is_file()), None)
    if file is None:
        print("upstream: not found, only our own reader's confusions are counted", file=sys.stderr)
        return None
    manifest = registry.load(str(file), "recognizer")
    registry.verify(manifest)
    return Recognizer(manifest, "cpu", threads=1)


def _make_room(path: Path) -> None:
    """Finds out before the work, not after it, that a result has nowhere to go."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> MeasurementError:
    return MeasurementError(
        f"{path}: cannot be written ({error.strerror}): name a place this user may write to"
    )
