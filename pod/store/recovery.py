"""Put a good database in the place of a damaged one: the last good copy, and all that can be proved since.

build     pod.db.restoring    the copy, the damaged file's newer rows, the newest list
complete  pod.db.restored     from here on the exchange is only finished, never begun anew
exchange  quarantine/TIME/    the damaged file and its log, never deleted; then pod.db
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import audit, list_copy
from pod.store.connection import store_error
from pod.store.copies import FOLDER, Copy, find_copies, verify_copy
from pod.store.diagnosis import SpoiledError, find_damage
from pod.store.head_note import HeadNote
from pod.store.journal import FOLDER as JOURNAL_FOLDER
from pod.store.list_repeat import repeat_changes
from pod.store.migrate import migrate
from pod.store.moments import from_us
from pod.store.private_file import create_private, fsync_directory, fsync_file, make_private_folder
from pod.store.salvage import note_emptied, salvage, salvage_held

QUARANTINE = "quarantine"
"""Where damaged files are kept, in the data directory."""

STAMP = "%Y%m%dT%H%M%S.%fZ"

_KEPT = {FOLDER: "the copies", JOURNAL_FOLDER: "the journal"}
"""What else lies in the data directory of every running POD, and how people call it."""

_PAGES_A_BEAT = 2000

_BESIDE = ("-wal", "-shm", "")
"""The log first: beside another database it would be replayed into that."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was put back.

    Attributes:
        reason: what was wrong with the damaged file.
        quarantine: its name in the quarantine.
        copy_at: when the copy was made, ISO 8601; None where there was none.
        rows_salvaged: audit rows newer than the copy.
        rows_emptied: how many of them lost what they said, their place in the chain apart.
        rows_lost: audit rows known to have been there and lost.
        list_at: when the list was as it is now, ISO 8601; None where nothing of it is left.
        withdrawn: plates whose entries were taken out, because a change of them could not be repeated whole.
        is_list_unsure: changes of the list after `list_at` may be missing; all counted uses are spent.
        is_from_memory: nothing was lost: the running POD still held the database whole, and wrote it anew.
        gone: what else was missing in the data directory.
    """

    reason: str
    quarantine: str
    copy_at: str | None
    rows_salvaged: int
    rows_emptied: int
    rows_lost: int
    list_at: str | None
    withdrawn: tuple[str, ...]
    is_list_unsure: bool
    is_from_memory: bool = False
    gone: tuple[str, ...] = ()

    def sentence(self) -> str:
        """For people: what happened, and what they must look at."""
        text = f"The database was damaged ({self.reason}) and is kept in {QUARANTINE}/{self.quarantine}. "
        if self.gone:
            text += f"Gone from the data directory, too: {', '.join(self.gone)}. "
        if self.is_from_memory:
            return text + (
                "The POD still held all of it and wrote it anew: leave the data directory to the POD, "
                "look who cleans it up, and at the disk's health."
            )
        if self.copy_at is None:
            text += "There was no good copy; "
        else:
            text += f"The copy of {self.copy_at} was put back; "
        text += f"{self.rows_salvaged} newer audit rows were saved, {self.rows_lost} are known to be lost. "
        if self.list_at is None:
            return text + "Nothing of the access list is left, nobody is let in: import it again."
        if self.withdrawn:
            plates = ", ".join(self.withdrawn[:20])
            text += f"Taken off the list, add them again if they are right: {plates}. "
        if self.is_list_unsure:
            text += f"The access list is that of {self.list_at}; compare it with yours, and count uses anew."
        return text


def recover(
    path: Path,
    *,
    reason: str,
    now_us: int,
    list_above: int = -1,
    beat: Callable[[], None],
    held: sqlite3.Connection | None = None,
) -> Recovery:
    """Build a good database, exchange it for the damaged one, and audit that.

    Only for the process that keeps the data directory, with the exchange's lock held.

    Args:
        list_above: a list version that readers may have seen; the list goes on behind it.
        beat: called now and then.
        held: the connection that the damaged file is open in: it may hold what the file's name leads to no
            more. None where there is none.

    Raises:
        StoreError: the disk refuses; the damaged file is still in its place.
    """
    folder = path.parent
    now = from_us(now_us)

    def breathe() -> int:
        beat()
        return 0

    try:
        gone = () if held is None else _gone(folder)
        make_private_folder(folder / FOLDER)
        copy = _good_copy(folder / FOLDER, breathe)
        building = building_place(path)
        if copy is not None:
            shutil.copyfile(copy.path, building)
        stamp = now.strftime(STAMP)
        with closing(sqlite3.connect(building, isolation_level=None)) as conn:
            conn.execute("PRAGMA journal_mode = DELETE")
            conn.set_progress_handler(breathe, 20_000)
            migrate(conn)
            conn.execute("BEGIN IMMEDIATE")
            result = _rebuild(
                conn,
                path,
                copy,
                held=held,
                gone=gone,
                reason=reason,
                quarantine=stamp,
                now_us=now_us,
                list_above=list_above,
                breathe=breathe,
            )
            conn.execute("COMMIT")
        verify_copy(building, breathe=breathe)
        fsync_file(building)
        complete(building, path)
        finish_exchange(path, stamp=stamp)
        HeadNote(folder / FOLDER).reset()
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    except OSError as error:
        raise StoreError(
            f"{path} is damaged ({reason}), and the last good copy cannot be put back ({error.strerror}): "
            "free space on its disk, and start the pod again"
        ) from error
    return result


def put_back(
    conn: sqlite3.Connection, path: Path, *, reason: str, now_us: int, beat: Callable[[], None]
) -> Recovery:
    """Write what an open connection still holds under the database's name, whatever lies there now.

    Only with the exchange's lock held. What is written is verified from the first row to the last, and
    against the copy of the list, before it takes the place.

    Args:
        beat: called now and then.

    Raises:
        SpoiledError: what the connection holds is not whole, or not the newest; nothing changed.
        StoreError, sqlite3.Error: the same, or the disk refuses.
        OSError: the disk refuses.
    """
    folder = path.parent

    def breathe() -> int:
        beat()
        return 0

    gone = _gone(folder)
    make_private_folder(folder / FOLDER)
    building = building_place(path)
    stamp = from_us(now_us).strftime(STAMP)
    result = Recovery(
        reason=reason,
        quarantine=stamp,
        copy_at=None,
        rows_salvaged=0,
        rows_emptied=0,
        rows_lost=0,
        list_at=from_us(now_us).isoformat(),
        withdrawn=(),
        is_list_unsure=False,
        is_from_memory=True,
        gone=gone,
    )
    try:
        with closing(sqlite3.connect(building, isolation_level=None)) as target:
            conn.backup(target, pages=_PAGES_A_BEAT, progress=lambda *_: beat())
            target.execute("PRAGMA journal_mode = DELETE")
            target.set_progress_handler(breathe, 20_000)
            damage = find_damage(target, folder / FOLDER)
            if damage is not None:
                raise SpoiledError(damage.reason)
            target.execute("BEGIN IMMEDIATE")
            row = asdict(result) | {"text": result.sentence()}
            audit.append(target, [audit.seal("recovery", row, now_us)])
            target.execute("COMMIT")
        verify_copy(building, breathe=breathe)
        fsync_file(building)
        complete(building, path)
        finish_exchange(path, stamp=stamp)
    finally:
        with contextlib.suppress(OSError):
            building.unlink(missing_ok=True)
    return result


def _gone(folder: Path) -> tuple[str, ...]:
    return tuple(words for name, words in _KEPT.items() if not (folder / name).exists())


def building_place(path: Path) -> Path:
    """An empty private file in which a new database is built; what a crash left of another is deleted.

    Raises:
        OSError: the disk refuses.
    """
    building = path.with_name(path.name + ".restoring")
    for name in (building.name, building.name + "-journal"):
        path.with_name(name).unlink(missing_ok=True)
    os.close(create_private(building))
    return building


def complete(building: Path, path: Path) -> None:
    """Declare a new database whole and on disk: from now on it takes its place, crash or not.

    Raises:
        OSError: the disk refuses.
    """
    building.replace(_restored(path))
    fsync_directory(path.parent)


def is_exchange_open(path: Path) -> bool:
    """Whether a crash cut an exchange off; not where the directory can't be looked into."""
    try:
        return _restored(path).exists()
    except OSError:
        return False


