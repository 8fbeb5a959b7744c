"""`platebridge cloud audit`: what PODs told, and the proof that nobody changed it since."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from sync.cloud.cli_plates import CommunityArgument
from sync.cloud.place import DsnFileOption, EmbeddedOption, ask_database, check_installed

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="See what PODs told, and prove that nobody changed it since.",
)


@app.command("list", epilog="Example: platebridge cloud audit list elm --limit 50")
def list_rows(
    community: CommunityArgument,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows, the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, times in UTC.")] = False,
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Show the newest rows of a community's audits, the newest last."""
    check_installed()
    from sync.cloud.audit_reading import latest_rows

    for row in ask_database(dsn_file, embedded, lambda conn: latest_rows(conn, community, limit)):
        if as_json:
            typer.echo(json.dumps(asdict(row) | {"at": row.at.isoformat()}))
        else:
            typer.echo(f"{row.at:%Y-%m-%d %H:%M:%S}  {row.pod}  {row.seq}  {row.kind}  {row.words}")


@app.command(epilog="Example: platebridge cloud audit verify elm")
def verify(
    community: CommunityArgument,
    dsn_file: DsnFileOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Compute every link of a community's audits anew; exits 0 where all hold and 1 where one doesn't.

    The printed head is what the POD's own `platebridge audit verify --head` can be held against.
    """
    check_installed()
    from sync.cloud.audit_proof import prove_audits

    proofs = ask_database(dsn_file, embedded, lambda conn: prove_audits(conn, community))
    for proof in proofs:
        rows = f"{proof.rows} {'row' if proof.rows == 1 else 'rows'}"
        if proof.broken:
            typer.echo(f"{proof.pod}: BROKEN: {proof.broken}; {rows} before it good.")
            continue
        notes = [
            f"{proof.absent} without payload" if proof.absent else "",
            f"{proof.lost} lost by the POD" if proof.lost else "",
            f"older than row {proof.first} dropped with their months" if proof.first > 1 else "",
        ]
        told = "".join(f", {note}" for note in notes if note)
        head = f"{proof.head.seq}:{proof.head.link.hex()}"
        typer.echo(
            f"{proof.pod}: OK: {rows} verified{told}; {proof.checkpoints} checkpoints hold; head {head}"
        )
    if not proofs:
        typer.echo(f"No POD of {community} sent anything yet.")
    if any(proof.broken for proof in proofs):
        raise typer.Exit(1)
