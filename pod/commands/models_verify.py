"""`platebridge models verify`."""

from typing import Annotated

import typer

from models import registry


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME|PATH...", help="Which models.", show_default="every bundled one"),
    ] = None,
) -> None:
    """Check that models are whole and read the reference picture."""
    for name in names or registry.bundled_names():
        manifest = registry.find(name)
        registry.verify(manifest)
        print(f"{manifest.name}: checksum right")
