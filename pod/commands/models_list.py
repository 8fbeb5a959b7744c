"""`platebridge models list`."""

import json
from typing import Annotated

import typer

from models import registry


def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """List the models there are: bundled, in the store, and on the hubs."""
    found = [registry.find(name) for name in registry.bundled_names()]
    if as_json:
        print(json.dumps({"models": [{"name": m.name, "task": m.task, "state": "bundled"} for m in found]}))
        return
    for manifest in found:
        print(f"{manifest.name}  {manifest.task}  bundled")
