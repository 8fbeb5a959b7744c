"""`platebridge audit`: show what was decided and why; `audit verify`: prove that nothing was changed."""

import json
import re
import sqlite3
from contextlib import closing
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from pod.commands.audit_car import show
from pod.commands.audit_erase import erase
from pod.commands.audit_replay import replay
from pod.commands.place import ConfigOption, DataDirOption, Place, find_place
from pod.commands.plain_table import plain_table
from pod.domain.access import REASONS
from pod.store.audit import LATEST_SQL, AuditRow, Head, row_from, verify
from pod.store.connection import connect_reader, store_error
from pod.store.entry_rows import iso

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True, epilog="Example: platebridge audit --limit 50")
def audit(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many rows, the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, times in UTC.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what was decided and why, the newest row last."""
    if context.invoked_subcommand is not None:
        return
    place = find_place(config, data_dir)
    rows = _latest(place, limit)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(_as_json(row)))
        return
    titles = ("Row", "Time", "What", "Where", "Plate", "Verdict", "Why")
    Console().print(plain_table(titles, [_cells(row, place.zone) for row in rows]))
    typer.echo(f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}, times of {place.zone}")


@app.command("verify", epilog="Example: platebridge audit verify --head 1234:9f86d0...")
def verify_chain(
    context: typer.Context,
    head: Annotated[
        str,
        typer.Option(
            metavar="SEQ:LINK", help="A head noted down earlier; the audit must still hold that row."
        ),
    ] = "",
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Recompute the hash chain; exits 0 where it holds and 1 where it doesn't.

    Somebody who may write the file could cut rows off the end and rewrite the chain's own note of it: keep
    the printed head somewhere else, and give it with --head to see that, too.
    """
    anchor = _parse_head(head) if head else None
    given = context.parent.params if context.parent else {}  # `audit --data-dir DIR verify` reads as well
    place = find_place(config or given.get("config"), data_dir or given.get("data_dir"))
    with closing(connect_reader(place.database)) as conn:
        try:
            result = verify(conn, anchor)
        except sqlite3.Error as error:
            raise store_error(place.database, error) from error
    rows = f"{result.rows} {'row' if result.rows == 1 else 'rows'}"
    erased = f", {result.erased} of them erased" if result.erased else ""
    if not result.ok:
        typer.echo(f"BROKEN: {result.reason}; {rows} before it good{erased}.")
        raise typer.Exit(1)
    typer.echo(f"OK: {rows} verified{erased}; head {result.head}")


app.command("show", epilog="Example: platebridge audit show entrance-18f2a-17")(show)
app.command("replay", epilog="Example: platebridge audit replay --rules new.yaml --since 7d")(replay)
app.command("erase", epilog="Example: platebridge audit erase AB123CD")(erase)


def _parse_head(text: str) -> Head:
    form = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip())
    if form is None:
        raise typer.BadParameter(
            "write SEQ:LINK as `platebridge audit verify` printed it", param_hint="--head"
        )
    return Head(int(form[1]), bytes.fromhex(form[2]))


def _latest(place: Place, limit: int) -> list[AuditRow]:
    with closing(connect_reader(place.database)) as conn:
        try:
            rows = [row_from(columns) for columns in conn.execute(LATEST_SQL, (limit,))]
        except sqlite3.Error as error:
            raise store_error(place.database, error) from error
    return rows[::-1]


def _as_json(row: AuditRow) -> dict[str, object]:
    return {
        "seq": row.seq,
        "time": iso(row.at),
        "kind": row.kind,
        "payload": row.payload,
        "link": row.link.hex(),
    }


def _cells(row: AuditRow, zone: ZoneInfo) -> tuple[str, ...]:
    """The row for people. What a payload holds is its writer's to say, so anything may be absent."""
    payload = row.payload or {}

    def told(*names: str) -> str:
        return next((str(payload[name]) for name in names if payload.get(name) not in (None, "")), "")

    reason = told("reason")
    if row.payload is None:
        why = "(erased)"
    elif row.kind == "list_change":
        why = f"{told('action')} by {told('by')}"
    elif row.kind == "watch_started":
        why = f"{told('viewer')}, at {told('address')}"
    elif row.kind == "watch_ended":
        why = f"{told('viewer')}, at {told('address')}, after {told('seconds')} s: {told('why')}"
    else:
        why = REASONS.get(reason) or told("sentence", "message") or reason
    return (
        str(row.seq),
        row.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        row.kind.replace("_", " "),
        told("camera", "gate"),
        told("plate"),
        told("verdict", "state", "outcome"),
        why,
    )
