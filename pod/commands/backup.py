"""`platebridge pod backup` and `platebridge pod restore`."""

import hashlib
import importlib.metadata
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.operator import operator
from pod.commands.place import DEFAULT_CONFIG
from pod.config_load import load_config
from pod.runtime.instance_lock import InstanceLock
from pod.store import backup as backups
from pod.store.restore_preview import Preview, preview
from pod.store.store import FILE_NAME

MOST_NAMED = 20
"""Plates that a line of a restore names."""

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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put a backup in the place of the database; stop the POD first.

    The backup is checked to its last link, and it says who comes back onto the list, before anything changes.
    The former database is kept. What was changed since the backup is not in it: look through the list. But a
    lockdown stands on, opening by itself stays off where it was, and uses that were taken stay taken.
    """
    config = load_config(config_path)
    data_dir = Path(config.data_dir)
    database = data_dir / FILE_NAME
    with InstanceLock(data_dir):
        label = backups.examine(file)
        made = label.made_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        typer.echo(f"backup of {made}: {label.entries} entries, {label.rows} audit rows")
        for line in _changes(preview(database, file)):
            typer.echo(line)
        if label.config_sha256 != hashlib.sha256(config_path.read_bytes()).hexdigest():
            typer.echo(
                "The configuration is not that of the backup: compare its gates and cameras with the list's."
            )
        if not yes:
            typer.confirm("Put it in the place of the database?", abort=True)
        label, former, kept = backups.restore(database, file, by=operator(), now_us=time.time_ns() // 1000)
    typer.echo(f"restored: {label.entries} entries and {label.rows} audit rows of {made}")
    if former is not None:
        typer.echo(f"the former database is in {former}")
    for sentence in kept.sentences():
        typer.echo(sentence)
    typer.echo("Look through the list before you start the POD: platebridge plates list")


def _changes(found: Preview) -> Iterator[str]:
    """What a restore would change, a line each."""
    if found.unread:
        yield f"It cannot be compared with the database that is there: {found.unread}"
    if found.is_of_another:
        yield "WARNING: it is of another POD, or of before this POD's audit began anew."
    if found.comes:
        yield f"comes back onto the list: {_some(found.comes)}"
    if found.goes:
        yield f"goes from the list: {_some(found.goes)}"
    if found.changes:
        yield f"holds again as it did, but for uses that were taken: {_some(found.changes)}"
    if found.rows_dropped:
        yield f"newer audit rows that are only in the former database then: {found.rows_dropped}"


def _some(plates: tuple[str, ...]) -> str:
    shown = ", ".join(plates[:MOST_NAMED])
    return shown if len(plates) <= MOST_NAMED else f"{shown} and {len(plates) - MOST_NAMED} more"
