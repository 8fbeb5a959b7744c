"""`platebridge plates`: keep the access list, while the pod runs or not."""

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from pod.commands.operator import operator
from pod.commands.place import ConfigOption, DataDirOption, find_place
from pod.commands.plain_table import plain_table
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.store.connection import connect_reader
from pod.store.entries import describe, make_entry
from pod.store.list_times import parse_end, parse_start
from pod.store.plate_csv import MAX_BYTES, read_csv, write_csv
from pod.store.plate_list import ImportPlan, ListSnapshot, load, plan_import
from pod.store.store import Store

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Keep the list of plates that may pass. A running pod follows within a second.",
)

_DATES = "A date alone counts as the whole day; without a zone it is the site's local time."


@app.command(
    epilog="Example: platebridge plates add 'B AB 123' --type visitor --until 2030-05-31 --label 'Flat 12'"
)
def add(
    plate: Annotated[str, typer.Argument(help="The plate; spaces, dashes and case don't matter.")],
    type: Annotated[EntryType, typer.Option(help="Why the plate is on the list.")] = EntryType.RESIDENT,
    deny: Annotated[
        bool, typer.Option("--deny", help="Keep this plate out, whatever else the list says.")
    ] = False,
    label: Annotated[str, typer.Option(help="Whose it is, or what for: one line of 80 characters.")] = "",
    start: Annotated[
        str, typer.Option("--from", metavar="DATE", help=f"It counts from then on. {_DATES}")
    ] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="It counts until then, the day included.")] = "",
    gate: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only for this gate; may be repeated.")
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Add a plate to the list."""
    place = find_place(config, data_dir)
    verdict = Verdict.DENY if deny else Verdict.ALLOW
    entry = make_entry(
        plate,
        verdict,
        type=type,
        label=label,
        starts_at=parse_start(start, place.zone, verdict=verdict) if start else None,
        expires_at=parse_end(until, place.zone, verdict=verdict) if until else None,
        gates=gate or (),
        known_gates=place.gates,
    )
    if entry.expires_at is not None and entry.expires_at <= datetime.now(UTC):
        raise PlateListError(f"{until} is over already: give --until a later date")
    with Store.open(place.database) as store:
        overruled = store.plates.add(entry, by=operator()).result()
    typer.echo(f"{entry.plate} {'is denied' if deny else 'may pass'}{_limits(entry, place.zone)}.")
    for other in overruled:
        typer.echo(f"{other.plate} ({other.type.value}) stays on the list, but the denial wins.")


@app.command("list", epilog="Example: platebridge plates list --json")
def list_plates(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, times in UTC.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the list, sorted by plate."""
    place = find_place(config, data_dir)
    entries = _read_list(place.database).entries
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(describe(entry)))
        return
    now = datetime.now(UTC)
    rows = []
    for e in entries:
        gates = " ".join(e.gates) or "all"
        start, end = _local(e.starts_at, place.zone), _local(e.expires_at, place.zone)
        cells = (e.plate, e.verdict.value, e.type.value, e.label, start, end, gates, _state(e, now))
        rows.append(cells)
    titles = ("Plate", "Verdict", "Type", "Label", "From", "Until", "Gates", "Now")
    Console().print(plain_table(titles, rows))
    typer.echo(f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, times of {place.zone}")


@app.command(epilog="Example: platebridge plates remove 'B AB 123'")
def remove(
    plate: Annotated[str, typer.Argument(help="The plate, in any writing.")],
    allow: Annotated[bool, typer.Option("--allow", help="Remove only the entries that let it pass.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Remove only the entries that keep it out.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Remove every entry of a plate from the list."""
    verdict = None if allow == deny else Verdict.ALLOW if allow else Verdict.DENY
    place = find_place(config, data_dir)
    with Store.open(place.database) as store:
        gone = store.plates.remove(plate, verdict=verdict, by=operator()).result()
    for entry in gone:
        typer.echo(f"{entry.plate} ({entry.verdict.value}, {entry.type.value}) was removed.")


@app.command("import", epilog="Example: platebridge plates import residents.csv --dry-run")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV; `platebridge plates export` shows the columns.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Bring a file of plates into the list: all of it, or nothing and every problem by line.

    Entries that the file doesn't name stay as they are.
    """
    place = find_place(config, data_dir)
    rows = read_csv(_read_bytes(file), file.name, zone=place.zone, known_gates=place.gates)
    if dry_run:
        listed = _read_list(place.database) if place.database.exists() else ListSnapshot()
        typer.echo(f"Nothing was changed. The import would bring {_counts(plan_import(listed, rows))}.")
        return
    with Store.open(place.database) as store:
        plan = store.plates.import_rows(rows, by=f"{operator()}, import of {file.name[:80]}").result()
    typer.echo(f"Imported {_counts(plan)}.")


@app.command("export", epilog="Example: platebridge plates export residents.csv")
def export_file(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; without: to the screen.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write the list as CSV that `import` reads back; times in UTC."""
    entries = _read_list(find_place(config, data_dir).database).entries
    text = write_csv(entries)
    if file is None:
        typer.echo(text, nl=False)
        return
    try:
        with open(file, "w", encoding="utf-8", newline="", opener=_private) as out:
            out.write(text)
    except OSError as error:
        raise PlateListError(f"{file} cannot be written ({error.strerror}): name another place") from error
    typer.echo(f"Wrote {len(entries)} {'entry' if len(entries) == 1 else 'entries'} to {file}.")


def _read_list(database: Path) -> ListSnapshot:
    conn = connect_reader(database)
    try:
        return load(conn)
    finally:
        conn.close()


def _read_bytes(file: Path) -> bytes:
    try:
        # Opening a pipe would wait for its writer, maybe for ever.
        if not stat.S_ISREG(file.stat().st_mode):
            raise PlateListError(f"{file} is no file: name the CSV file to import")
        with file.open("rb") as source:
            # One more than is taken, so that the reader sees that there is more.
            return source.read(MAX_BYTES + 1)
    except OSError as error:
        raise PlateListError(
            f"{file} cannot be read ({error.strerror}): name the CSV file to import"
        ) from error


def _private(path: str, flags: int) -> int:
    """Plates are personal data: a new file is its owner's alone."""
    return os.open(path, flags, 0o600)


def _counts(plan: ImportPlan) -> str:
    return f"{len(plan.added)} new, {len(plan.updated)} changed, {plan.unchanged} unchanged"


def _limits(entry: Entry, zone: ZoneInfo) -> str:
    parts = []
    if entry.starts_at is not None:
        parts.append(f"from {_local(entry.starts_at, zone)}")
    if entry.expires_at is not None:
        parts.append(f"until {_local(entry.expires_at, zone)}")
    if entry.gates:
        parts.append(f"at {', '.join(entry.gates)}")
    return "".join(f" {part}" for part in parts) + (
        f" ({zone})" if entry.starts_at or entry.expires_at else ""
    )


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _state(entry: Entry, now: datetime) -> str:
    if entry.starts_at is not None and now < entry.starts_at:
        return "not yet"
    if entry.expires_at is not None and now >= entry.expires_at:
        return "over"
    return "counts"
