"""`platebridge cloud`: what the cloud's operator does by hand."""

import asyncio
import importlib.util
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from sync.cloud.errors import CloudError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Run the cloud that shares lists and collects audits."
)


@app.callback()
def _cloud() -> None:
    """Run the cloud that shares lists and collects audits."""


@app.command(
    epilog="Example: platebridge cloud migrate --dsn-file /etc/platebridge/cloud-dsn --keep-months 24"
)
def migrate(
    dsn_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Holds the database's address, such as postgresql://USER:PASSWORD@HOST/DATABASE; mode 0600. "
            "Without it PLATEBRIDGE_CLOUD_DSN counts.",
        ),
    ] = None,
    embedded: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Use a PostgreSQL of its own in this folder, made where it is missing."
        ),
    ] = None,
    keep_months: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=120,
            help="How many whole months of audits are kept beside the one that runs; 12 until it is set. "
            "Older ones are dropped at once.",
        ),
    ] = None,
) -> None:
    """Bring the cloud's database to this version; may be repeated, and stopped at any time.

    The database's owner runs this, with the right to create roles. It makes the roles platebridge_bridge,
    platebridge_api and platebridge_stats, for the users of the services to be members of, and the audit's
    months up to three ahead.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise CloudError("the cloud's packages are not installed: pip install 'platebridge[cloud]'")
    if dsn_file is not None and embedded is not None:
        raise CloudError("--dsn-file and --embedded name two databases: give one of them")
    from sync.cloud.database import read_dsn  # none of it is part of a POD
    from sync.cloud.embedded import embedded_server
    from sync.cloud.update import update

    with ExitStack() as stack:
        dsn = read_dsn(dsn_file) if embedded is None else stack.enter_context(embedded_server(embedded))
        typer.echo(f"database: {dsn}")
        done = asyncio.run(update(dsn, typer.echo, keep_months_count=keep_months))
    typer.echo(f"schema version {done.version}, {done.applied or 'nothing'} applied")
    if done.months.made:
        typer.echo(f"months made: {done.months.made[0]} to {done.months.made[-1]}")
    if done.months.dropped:
        typer.echo(f"months dropped: {', '.join(done.months.dropped)}")
    if done.months.unplaced:
        typer.echo(
            f"WARNING: {done.months.unplaced} rows lie in no month: see that the bridge runs, it makes them"
        )
