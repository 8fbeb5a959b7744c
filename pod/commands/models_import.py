"""`platebridge models import`: somebody's own network comes into the store, checked like any other."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models import registry
from models.disk import copy_file
from models.hub import hub_models
from models.manifest import Manifest, ModelError, Task, Thresholds, read_fields, told_of
from models.pickles import converted, is_pickle
from models.plate_classes import class_names, plate_class
from models.pull import MOST_WEIGHTS_BYTES
from models.store import check_name, is_in, take_in, writing
from pod.commands.models_place import ConfigOption, StoreOption, find_models

if TYPE_CHECKING:
    from pod.services.model_check import NetworkFacts

_CONFIDENCE = 0.25


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            help="A network as ONNX; an ultralytics .pt only with --trust-pickle.", show_default=False
        ),
    ],
    config: ConfigOption = None,
    store: StoreOption = None,
    name: Annotated[
        str | None, typer.Option(help="What it is called here.", show_default="the file's name")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="detector|recognizer", help="What it does.", show_default="by what it takes"),
    ] = None,
    plate_config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A recogniser's fast-plate-ocr configuration.",
            show_default="beside it: NAME_plate_config.yaml",
        ),
    ] = None,
    plate_class_: Annotated[
        str | None,
        typer.Option(
            "--plate-class",
            metavar="NAME|NUMBER",
            help="Which of a detector's several classes is a plate.",
            show_default="the only one, or the one that sounds like it",
        ),
    ] = None,
    trust_pickle: Annotated[
        bool,
        typer.Option(
            "--trust-pickle", help="Convert a .pt, which runs whatever code its maker put in, as this user."
        ),
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Replace an imported model of that name.")] = False,
) -> None:
    """Take your own network into the store: checked, tried on a picture, pinned by its checksum.

    A detector is a YOLO export for one size of picture; a recogniser is one of fast-plate-ocr's for ten
    slots, with its configuration. One that does not read the reference picture is refused.
    """
    from pod.services.model_check_apart import facts_apart, try_apart

    place = find_models(config, store)
    fitting = re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")
    called = _free_name(name or fitting, place.store, again=again)
    wanted = _task(task)
    with writing(place.store) as arriving, _as_onnx(file, arriving, trust_pickle=trust_pickle) as network:
        part = arriving / f"{called}.part"
        sha256 = copy_file(network, part, sha256=None, most_bytes=MOST_WEIGHTS_BYTES)
        try:
            facts = facts_apart(part)
            if wanted is not None and facts.task != wanted:
                raise ModelError(f"it takes what a {facts.task} takes, and --task says {wanted}")
            is_detector = facts.task == "detector"
            manifest = Manifest(
                name=called,
                task=facts.task,
                file=part,
                sha256=sha256,
                size_bytes=part.stat().st_size,
                plate_config=None if is_detector else _contract(file, plate_config),
                plate_class=_class_of(facts, plate_class_) if is_detector else None,
                thresholds=Thresholds(confidence=_CONFIDENCE if is_detector else None),
                origin="imported",
            )
            tried = try_apart(manifest)
            seen = {"input": tried.input, "crop_margin": tried.crop_margin}
            kept = take_in(place.store, part, manifest.model_copy(update=seen))
        except ModelError as error:
            raise told_of(file, part, error) from None
        finally:
            part.unlink(missing_ok=True)
    print(
        f"{kept.name}: {kept.task} of {tried.input.height} x {tried.input.width}, reads the reference plate"
    )
    print(f"SHA-256 {sha256}")
    for line in place.how_to_use(kept.name, kept.task):
        print(line)


def _free_name(name: str, store: Path, *, again: bool) -> str:
    check_name(name)
    if (
        name in registry.bundled_names()
        or name in {model.name for model in hub_models()}
        or name == "bundled"
    ):
        raise ModelError(f"'{name}' is the name of another model: give yours one of its own with --name")
    if is_in(store, name) and not again:
        raise ModelError(
            f"'{name}' is in {store} already: give this one another name with --name, or add --again"
        )
    return name


def _class_of(facts: "NetworkFacts", asked: str | None) -> int | None:
    return plate_class(class_names(facts.metadata), facts.classes, asked=asked)


def _task(task: str | None) -> Task | None:
    if task == "detector":
        return "detector"
    if task == "recognizer":
        return "recognizer"
    if task is None:
        return None
    raise typer.BadParameter("--task must be detector or recognizer")


@contextmanager
def _as_onnx(file: Path, arriving: Path, *, trust_pickle: bool) -> Iterator[Path]:
    if not is_pickle(file):
        yield file
        return
    if not trust_pickle:
        raise ModelError(
            f"{file}: is a Python pickle, and loading it runs whatever code its maker put in: export it to "
            "ONNX where it was trained and import that or, if you trust its maker with this machine, add "
            "--trust-pickle"
        )
    with converted(file, beside=arriving) as network:
        yield network


def _contract(file: Path, given: Path | None) -> dict[str, object]:
    """A recogniser's configuration: the one given, or the one beside it."""
    beside = (
        (given,) if given else (file.with_name(f"{file.stem}_plate_config.yaml"), file.with_suffix(".yaml"))
    )
    for path in beside:
        if given or path.is_file():
            fields = read_fields(path)
            inner = fields.get("plate_config", fields)
            return inner if isinstance(inner, dict) else fields
    raise ModelError(
        f"a recogniser needs its fast-plate-ocr configuration: put {beside[0].name} beside it, or name it "
        "with --plate-config"
    )
