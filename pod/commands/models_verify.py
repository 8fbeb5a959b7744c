"""`platebridge models verify`: proves that models are whole, load, and read the reference picture."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from models import registry
from models.manifest import Manifest, ModelError
from models.store import stored
from pod.commands.harmless import harmless
from pod.commands.models_place import ConfigOption, ModelPlace, StoreOption, find_models


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one model."""

    model: str
    ok: bool
    text: str


def verify(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|PATH...",
            help="Which models.",
            show_default="the bundled, those of the store, and those of the configuration",
        ),
    ] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Check that models are whole and read the reference picture.

    Each is compared with its checksum, loaded on the processor, and tried on a picture whose plate is known,
    beside the bundled model of the other task. Exits with 1 where one does not pass; its line says the mend.
    """
    place = find_models(config, store)
    is_all_right = True
    verdicts = []
    for verdict in _verdicts(place, models):
        is_all_right = is_all_right and verdict.ok
        verdicts.append(verdict)
        if not as_json:
            line = f"{'ok  ' if verdict.ok else 'fail'}  {verdict.model}: {verdict.text}"
            print(harmless(line), flush=True)
    if as_json:
        print(json.dumps({"ok": is_all_right, "models": [asdict(verdict) for verdict in verdicts]}, indent=2))
    if not is_all_right:
        raise typer.Exit(1)


def _verdicts(place: ModelPlace, asked: list[str] | None) -> Iterator[Verdict]:
    if asked:
        yield from (_named(name, place) for name in asked)
        return
    there = [registry.find(name) for name in registry.bundled_names()]
    yield from (_tried(manifest.name, manifest) for manifest in there)
    names = {manifest.name for manifest in there}
    for found in stored(place.store):
        if isinstance(found, ModelError):
            yield Verdict(str(found).split(":")[0], False, str(found))
        else:
            names.add(found.name)
            yield _tried(found.name, found)
    yield from (_named(name, place) for name in place.used() if name not in names)


def _named(name: str, place: ModelPlace) -> Verdict:
    from pod.services.model_check_apart import facts_apart

    try:
        if registry.is_path(name):
            manifest = registry.load(name, facts_apart(Path(name).expanduser()).task, store=place.store)
        else:
            manifest = registry.find(name, store=place.store)
    except ModelError as error:
        return Verdict(name, False, str(error))
    return _tried(name, manifest)


def _tried(name: str, manifest: Manifest) -> Verdict:
    from pod.services.model_check_apart import try_apart

    try:
        registry.verify(manifest)
        tried = try_apart(manifest)
    except ModelError as error:
        return Verdict(name, False, str(error))
    if manifest.sha256 is None:
        whole = "no checksum to compare with"
    else:
        whole = f"SHA-256 {manifest.sha256[:12]} as it should be"
    takes = f"{manifest.task} of {tried.input.height} x {tried.input.width}"
    return Verdict(name, True, f"{whole}, {takes}, reads the reference plate")
