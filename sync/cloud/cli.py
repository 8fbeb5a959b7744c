"""`platebridge cloud`: what the cloud's operator does by hand."""

import asyncio
from typing import Annotated

import typer

from sync.cloud import cli_audit, cli_plates, cli_pods
from sync.cloud.cli_run import run
from sync.cloud.place import DsnFileOption, EmbeddedOption, check_installed, the_database

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Run the cloud that shares lists and collects audits."
)
app.add_typer(cli_audit.app, name="audit")
app.add_typer(cli_plates.app, name="plates")
app.add_typer(cli_pods.app, name="pod")
app.command(
    "run", epilog="Example: platebridge cloud run --embedded /var/lib/platebridge-cloud --host 192.0.2.7"
)(run)


@app.callback()
def _cloud() -> None:
    """Run the cloud that shares lists and collects audits."""


@app.command(
    epilog="Example: platebridge cloud migrate --dsn-file /etc/platebridge/cloud-dsn --keep-months 24"
)
def migrate(
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
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
    check_installed()
    from sync.cloud.update import update

    with the_database(dsn_file, embedded) as dsn:
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
