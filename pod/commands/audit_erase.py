"""`platebridge audit erase`: take a plate out of the audit and the pictures; the chain stays whole."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.operator import operator
from pod.commands.place import ConfigOption, DataDirOption, find_place
from pod.domain.errors import StoreError
from pod.domain.plates import match_key, parse_plate
from pod.store.connection import check_readable, connect_writer, store_error
from pod.store.copies import FOLDER as BACKUPS
from pod.store.erasure import erase_plate, names
from pod.store.journal import FILE_NAME as JOURNAL
from pod.store.journal import FOLDER as JOURNALS
from pod.store.journal import find_rows
from pod.store.media import FOLDER_NAME, MediaStore
from pod.store.recovery import QUARANTINE
from pod.store.store import Store

LOG_TIMEOUT_S = 2.0
"""How long readers of older states are waited for."""

_OLDER_COPIES = {
    BACKUPS: "a running POD replaces them within some hours",
    QUARANTINE: "delete those that nobody needs any more",
}


def erase(
    context: typer.Context,
    plate: Annotated[str, typer.Argument(help="The plate, in any writing.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Erase what the audit says about a plate, and its pictures.

    It cannot be undone. The rows stay in their chain without content, and a new row notes the erasure, but
    not the plate. An entry in the list stays: see `platebridge plates remove`. Backups made earlier, wherever
    they are, still hold it.
    """
    canonical = parse_plate(plate)
    given = context.parent.params if context.parent else {}  # `audit --data-dir DIR erase` works as well
    place = find_place(config or given.get("config"), data_dir or given.get("data_dir"))
    check_readable(place.database)
    if not yes:
        typer.confirm(f"Erase everything about {canonical} from audit and pictures, for good?", abort=True)
    with Store.open(place.database) as store:
        media = MediaStore(place.database.parent / FOLDER_NAME, store, quota_bytes=0, min_free_bytes=0)
        rows, pictures = erase_plate(store, media, canonical, by=operator())
        listed = any(entry.key == match_key(canonical) for entry in store.plates.current.entries)
    _empty_log(place.database)
    typer.echo(f"erased {_counted(rows, 'row')} and {_counted(pictures, 'picture')}")
    if listed:
        typer.echo(f"{canonical} is still on the list: `platebridge plates remove {canonical}` takes it off")
    waiting = _waiting(place.database.parent / JOURNALS / JOURNAL, match_key(canonical))
    if waiting:
        typer.echo(
            f"{_counted(waiting, 'row')} of it still in the journal: run this again when the database of a "
            "running POD has taken what waits there"
        )
    for copies, mend in _OLDER_COPIES.items():
        folder = place.database.parent / copies
        if folder.is_dir() and any(folder.iterdir()):
            typer.echo(f"older copies in {folder} may still hold it: {mend}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _waiting(journal: Path, key: str) -> int:
    """How many rows of the journal name a plate.

    Raises:
        StoreError: it can't be read.
    """
    try:
        content = journal.read_bytes()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(
            f"{journal} cannot be read ({error.strerror}), it may hold rows of the plate: "
            "run this as the owner of the data directory"
        ) from error
    return sum(names(json.loads(row.payload), key) for row in find_rows(content).rows)


def _empty_log(database: Path) -> None:
    """Bring the write-ahead log into the database and cut it off: it still holds what the rows said.

    Raises:
        StoreError: the file can't be written, or somebody reads an older state of it.
    """
    with contextlib.closing(connect_writer(database, busy_timeout_s=LOG_TIMEOUT_S)) as conn:
        try:
            (is_busy, *_) = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise store_error(database, error) from error
    if is_busy:
        raise StoreError(
            f"{database}: all is erased, but its log holds a copy that another process still reads: "
            "run this again when that has ended"
        )