def finish_exchange(path: Path, *, stamp: str | None = None) -> Path:
    """Put the complete new database in its place; after a crash, the rest of that. Under the exchange's lock.

    Returns:
        Where the former database is.

    Raises:
        StoreError: the disk refuses.
    """
    restored = _restored(path)
    try:
        made = datetime.fromtimestamp(restored.stat().st_mtime, UTC)
        place = _move_away(path, stamp or made.strftime(STAMP))
        restored.replace(path)
        fsync_directory(path.parent)
    except OSError as error:
        raise StoreError(
            f"{path}: the restored database cannot take its place ({error.strerror}): "
            "make room, or make the data directory writable"
        ) from error
    return place


def _move_away(path: Path, name: str) -> Path:
    """Put a database, with its log, into the quarantine under a name of its own; returns the folder.

    Raises:
        OSError: the disk refuses.
    """
    quarantine = path.parent / QUARANTINE
    make_private_folder(quarantine)
    place = quarantine / name
    make_private_folder(place)
    for end in _BESIDE:
        part = path.with_name(path.name + end)
        with contextlib.suppress(FileNotFoundError):
            part.replace(place / part.name)
    fsync_directory(place)
    fsync_directory(path.parent)
    return place


def _rebuild(
    conn: sqlite3.Connection,
    damaged: Path,
    copy: Copy | None,
    *,
    held: sqlite3.Connection | None,
    gone: tuple[str, ...],
    reason: str,
    quarantine: str,
    now_us: int,
    list_above: int,
    breathe: Callable[[], int],
) -> Recovery:
    """Inside one transaction: salvage, bring the list up to date, and write the row that tells of it."""
    saved = (
        salvage(damaged, conn, breathe=breathe) if held is None else salvage_held(held, conn, breathe=breathe)
    )
    note = HeadNote(damaged.parent / FOLDER).read()
    end_seq = audit.read_head(conn).seq
    known_seq = max(note.seq, saved.claimed_seq)
    rows_lost = max(0, known_seq - end_seq)
    since_seq, list_version = end_seq - saved.rows, _own_version(conn)
    list_at = None if copy is None else copy.at
    kept = list_copy.find(damaged.parent / FOLDER)
    if kept is not None and kept.version >= list_version and _take_list(conn, kept):
        since_seq, list_version, list_at = kept.seq, kept.version, from_us(kept.at_us)
    seen_version = max(saved.list_version, note.list_version, list_above)
    withdrawn: tuple[str, ...] = ()
    is_unsure = False
    if list_version < seen_version:
        withdrawn, is_whole = repeat_changes(conn, since_seq)
        is_unsure = rows_lost > 0 or not is_whole
        if is_unsure:
            conn.execute("UPDATE entry SET uses_left = 0 WHERE uses_left IS NOT NULL")
    version = max(list_version, seen_version) + 1
    conn.execute("UPDATE list_state SET version = ?, gone_since = ?", (version, version))
    conn.execute("UPDATE entry SET version = ?", (version,))
    result = Recovery(
        reason=reason,
        quarantine=quarantine,
        copy_at=None if copy is None else copy.at.isoformat(),
        rows_salvaged=saved.rows,
        rows_emptied=saved.emptied,
        rows_lost=rows_lost,
        list_at=None if list_at is None else list_at.isoformat(),
        withdrawn=withdrawn,
        is_list_unsure=is_unsure,
        gone=gone,
    )
    note_emptied(conn, now_us=now_us, breathe=breathe)
    row = asdict(result) | {"known_seq": known_seq, "text": result.sentence()}
    audit.append(conn, [audit.seal("recovery", row, now_us)])
    return result


def _own_version(conn: sqlite3.Connection) -> int:
    (version,) = conn.execute("SELECT version FROM list_state").fetchone()
    return int(version)


def _take_list(conn: sqlite3.Connection, kept: list_copy.ListCopy) -> bool:
    """Whether the copy of the list fits; one of an older schema need not."""
    conn.execute("SAVEPOINT list")
    try:
        list_copy.write_list(conn, kept, version=kept.version)
    except sqlite3.Error:
        conn.execute("ROLLBACK TO list")
        return False
    finally:
        conn.execute("RELEASE list")
    return True


def _good_copy(folder: Path, breathe: Callable[[], int]) -> Copy | None:
    for copy in find_copies(folder):
        with contextlib.suppress(StoreError):
            verify_copy(copy.path, breathe=breathe)
            return copy
    return None


def _restored(path: Path) -> Path:
    return path.with_name(path.name + ".restored")
