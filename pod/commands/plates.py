"""`platebridge plates`: keep the access list, while the pod runs or not."""

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pod.commands.choices import choices, one_of
from pod.commands.operator import operator
from pod.commands.place import ConfigOption, DataDirOption, find_place
from pod.commands.plain_table import plain_table
from pod.commands.plate_words import TITLES, cells, limits
from pod.commands.site_switches import auto_grant, lockdown
from pod.domain.entry import EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.schedule import parse_schedule
from pod.store.connection import connect_reader
from pod.store.entries import MAX_USES, make_entry
from pod.store.entry_rows import describe
from pod.store.list_changes import Step
from pod.store.list_plan import ImportPlan, plan_import
from pod.store.list_problems import report
from pod.store.list_snapshot import ListSnapshot, load
from pod.store.list_times import parse_end, parse_start
from pod.store.plate_csv import MAX_BYTES, examine_csv, read_csv, write_csv
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
    type: Annotated[
        EntryType,
        typer.Option(
            parser=one_of(EntryType), metavar="TYPE", help=f"Why it is on the list: {choices(EntryType)}."
        ),
    ] = EntryType.RESIDENT,
    deny: Annotated[
        bool, typer.Option("--deny", help="Keep this plate out, whatever else the list says.")
    ] = False,
    label: Annotated[str, typer.Option(help="Whose it is, or what for: one line of 80 characters.")] = "",
    start: Annotated[
        str, typer.Option("--from", metavar="DATE", help=f"It counts from then on. {_DATES}")
    ] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="It counts until then, the day included.")] = "",
    schedule: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="Only then in the week, such as 'mon-fri 08:00-18:00; sat 09:00-13:00'.",
        ),
    ] = "",
    gate: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only for this gate; may be repeated.")
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only as this camera sees it; may be repeated.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only at this site; may be repeated.")
    ] = None,
    uses: Annotated[
        int | None, typer.Option(min=1, max=MAX_USES, help="Only so often; each opening takes one.")
    ] = None,
    exact_only: Annotated[
        bool,
        typer.Option("--exact-only", help="Open only for a reading of exactly this plate, never a near one."),
    ] = False,
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
        cameras=camera or (),
        sites=site or (),
        schedule=parse_schedule(schedule) if schedule else None,
        uses_left=uses,
        exact_only=exact_only,
        known_gates=place.gates,
        known_cameras=place.cameras,
    )
    if entry.expires_at is not None and entry.expires_at <= datetime.now(UTC):
        raise PlateListError(f"{until} is over already: give --until a later date")
    with Store.open(place.database) as store:
        change = store.plates.add(entry, by=operator()).result()
    typer.echo(f"{entry.plate} {'is denied' if deny else 'may pass'}{limits(entry, place.zone)}.")
    for other in change.overruled:
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
    Console().print(plain_table(TITLES, [cells(entry, now, place.zone) for entry in entries]))
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
        change = store.plates.remove(plate, verdict=verdict, by=operator()).result()
    for entry in change.entries:
        typer.echo(f"{entry.plate} ({entry.verdict.value}, {entry.type.value}) was removed.")
    typer.echo(f"`platebridge plates undo {change.id}` brings it back.")


@app.command(epilog="Example: platebridge plates undo 42")
def undo(
    change: Annotated[
        int | None,
        typer.Argument(min=1, metavar="[NUMBER]", help="Of the change, as `platebridge audit` shows it."),
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take a change of the list back; without a number the newest one. Undone twice, it stands again."""
    place = find_place(config, data_dir)
    with Store.open(place.database) as store:
        made = store.plates.undo(change, by=operator()).result()
    for step in made.steps:
        typer.echo(
            f"{step.entry.plate} ({step.entry.verdict.value}, {step.entry.type.value}) {_became(step)}."
        )


@app.command("import", epilog="Example: platebridge plates import residents.csv --check")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV; `platebridge plates export` shows the columns.")],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; say what would change, or every problem.")
    ] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Bring a file of plates into the list: all of it, or nothing and every problem by line.

    Entries that the file doesn't name stay as they are.
    """
    place = find_place(config, data_dir)
    data = _read_bytes(file)
    if check:
        listed = _read_list(place.database) if place.database.exists() else ListSnapshot()
        reading = examine_csv(data, zone=place.zone, known_gates=place.gates, known_cameras=place.cameras)
        plan = plan_import(listed.index, reading.rows)
        problems = (*reading.problems, *plan.problems)
        if problems:
            typer.echo(report(problems, file.name))
            raise typer.Exit(1)
        typer.echo(f"Nothing was changed. The import would bring {_counts(plan)}.")
        return
    rows = read_csv(data, file.name, zone=place.zone, known_gates=place.gates, known_cameras=place.cameras)
    with Store.open(place.database) as store:
        by = f"{operator()}, import of {file.name[:80]}"
        plan = store.plates.import_rows(rows, by=by, name=file.name).result()
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


def _became(step: Step) -> str:
    if step.after is None:
        return "was removed"
    return "is on the list again" if step.before is None else "is as it was before"


app.command(epilog="Example: platebridge plates lockdown on")(lockdown)
app.command("auto-grant", epilog="Example: platebridge plates auto-grant off")(auto_grant)
