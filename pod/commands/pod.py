"""`platebridge pod run` and `platebridge pod doctor`."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("/etc/platebridge/config.yaml")

app = typer.Typer(add_completion=False, no_args_is_help=True)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="PLATEBRIDGE_CONFIG")
]
