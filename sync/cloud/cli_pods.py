"""`platebridge cloud pod`: let PODs in, see them, and let them in no more."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sync.cloud.place import DsnFileOption, EmbeddedOption, ask_database, check_installed

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Let PODs in, see them, and let them in no more."
)

CommunityOption = Annotated[str, typer.Option(metavar="ID", help="The community's id.")]


@app.command(epilog="Example: platebridge cloud pod add --embedded /var/lib/platebridge-cloud --hours 2")
def add(
    embedded: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder of the cloud, as in `platebridge cloud run`.")
    ],
    community: CommunityOption = "home",
    site: Annotated[str, typer.Option(metavar="ID", help="The site's id.")] = "home",
    hours: Annotated[float, typer.Option(min=0.1, max=720, help="How long the string is good for.")] = 24,
) -> None:
    """Make a join string: one line that lets one POD in, once."""
    check_installed()
    from sync.cloud.identity.tokens import new_join_token
    from sync.cloud.run.home import read_home
    from sync.protocol.join import Join, make_join

    places, authority = read_home(embedded)
    token = ask_database(
        None,
        embedded,
        lambda conn: new_join_token(conn, community, site=site, now=datetime.now(UTC), life_s=hours * 3600),
    )
    typer.echo("Type this on the POD, on one line:", err=True)
    typer.echo(f"platebridge pod enroll {make_join(Join(places.portal, token, authority.sha256))}")
    typer.echo(f"It is good for {hours:g} hours, and lets one POD in.", err=True)


@app.command("list", epilog="Example: platebridge cloud pod list --community elm")
def list_pods(
    community: CommunityOption = "home",
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Show the PODs of a community: whether they are there, which list they have, how far their audit is."""
    check_installed()
    from sync.cloud.pods import pods_of

    found = ask_database(dsn_file, embedded, lambda conn: pods_of(conn, community))
    for pod in found:
        typer.echo(pod.told(datetime.now(UTC)))
    if not found:
        typer.echo(f"{community} has no POD yet: `platebridge cloud pod add` makes a join string.")


@app.command(epilog="Example: platebridge cloud pod revoke pod-7f3a --community elm")
def revoke(
    pod: Annotated[str, typer.Argument(help="The POD's id.")],
    community: CommunityOption = "home",
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Let a POD in no more, for good: its connection ends, and it gets no list and no command.

    Its gate goes on with the list that it has. To let it in again, enroll it with a new join string.
    """
    check_installed()
    from sync.cloud.identity.standing import revoke as revoke_pod

    ask_database(dsn_file, embedded, lambda conn: revoke_pod(conn, community, pod, now=datetime.now(UTC)))
    typer.echo(f"{pod} is revoked: its audit stays, and it gets nothing any more.")
