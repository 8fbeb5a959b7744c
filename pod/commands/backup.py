"""`platebridge pod backup` and `platebridge pod restore`."""

import hashlib
import importlib.metadata
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.operator import operator
from pod.commands.place import DEFAULT_CONFIG
from pod.config_load import load_config
from pod.runtime.instance_lock import InstanceLock
from pod.store import backup as backups
from pod.store.store import FILE_NAME

_ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="PLATEBRIDGE_CONFIG")
]


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; there must be none of that name.")],
    config_path: _ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write access list and audit to one file; the POD may run meanwhile.

    The file holds personal data and is its owner's alone. Pictures are not in it. It appears when it is whole
    and every link of its audit was checked. Keep it elsewhere, with the line that names its head.
    """
    config = load_config(config_path)
    label = backups.back_up(
        Path(config.data_dir) / FILE_NAME,
        file,
        now=datetime.now(UTC),
        config_sha256=hashlib.sha256(config_path.read_bytes()).hexdigest(),
        made_by=importlib.metadata.version("platebridge"),
    )
    typer.echo(f"{file}: {label.entries} entries, {label.rows} audit rows")
    typer.echo(f"head {label.head}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `platebridge pod backup`.")],
    config_path: _ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put a backup in the place of the database; stop the POD first.

    The backup is checked to its last link before anything changes. The former database is kept. What was
    changed since the backup is not in it: look through the list, above all for plates taken off and for uses.
    """
    config = load_config(config_path)
    data_dir = Path(config.data_dir)
    with InstanceLock(data_dir):
        label, former = backups.restore(
            data_dir / FILE_NAME, file, by=operator(), now_us=time.time_ns() // 1000
        )
    made = label.made_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    typer.echo(f"restored: {label.entries} entries and {label.rows} audit rows of {made}")
    if former is not None:
        typer.echo(f"the former database is in {former}")
    if label.config_sha256 != hashlib.sha256(config_path.read_bytes()).hexdigest():
        typer.echo(
            "The configuration has changed since: compare its gates and cameras with those of the list."
        )
    typer.echo("Look through the list before you start the POD: platebridge plates list")
