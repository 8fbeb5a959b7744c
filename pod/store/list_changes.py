"""A change of the list: its rows, one audit row an entry, and the change that takes it back."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pod.domain.entry import Entry
from pod.domain.errors import PlateListError
from pod.store import audit
from pod.store.entry_rows import delete_entries, describe, described, insert_entries, update_entry
from pod.store.site_state import next_version

GONE_VERSIONS = 1000
"""For how many versions removals are told one by one; who is further behind reads the list again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a change: None before where it is new, None after where it goes."""

    before: Entry | None
    after: Entry | None

    @property
    def entry(self) -> Entry:
        """The entry as it ends, or was before it went.

        Raises:
            ValueError: it neither was nor is.
        """
        entry = self.after or self.before
        if entry is None:
            raise ValueError("a step must have an entry before or after")
        return entry


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was committed.

    Attributes:
        id: the seq of its first audit row; `PlateList.undo` takes it.
        steps: what became of each entry.
        overruled: entries that stay on the list and that a denial added here overrules.
    """

    id: int
    steps: tuple[Step, ...]
    overruled: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries as they end, or were before they went."""
        return tuple(step.entry for step in self.steps)


def write_change(
    conn: sqlite3.Connection, steps: Sequence[Step], *, by: str, now_us: int, undoes: int | None = None
) -> Change:
    """Write a change and its audit rows inside the caller's write transaction.

    Args:
        undoes: id of the change that this one takes back.
    """
    version = next_version(conn)
    done = tuple(_write(conn, step, version) for step in steps)
    _forget_old_removals(conn, version)
    last = audit.append(
        conn,
        [
            seal_step(step, by=by, now_us=now_us, undoes=undoes, rows=len(done), row=n)
            for n, step in enumerate(done)
        ],
    )
    return Change(last - len(done) + 1, done)


def seal_step(
    step: Step,
    *,
    by: str,
    now_us: int,
    rows: int,
    row: int,
    undoes: int | None = None,
    batch: int | None = None,
) -> audit.Sealed:
    """The audit row of one entry, so that one plate's data can be erased without its neighbours'.

    Args:
        rows: how many rows the change has; they follow each other.
        row: which of them this is, from 0.
        batch: the import that it is part of; it counts only once that is told done.
    """
    action = "added" if step.before is None else "removed" if step.after is None else "updated"
    payload: dict[str, object] = {"action": action, **describe(step.entry), "by": by}
    if step.before is not None and step.after is not None:
        payload["before"] = describe(step.before)
    if undoes is not None:
        payload["undoes"] = undoes
    payload |= {"rows": rows, "row": row} if batch is None else {"import": batch}
    return audit.seal("list_change", payload, now_us)


def newest_change(conn: sqlite3.Connection) -> int:
    """Id of the newest change that was made here: what the cloud changed is taken back in its portal.

    Raises:
        PlateListError: there was none.
    """
    found = conn.execute(
        "SELECT seq FROM audit WHERE kind = 'list_change' "
        "AND (payload IS NULL OR json_extract(payload, '$.owner') IS NOT 'cloud') ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    if found is None:
        raise PlateListError("the list was never changed here: there is nothing to take back")
    return int(found[0])


def read_change(conn: sqlite3.Connection, change_id: int) -> tuple[Step, ...]:
    """The steps of the change that an audit row belongs to.

    Raises:
        PlateListError: no such change, one made in another way, or one that is erased.
    """
    payload = _payload(conn, change_id)
    rows, row = payload.get("rows"), payload.get("row")
    if not isinstance(rows, int) or not isinstance(row, int):
        raise PlateListError(
            "an import of many rows, or a change made by an older version, cannot be taken back: "
            "import the list as it was exported before, or change the entries one by one"
        )
    first = change_id - row
    try:
        return tuple(step_of(_payload(conn, seq)) for seq in range(first, first + rows))
    except (ValueError, KeyError) as error:
        raise PlateListError(
            f"what change {change_id} did is not known here ({error}): change the entries by hand"
        ) from error


def _write(conn: sqlite3.Connection, step: Step, version: int) -> Step:
    if step.after is None:
        delete_entries(conn, [step.entry.id], version=version)
        return step
    if step.before is not None:
        update_entry(conn, step.after, version=version)
        return step
    (written,) = insert_entries(conn, [step.after], version=version)
    return Step(None, written)


def _forget_old_removals(conn: sqlite3.Connection, version: int) -> None:
    oldest = version - GONE_VERSIONS
    conn.execute("DELETE FROM entry_gone WHERE version <= ?", (oldest,))
    conn.execute("UPDATE list_state SET gone_since = max(gone_since, ?)", (oldest,))


def _payload(conn: sqlite3.Connection, seq: int) -> dict[str, object]:
    found = conn.execute(
        "SELECT payload FROM audit WHERE seq = ? AND kind = 'list_change'", (seq,)
    ).fetchone()
    if found is None:
        raise PlateListError(f"no change of the list has the number {seq}: `platebridge audit` shows them")
    if found[0] is None:
        raise PlateListError(f"what change {seq} did was erased: change the entries by hand")
    payload: dict[str, object] = json.loads(found[0])
    return payload


def step_of(payload: Mapping[str, object]) -> Step:
    """The step that one audit row of the list tells of.

    Raises:
        ValueError, KeyError: the row is of an older version, or makes no sense.
    """
    entry, before = described(payload), payload.get("before")
    if payload["action"] == "added":
        return Step(None, entry)
    if payload["action"] == "removed":
        return Step(entry, None)
    if not isinstance(before, dict):
        raise ValueError("it does not say what was before")
    return Step(described(before), entry)
