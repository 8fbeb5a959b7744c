"""`platebridge audit show`: one car, with every row about it and the files of its pictures and clips."""

import json
from typing import Annotated

import typer

from pod.commands.place import ConfigOption, DataDirOption, find_place
from pod.domain.access import REASONS
from pod.store.car_search import rows_of
from pod.store.entry_rows import iso
from pod.store.media import FOLDER_NAME
from pod.store.media_folder import MediaFolder
from pod.store.media_index import MediaIndex


def show(
    context: typer.Context,
    approach: Annotated[str, typer.Argument(help="The car: `approach` in `platebridge audit --json`.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, times in UTC.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show every row about one car and where its pictures and clips lie; exits 1 where nothing is kept."""
    given = context.parent.params if context.parent else {}  # `audit --data-dir DIR show` works as well
    place = find_place(config or given.get("config"), data_dir or given.get("data_dir"))
    rows = rows_of(place.database, approach)
    index = MediaIndex(place.database, MediaFolder(place.database.parent / FOLDER_NAME))
    pictures = [(item, path) for item in index.find(approach) if (path := index.path(item.id)) is not None]
    clips = [(clip, path) for clip in index.clips(approach) if (path := index.path(clip.id)) is not None]
    for row in rows:
        if as_json:
            fact = {"seq": row.seq, "time": iso(row.at), "kind": row.kind, "payload": row.payload}
            typer.echo(json.dumps(fact))
            continue
        payload = row.payload or {}
        reason = str(payload.get("reason") or payload.get("result") or payload.get("fact") or "")
        time = row.at.astimezone(place.zone).strftime("%Y-%m-%d %H:%M:%S")
        told = f"{payload.get('plate') or '-'}  {REASONS.get(reason, reason)}"
        typer.echo(f"{row.seq}  {time}  {row.kind}  {told}")
    for item, path in pictures:
        fact = {"picture": str(path), "kind": item.kind, "revision": item.revision, "time": iso(item.at)}
        typer.echo(json.dumps(fact) if as_json else f"revision {item.revision}  {item.kind}  {path}")
    for clip, path in clips:
        fact = {"clip": str(path), "revision": clip.revision, "time": iso(clip.at)}
        typer.echo(json.dumps(fact) if as_json else f"revision {clip.revision}  clip  {path}")
    if not rows and not pictures and not clips:
        typer.echo(f"nothing is kept of {approach!r}: `platebridge audit --json` tells each car's approach")
        raise typer.Exit(1)
