"""Entries as rows of the database and as payloads of the audit, both ways."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.errors import PlateListError
from pod.domain.plates import match_key
from pod.domain.schedule import Schedule, format_schedule, parse_schedule
from pod.store.moments import from_us, to_us

_INSERT = (
    "INSERT INTO entry (id, version, brought_by, key, plate, verdict, type, label, starts_us, expires_us, "
    "gates, cameras, sites, schedule, uses_left, exact_only, owner) "
    "VALUES (:id, :version, :brought_by, :key, :plate, :verdict, :type, :label, :starts_us, :expires_us, "
    ":gates, :cameras, :sites, :schedule, :uses_left, :exact_only, :owner)"
)
_UPDATE = (
    "UPDATE entry SET version = :version, key = :key, plate = :plate, verdict = :verdict, type = :type, "
    "label = :label, starts_us = :starts_us, expires_us = :expires_us, gates = :gates, cameras = :cameras, "
    "sites = :sites, schedule = :schedule, uses_left = :uses_left, exact_only = :exact_only, owner = :owner "
    "WHERE id = :id"
)


def entries_in_force(conn: sqlite3.Connection) -> list[Entry]:
    """Every entry that counts, in the order of their ids.

    Raises:
        sqlite3.Error: the file can't be read.
        ValueError: a row holds what this program doesn't know; a guess could open for more than was meant.
    """
    return [_entry(row) for row in _by_name(conn).execute("SELECT * FROM entry_in_force ORDER BY id")]


def entry_in_force(conn: sqlite3.Connection, entry_id: int) -> Entry | None:
    """The entry with this id, None where none counts; raises as `entries_in_force`."""
    row = _by_name(conn).execute("SELECT * FROM entry_in_force WHERE id = ?", (entry_id,)).fetchone()
    return None if row is None else _entry(row)


def insert_entries(
    conn: sqlite3.Connection, entries: Iterable[Entry], *, version: int, brought_by: int | None = None
) -> tuple[Entry, ...]:
    """Write entries; one with an id keeps it, the others get theirs. Returns them with their ids.

    Args:
        brought_by: the import that they wait for; None where they count at once.
    """
    written = []
    for entry in entries:
        row = {**_values(entry), "id": entry.id or None, "version": version, "brought_by": brought_by}
        written.append(replace(entry, id=conn.execute(_INSERT, row).lastrowid or entry.id))
    return tuple(written)


def update_entry(conn: sqlite3.Connection, entry: Entry, *, version: int) -> None:
    """Write an entry over the row with its id."""
    conn.execute(_UPDATE, {**_values(entry), "id": entry.id, "version": version})


def delete_entries(conn: sqlite3.Connection, ids: Sequence[int], *, version: int) -> None:
    """Take entries out, leaving for each that it is gone."""
    conn.executemany("DELETE FROM entry WHERE id = ?", [(id_,) for id_ in ids])
    conn.executemany(
        "INSERT OR REPLACE INTO entry_gone (id, version) VALUES (?, ?)", [(id_, version) for id_ in ids]
    )


def describe(entry: Entry) -> dict[str, object]:
    """The entry as the audit and JSON output write it; times ISO 8601, UTC."""
    return {
        "id": entry.id,
        "plate": entry.plate,
        "verdict": entry.verdict.value,
        "type": entry.type.value,
        "label": entry.label,
        "from": iso(entry.starts_at),
        "until": iso(entry.expires_at),
        "gates": list(entry.gates),
        "cameras": list(entry.cameras),
        "sites": list(entry.sites),
        "schedule": None if entry.schedule is None else format_schedule(entry.schedule),
        "uses_left": entry.uses_left,
        "exact_only": entry.exact_only,
        "owner": entry.owner.value,
    }


def described(payload: Mapping[str, object]) -> Entry:
    """The entry that `describe` wrote; other fields of the payload are passed over.

    Raises:
        KeyError: a field is missing.
        ValueError: a field makes no sense.
    """
    start, end, schedule = payload.get("from"), payload.get("until"), payload.get("schedule")
    uses_left, id_ = payload.get("uses_left"), payload.get("id")
    if not isinstance(id_, int) or not isinstance(uses_left, int | None):
        raise ValueError("an entry without its id, or with uses that are no number")
    plate = str(payload["plate"])
    return Entry(
        key=match_key(plate),
        plate=plate,
        verdict=Verdict(str(payload["verdict"])),
        type=EntryType(str(payload["type"])),
        label=str(payload["label"]),
        starts_at=None if start is None else _moment(start),
        expires_at=None if end is None else _moment(end),
        gates=_listed(payload["gates"]),
        cameras=_listed(payload["cameras"]),
        sites=_listed(payload["sites"]),
        schedule=None if schedule is None else _schedule(str(schedule)),
        uses_left=uses_left,
        exact_only=payload["exact_only"] is True,
        owner=Owner(str(payload["owner"])),
        id=id_,
    )


def iso(moment: datetime | None) -> str | None:
    """UTC, ending in Z; None stays None."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _by_name(conn: sqlite3.Connection) -> sqlite3.Cursor:
    cursor = conn.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor


def _entry(row: sqlite3.Row) -> Entry:
    starts_us, expires_us, schedule = row["starts_us"], row["expires_us"], row["schedule"]
    return Entry(
        key=row["key"],
        plate=row["plate"],
        verdict=Verdict(row["verdict"]),
        type=EntryType(row["type"]),
        label=row["label"],
        starts_at=None if starts_us is None else from_us(starts_us),
        expires_at=None if expires_us is None else from_us(expires_us),
        gates=_names(row["gates"]),
        cameras=_names(row["cameras"]),
        sites=_names(row["sites"]),
        schedule=None if schedule is None else _schedule(schedule),
        uses_left=row["uses_left"],
        exact_only=bool(row["exact_only"]),
        owner=Owner(row["owner"]),
        id=row["id"],
    )


def _values(entry: Entry) -> dict[str, object]:
    return {
        "key": entry.key,
        "plate": entry.plate,
        "verdict": entry.verdict.value,
        "type": entry.type.value,
        "label": entry.label,
        "starts_us": None if entry.starts_at is None else to_us(entry.starts_at),
        "expires_us": None if entry.expires_at is None else to_us(entry.expires_at),
        "gates": json.dumps(entry.gates),
        "cameras": json.dumps(entry.cameras),
        "sites": json.dumps(entry.sites),
        "schedule": None if entry.schedule is None else format_schedule(entry.schedule),
        "uses_left": entry.uses_left,
        "exact_only": int(entry.exact_only),
        "owner": entry.owner.value,
    }


def _names(text: str) -> tuple[str, ...]:
    """Raises: ValueError: not a list of names; read as one, it could hold for other places than was meant."""
    return () if text == "[]" else _listed(json.loads(text))


def _listed(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("the gates, cameras or sites of an entry are not a list of names")
    return tuple(names)


@lru_cache(maxsize=1024)
def _schedule(text: str) -> Schedule:
    """Most entries of a list share a few schedules."""
    try:
        return parse_schedule(text)
    except PlateListError as error:
        raise ValueError(str(error)) from error


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)
