"""`platebridge pod clock`: whether the clock is believed, and a person's word that it is right."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.operator import operator
from pod.commands.place import DEFAULT_CONFIG
from pod.config_load import load_config
from pod.runtime.clock_sync import is_clock_synchronised
from pod.runtime.instance_lock import InstanceLock
from pod.store.clock_rows import newest_believable
from pod.store.store import FILE_NAME, Store

COMMIT_TIMEOUT_S = 5.0

_SYNC = {
    True: "kept right by a time service",
    False: "not kept by a time service",
    None: "kept by who knows: the kernel does not tell",
}


def clock(
    config_path: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", envvar="PLATEBRIDGE_CONFIG")
    ] = DEFAULT_CONFIG,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="The clock is right, whatever older rows say; stop the POD first."),
    ] = False,
) -> None:
    """Show the clock beside the newest row of the audit, or accept it.

    A clock behind the newest row is not believed: entries with a start, an end or a schedule stay out. Where
    the rows are wrong, because the clock once ran ahead, accept the clock; the audit keeps who did.
    """
    config = load_config(config_path)
    data_dir = Path(config.data_dir)
    if accept:
        with InstanceLock(data_dir), Store.open(data_dir / FILE_NAME) as store:
            store.wait_for(store.record("clock", {"state": "accepted", "by": operator()}), COMMIT_TIMEOUT_S)
        typer.echo(f"accepted: it is {_text(datetime.now(UTC))}; start the POD again")
        return
    with Store.open(data_dir / FILE_NAME) as store:
        newest = store.wait_for(store.submit(newest_believable), COMMIT_TIMEOUT_S)
    now = datetime.now(UTC)
    typer.echo(f"clock       {_text(now)}, {_SYNC[is_clock_synchronised()]}")
    typer.echo(f"newest row  {'none yet' if newest is None else _text(newest)}")
    if newest is not None and now < newest:
        typer.echo("The clock is behind the newest row: set it right, or stop the POD and use --accept.")


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
