"""A copy of the access list beside the database, renewed after each change; proves the list, or replaces it.

    first line   SHA-256 of the rest, hex
    second line  {"version", "seq", "columns", "switches", "at_us"}
    more lines   one entry in force each, its values in the order of `columns`

It knows tables and columns, not what they mean. Entries of an import that is under way are in no copy.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pod.store.private_file import create_private, fsync_directory, write_at

NAMES = ("list.copy", "list.copy.before")
"""The newest copy, and the one before."""

_BOOKKEEPING = frozenset({"brought_by", "ended_by"})
"""Columns of an entry that change without changing the list."""

_VOLATILE = frozenset({"confirmed_us", "gone_since"})
"""Columns of `list_state` that change without a new version."""

_CHUNK_ROWS = 500


@dataclass(frozen=True, slots=True)
class ListCopy:
    """The list at one version.

    Attributes:
        seq: the audit's end at that moment.
        columns: of an entry, in the order of `rows`.
        rows: the entries in force, by id.
        switches: the one row of `list_state`, by column.
        at_us: when it was taken, microseconds since 1970 UTC.
    """

    version: int
    seq: int
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    switches: Mapping[str, object]
    at_us: int

    def contradiction(self, held: "ListCopy") -> str:
        """Why `held`, read later from the database, can't be true; empty where it can.

        At the same version everything must be as it was; at a later one each entry not changed since.
        """
        if held.version < self.version:
            return f"the access list is that of version {held.version}, it was at {self.version}"
        if held.version == self.version:
            is_same = (self.columns, self.rows, self._lasting()) == (held.columns, held.rows, held._lasting())
            return "" if is_same else f"the access list of version {held.version} is not as it was written"
        if held.columns != self.columns:
            return ""
        id_at, version_at = self.columns.index("id"), self.columns.index("version")
        before = {row[id_at]: row for row in self.rows}
        for row in held.rows:
            known = before.get(row[id_at])
            if known is not None and known[version_at] == row[version_at] and known != row:
                return f"entry {row[id_at]} of the access list was changed by nobody"
        return ""

    def _lasting(self) -> dict[str, object]:
        return {name: value for name, value in self.switches.items() if name not in _VOLATILE}


def read_list(conn: sqlite3.Connection, *, now_us: int) -> ListCopy:
    """The list as the database holds it.

    Args:
        conn: inside a transaction, so that all is of one moment.

    Raises:
        sqlite3.Error: it can't be read.
    """
    columns = tuple(
        name
        for (name,) in conn.execute("SELECT name FROM pragma_table_info('entry') ORDER BY cid")
        if name not in _BOOKKEEPING
    )
    rows = conn.execute(f"SELECT {', '.join(columns)} FROM entry_in_force ORDER BY id").fetchall()  # noqa: S608 - the schema's own names
    cursor = conn.execute("SELECT * FROM list_state")
    names = [field[0] for field in cursor.description]
    switches = dict(zip(names, cursor.fetchone(), strict=True))
    (seq,) = conn.execute("SELECT seq FROM audit_head").fetchone()
    return ListCopy(int(switches["version"]), int(seq), columns, tuple(rows), switches, now_us)


def write_list(conn: sqlite3.Connection, copy: ListCopy, *, version: int) -> None:
    """Make the database's list that of the copy, inside the caller's transaction.

    Args:
        version: the list's version from now on; higher than any that a reader may have seen.

    Raises:
        sqlite3.Error: the copy does not fit this schema.
    """
    for table in ("entry", "entry_gone", "list_import"):
        conn.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
    places = ", ".join("?" * len(copy.columns))
    conn.executemany(
        f"INSERT INTO entry ({', '.join(copy.columns)}) VALUES ({places})",  # noqa: S608 - the schema's own names
        copy.rows,
    )
    conn.execute("UPDATE entry SET version = ?", (version,))
    kept = {n: v for n, v in copy.switches.items() if n not in ("only", "version", "gone_since")}
    assignments = ", ".join(f"{name} = ?" for name in (*kept, "version", "gone_since"))
    conn.execute(f"UPDATE list_state SET {assignments}", (*kept.values(), version, version))  # noqa: S608 - as above


def save(folder: Path, copy: ListCopy) -> None:
    """Put a copy on disk; the one there becomes the one before.

    Raises:
        OSError: the disk refuses; the copies there stay.
    """
    head = {
        "version": copy.version,
        "seq": copy.seq,
        "columns": copy.columns,
        "switches": dict(copy.switches),
        "at_us": copy.at_us,
    }
    parts = [json.dumps(head) + "\n"]
    for start in range(0, len(copy.rows), _CHUNK_ROWS):
        # In parts, so that the threads that decide get their turn.
        parts.append("".join(json.dumps(row) + "\n" for row in copy.rows[start : start + _CHUNK_ROWS]))
    body = "".join(parts).encode()
    newest, before = (folder / name for name in NAMES)
    fresh = newest.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fd = create_private(fresh)
    try:
        write_at(fd, hashlib.sha256(body).hexdigest().encode() + b"\n" + body, 0)
        os.fsync(fd)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    if newest.exists():
        newest.replace(before)
    fresh.replace(newest)
    fsync_directory(folder)


def find(folder: Path) -> ListCopy | None:
    """The newest copy that is whole; None where there is none."""
    for name in NAMES:
        try:
            content = (folder / name).read_bytes()
        except OSError:
            continue
        copy = parse(content)
        if copy is not None:
            return copy
    return None


def parse(content: bytes) -> ListCopy | None:
    """The copy, or None where not every byte of it is as it was written. Pure."""
    checksum, _, body = content.partition(b"\n")
    if checksum != hashlib.sha256(body).hexdigest().encode():
        return None
    head, *rows = (json.loads(line) for line in body.decode().splitlines())
    return ListCopy(
        version=head["version"],
        seq=head["seq"],
        columns=tuple(head["columns"]),
        rows=tuple(tuple(row) for row in rows),
        switches=head["switches"],
        at_us=head["at_us"],
    )
