"""`platebridge cloud plates`: a community's list by hand; PODs that are online follow within seconds."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from sync.cloud.place import DsnFileOption, EmbeddedOption, ask_database, check_installed

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Keep a community's list of plates. PODs that are online follow within seconds.",
)

CommunityArgument = Annotated[str, typer.Argument(help="The community's id.")]


@app.command(epilog="Example: platebridge cloud plates add elm 'B AB 123' --type visitor --label 'Flat 12'")
def add(
    community: CommunityArgument,
    plate: Annotated[str, typer.Argument(help="The plate; spaces, dashes and case don't matter.")],
    type: Annotated[
        str,
        typer.Option(
            help="Why it is on the list: "
            "resident, visitor, delivery, service, contractor, emergency or staff."
        ),
    ] = "resident",
    deny: Annotated[
        bool, typer.Option("--deny", help="Keep this plate out, whatever else the list says.")
    ] = False,
    label: Annotated[str, typer.Option(help="Whose it is, or what for: one line of 80 characters.")] = "",
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Put a plate on a community's list."""
    check_installed()
    from sync.cloud.entries import add_entry

    entry = ask_database(
        dsn_file,
        embedded,
        lambda conn: add_entry(conn, community, plate=plate, deny=deny, type=type, label=label),
    )
    typer.echo(
        f"{entry.plate} {'is denied' if deny else 'may pass'} from version {entry.version} of the list on."
    )


@app.command(epilog="Example: platebridge cloud plates remove elm 'B AB 123'")
def remove(
    community: CommunityArgument,
    plate: Annotated[str, typer.Argument(help="The plate, in any writing.")],
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Take every entry of a plate off a community's list."""
    check_installed()
    from sync.cloud.entries import remove_entries

    for entry in ask_database(dsn_file, embedded, lambda conn: remove_entries(conn, community, plate)):
        label = f", {entry.label}" if entry.label else ""
        typer.echo(f"{entry.plate} ({entry.verdict}, {entry.type}{label}) was removed.")


@app.command("list", epilog="Example: platebridge cloud plates list elm --json")
def list_plates(
    community: CommunityArgument,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Show a community's list, and which PODs have it in force."""
    check_installed()
    from sync.cloud.entries import overview

    version, entries, pods = ask_database(dsn_file, embedded, lambda conn: overview(conn, community))
    if as_json:
        for line in (*map(asdict, entries), *map(asdict, pods)):
            typer.echo(json.dumps(line))
        return
    for entry in entries:
        typer.echo("  ".join(filter(None, (entry.plate, entry.verdict, entry.type, entry.label))))
    typer.echo(f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, version {version}")
    for pod in pods:
        typer.echo(f"{pod.pod} ({pod.name}): {pod.told(version)}")
