"""A backup in one file of one's own, made while the POD runs, and its way back while it does not."""

import contextlib
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import audit, list_copy
from pod.store.connection import store_error
from pod.store.copies import FOLDER, find_copies, open_copy, verify_structure, write_copy
from pod.store.file_place import FilePlace
from pod.store.head_note import FILE_NAME as NOTE_NAME
from pod.store.migrate import migrate
from pod.store.moments import from_us, to_us
from pod.store.private_file import fsync_file
from pod.store.recovery import STAMP, building_place, complete, finish_exchange
from pod.store.stricter import Kept, keep_stricter, read_former

_MAKE_LABEL = """
CREATE TABLE backup_label
(made_us INTEGER NOT NULL, config_sha256 TEXT NOT NULL, made_by TEXT NOT NULL) STRICT
"""


_ANOTHER = "name a file made by `platebridge pod backup`"
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Label:
    """What a backup says of itself.

    Attributes:
        made_at: aware UTC.
        config_sha256: of the configuration's file then, hex; empty where it was not told.
        made_by: the version of PlateBridge.
        rows: in its audit.
        entries: in its access list.
        head: its audit's end, as `audit verify --head` takes it.
    """

    made_at: datetime
    config_sha256: str
    made_by: str
    rows: int
    entries: int
    head: audit.Head


def back_up(database: Path, target: Path, *, now: datetime, config_sha256: str, made_by: str) -> Label:
    """Write access list, audit and all else to one private file, verified; the POD may run.

    Raises:
        StoreError: there is a file already, its place is the data directory, the disk refuses, or the
            database is damaged.
    """
    if target.resolve().is_relative_to(database.parent.resolve()):
        raise StoreError(f"{target} lies in the data directory: name a place on another disk")
    if target.exists():
        raise StoreError(f"{target} exists: name a file that does not, or move it away first")

    def label(conn: sqlite3.Connection) -> None:
        conn.execute(_MAKE_LABEL)
        conn.execute("INSERT INTO backup_label VALUES (?, ?, ?)", (to_us(now), config_sha256, made_by))

    write_copy(database, target, breathe=lambda: 0, finish=label)
    return examine(target)


def examine(backup: Path) -> Label:
    """Read a backup whole, and what it says of itself.

    Raises:
        StoreError: it is no backup, or damaged.
    """
    _check_kind(backup)
    try:
        with open_copy(backup) as conn:
            made_us, config_sha256, made_by = conn.execute("SELECT * FROM backup_label").fetchone()
            (entries,) = conn.execute("SELECT count(*) FROM entry").fetchone()
    except (sqlite3.Error, TypeError, ValueError) as error:
        if isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise StoreError(f"{backup} is damaged ({error}): {_ANOTHER}") from error
        raise StoreError(f"{backup} is no backup ({error}): {_ANOTHER}") from error
    result = verify_structure(backup, breathe=lambda: 0)
    return Label(from_us(made_us), config_sha256, made_by, result.rows, entries, result.head)


def _check_kind(backup: Path) -> None:
    try:
        with backup.open("rb") as file:
            start = file.read(len(_SQLITE))
    except FileNotFoundError:
        raise StoreError(f"there is no file {backup}: {_ANOTHER}") from None
    except IsADirectoryError:
        raise StoreError(f"{backup} is a directory: {_ANOTHER}") from None
    except OSError as error:
        raise StoreError(f"{backup} cannot be read ({error.strerror}): run this as its owner") from error
    if not start:
        raise StoreError(f"{backup} is empty: {_ANOTHER}")
    if start != _SQLITE:
        raise StoreError(f"{backup} is no backup: {_ANOTHER}")


def restore(database: Path, backup: Path, *, by: str, now_us: int) -> tuple[Label, Path | None, Kept]:
    """Put a backup in the database's place; what was there is kept in the quarantine.

    No lockdown ends by it, and no use that was taken comes back: see `stricter`.

    Only with the data directory's lock held.

    Returns:
        What the backup says of itself; where the former database lies, None where there was none; and what
        holds on of it.

    Raises:
        StoreError: the backup is damaged or of a newer PlateBridge, or the disk refuses; nothing changed.
    """
    label = examine(backup)
    had_one = database.exists()
    former = read_former(database)
    building = building_place(database)
    stamp = from_us(now_us).strftime(STAMP)
    try:
        shutil.copyfile(backup, building)
        with closing(sqlite3.connect(building, isolation_level=None)) as conn:
            conn.execute("DROP TABLE backup_label")
            migrate(conn)
            conn.execute("BEGIN IMMEDIATE")
            kept = Kept(is_known=not had_one) if former is None else keep_stricter(conn, former)
            row = {
                "reason": "restored by hand",
                "copy_at": label.made_at.isoformat(),
                "by": by,
                "lockdown_kept": kept.lockdown,
                "by_hand_only_kept": kept.by_hand_only,
                "uses_kept": len(kept.uses),
            }
            audit.append(conn, [audit.seal("recovery", row, now_us)])
            _raise_version(conn, above=-1 if former is None else former.version)
            conn.execute("COMMIT")
        fsync_file(building)
        with FilePlace(database).exchanging():
            # It tells of the former database, and would be taken for proof against this one.
            (database.parent / FOLDER / NOTE_NAME).unlink(missing_ok=True)
            complete(building, database)
            place = finish_exchange(database, stamp=stamp)
            _move_copies(database.parent / FOLDER, place)
    except sqlite3.Error as error:
        raise store_error(backup, error) from error
    except OSError as error:
        raise StoreError(
            f"{backup} cannot take the place of {database} ({error.strerror}): "
            "make room, and run this as the owner of the data directory"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            building.unlink(missing_ok=True)
    return label, place if had_one else None, kept


def _raise_version(conn: sqlite3.Connection, *, above: int) -> None:
    (own,) = conn.execute("SELECT version FROM list_state").fetchone()
    version = max(own, above) + 1
    conn.execute("UPDATE list_state SET version = ?, gone_since = ?", (version, version))
    conn.execute("UPDATE entry SET version = ?", (version,))


def _move_copies(folder: Path, place: Path) -> None:
    """Out of the way of a later recovery."""
    names = [*list_copy.NAMES, *(copy.path.name for copy in find_copies(folder))]
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            (folder / name).replace(place / name)
