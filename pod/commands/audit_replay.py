"""`platebridge audit replay`: what would have been decided by other rules, or by another model."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from pod.commands.place import DEFAULT_CONFIG
from pod.commands.plain_table import plain_table
from pod.config_load import RulesConfig, load_config, load_rules
from pod.runtime.time_zone import zone_of
from pod.services.past_list import PastList
from pod.services.policy import policy_of
from pod.services.replay import Missing, Replay, Replayed, Reread
from pod.store.audit import AuditRow, row_from
from pod.store.connection import connect_reader, store_error
from pod.store.entry_rows import iso
from pod.store.list_snapshot import load
from pod.store.moments import to_us
from pod.store.store import FILE_NAME

SHOWN = 40
"""Changed decisions in the table; --json gives all of them."""

_COUNT_SQL = "SELECT count(*) FROM audit WHERE ts_us >= ?"
_BACK_SQL = "SELECT seq, ts_us, kind, payload, link FROM audit ORDER BY seq DESC"
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


_NOTES = {
    "erased": "decisions are erased and were left out",
    "without_evidence": "decisions rest on no kept evidence and were left out",
    "without_picture": "decisions have no kept picture and were left out",
    "unknown_list_changes": "changes of the list are not known any more: before them it is a guess",
}


@dataclass(frozen=True, slots=True)
class _Result:
    decisions: tuple[Replayed, ...]
    missing: Missing
    unknown_changes: int

    @property
    def changed(self) -> tuple[Replayed, ...]:
        return tuple(decision for decision in self.decisions if decision.is_changed)


def replay(
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="NEW.yaml", help="Other rules: a configuration, or a file with its access and site alone."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Another reader: a bundled name or an .onnx file; reads kept pictures."
        ),
    ] = None,
    since: Annotated[str, typer.Option(metavar="AGE", help="How far back: 30d, 12h or 45m.")] = "30d",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, the sum last.")] = False,
    config_path: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", envvar="PLATEBRIDGE_CONFIG")
    ] = DEFAULT_CONFIG,
) -> None:
    """Decide again what was decided, from the kept evidence or pictures, on the list as it was then.

    Nothing is opened or changed. Without --rules the present configuration decides. Shows the decisions that
    come out differently. A grant that other rules refuse might have come a moment later, when more frames had
    been read; and --model reads one kept picture, which says less than all frames of an approach.
    """
    config = load_config(config_path)
    given = load_rules(rules) if rules else RulesConfig(access=config.access, site=config.site)
    from_at = datetime.now(UTC) - _age(since)
    database = Path(config.data_dir) / FILE_NAME
    reread = _reader_of(model, config_path, database) if model else None
    with closing(connect_reader(database)) as conn:
        conn.execute("BEGIN")  # the list and the audit as of one moment
        try:
            run = Replay(
                PastList.of(load(conn)),
                site=config.site.id,
                zone=zone_of(given.site.time_zone),
                policy=policy_of(given.access, given.site),
                reread=reread,
            )
            rows = _rows(conn, from_at, quiet=as_json)
            decisions = tuple(one for one in run.run(rows) if one.at >= from_at)
        except sqlite3.Error as error:
            raise store_error(database, error) from error
    result = _Result(decisions[::-1], run.missing, run.past.unknown)
    if as_json:
        _print_json(result)
    else:
        _print_table(result, zone_name=config.site.time_zone)


def _age(text: str) -> timedelta:
    form = re.fullmatch(r"([0-9]{1,5})([dhm])", text.strip())
    if form is None:
        raise typer.BadParameter("write a number and d, h or m, such as 30d", param_hint="--since")
    return int(form[1]) * _UNITS[form[2]]


def _rows(conn: sqlite3.Connection, from_at: datetime, *, quiet: bool) -> Iterator[AuditRow]:
    """The audit from its end back to the moment, with a progress bar where somebody looks."""
    (left,) = conn.execute(_COUNT_SQL, (to_us(from_at),)).fetchone()
    console = Console(stderr=True)
    shown = not quiet and console.is_terminal
    with Progress(console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task("deciding again", total=left)
        for row in map(row_from, conn.execute(_BACK_SQL)):
            if left == 0:
                return
            if row.at >= from_at:
                left -= 1
                progress.advance(task)
            yield row


def _print_json(result: _Result) -> None:
    for decision in result.decisions:
        typer.echo(json.dumps(_as_json(decision)))
    typer.echo(json.dumps(_sum(result)))


def _as_json(one: Replayed) -> dict[str, object]:
    return {
        "seq": one.seq,
        "time": iso(one.at),
        "approach": one.approach,
        "camera": one.camera,
        "gate": one.gate,
        "was": {"allowed": one.allowed, "reason": one.reason, "plate": one.plate},
        "would": {"allowed": one.would_allow, "reason": one.would.reason, "plate": one.would.plate},
        "changed": one.is_changed,
    }


def _sum(result: _Result) -> dict[str, object]:
    changed = result.changed
    return {
        "decisions": len(result.decisions),
        "changed": len(changed),
        "let_in_now": sum(one.would_allow for one in changed),
        "kept_out_now": sum(one.allowed for one in changed),
        "erased": result.missing.erased,
        "without_evidence": result.missing.without_evidence,
        "without_picture": result.missing.without_picture,
        "unknown_list_changes": result.unknown_changes,
    }


def _print_table(result: _Result, *, zone_name: str | None) -> None:
    zone, changed = zone_of(zone_name), result.changed
    if changed:
        titles = ("Row", "Time", "Camera", "Plate", "Was", "Would be")
        rows: Sequence[tuple[str, ...]] = [
            (
                str(one.seq),
                one.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
                one.camera,
                one.plate if one.plate == one.would.plate else f"{one.plate} -> {one.would.plate}",
                _words(one.allowed, one.was),
                _words(one.would_allow, one.would.sentence),
            )
            for one in changed[-SHOWN:]
        ]
        Console().print(plain_table(titles, rows))
        if len(changed) > SHOWN:
            typer.echo(f"and {len(changed) - SHOWN} older ones: --json gives all")
    total = _sum(result)
    typer.echo(
        f"{total['decisions']} decisions made again: {total['let_in_now']} more let in, "
        f"{total['kept_out_now']} more kept out, the rest as before"
    )
    for key, words in _NOTES.items():
        if total[key]:
            typer.echo(f"note: {total[key]} {words}")


def _words(allowed: bool, sentence: str) -> str:
    return f"{'in' if allowed else 'out'}: {sentence}"


def _reader_of(model: str, config_path: Path, database: Path) -> Reread:
    """Loaded only when asked for: the models take a second."""
    from pod.commands.replay_reader import picture_reader

    return picture_reader(model, load_config(config_path), database)
