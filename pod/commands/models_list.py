"""`platebridge models list`: what is bundled, in the store, and on the hubs."""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from models import registry
from models.hub import HubModel, hub_models
from models.manifest import Manifest, ModelError
from models.store import stored
from pod.commands.harmless import harmless
from pod.commands.models_place import ConfigOption, ModelPlace, StoreOption, find_models

_CHECKSUM = {True: "pinned", False: "on first download"}
_ALL_COLUMNS = 120
"""The width of a terminal that all columns fit into without breaking a name."""
_FEW_COLUMNS = 78
"""Narrower than this not even the first of them fit: a line each."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model of the list.

    Attributes:
        state: bundled, pulled, imported, own file (named by its path), or available (on a hub).
        is_pinned: whether its checksum was known before it came.
    """

    name: str
    task: str
    state: str
    is_in_use: bool
    size_bytes: int | None
    licence: str
    is_pinned: bool
    sha256: str | None
    file: str | None
    source: str | None


def list_models(
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """List the models there are: bundled, in the store, and on the hubs.

    Nothing is read but manifests; `platebridge models verify` looks at the weights.
    """
    place = find_models(config, store)
    rows, faults = _rows(place)
    if as_json:
        listed = {"store": str(place.store), "config": place.config and str(place.config)}
        print(json.dumps({**listed, "models": [asdict(row) for row in rows], "broken": faults}, indent=2))
    else:
        _print(rows, place)
    for fault in faults:
        print(f"platebridge: {harmless(fault)}", file=sys.stderr)
    if faults:
        raise typer.Exit(1)


def _rows(place: ModelPlace) -> tuple[list[Row], list[str]]:
    """Every model by state, and what is wrong with those that cannot be listed."""
    used = place.used()
    rows = [_known(registry.find(name), used) for name in registry.bundled_names()]
    faults = []
    for found in stored(place.store):
        if isinstance(found, ModelError):
            faults.append(str(found))
        else:
            rows.append(_known(found, used))
    here = {row.name for row in rows}
    for name, task in used.items():
        if name not in here:
            try:
                rows.append(_known(registry.load(name, task, store=place.store), {**used, name: task}, name))
            except ModelError as error:
                faults.append(str(error))
    rows += [_on_hub(model) for model in hub_models() if model.name not in here]
    return rows, faults


def _known(manifest: Manifest, used: dict[str, registry.Task], name: str | None = None) -> Row:
    return Row(
        name or manifest.name,
        manifest.task,
        manifest.origin or "own file",
        (name or manifest.name) in used,
        manifest.size_bytes,
        manifest.licence,
        manifest.sha256 is not None and not manifest.trusted_on_first_download,
        manifest.sha256,
        str(manifest.file),
        manifest.source,
    )


def _on_hub(model: HubModel) -> Row:
    weights = model.weights
    return Row(
        model.name,
        model.task,
        "available",
        False,
        weights.size_bytes,
        model.licence,
        model.is_pinned,
        weights.sha256,
        None,
        weights.url,
    )


def _print(rows: list[Row], place: ModelPlace) -> None:
    from rich.console import Console

    from pod.commands.plain_table import plain_table

    console = Console(width=None if sys.stdout.isatty() else 140)
    if console.width < _FEW_COLUMNS:
        for row in rows:
            size = "" if row.size_bytes is None else f", {row.size_bytes / 1e6:.1f} MB"
            print(f"{row.name}\n  {row.task}, {row.state}{', in use' if row.is_in_use else ''}{size}")
        _print_place(place)
        return
    is_narrow = console.width < _ALL_COLUMNS
    titles = ("Name", "Task", "State", "In use", "MB", "Licence", "Checksum")
    cells = [
        (
            row.name,
            row.task,
            row.state,
            "yes" if row.is_in_use else "",
            "" if row.size_bytes is None else f"{row.size_bytes / 1e6:.1f}",
            row.licence,
            "not known" if row.sha256 is None else _CHECKSUM[row.is_pinned],
        )
        for row in rows
    ]
    # A name that is broken over two lines cannot be copied.
    kept = len(titles) - 2 if is_narrow else len(titles)
    console.print(plain_table(titles[:kept], [cell[:kept] for cell in cells]))
    if is_narrow:
        print("Licences and checksums: in a wider terminal, or with --json.")
    _print_place(place)


def _print_place(place: ModelPlace) -> None:
    whose = f" (of {place.config})" if place.config else ""
    print(f"store: {place.store}{whose}")
    print("An available one comes with `platebridge models pull NAME`.")
