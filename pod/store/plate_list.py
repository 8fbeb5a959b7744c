"""The access list: an immutable snapshot for those who decide; each change goes through writer and audit."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, TypeVar

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.plates import match_key
from pod.store import audit
from pod.store.entries import contradicts, describe, repeats
from pod.store.moments import from_us, to_us
from pod.store.writer import Job

T = TypeVar("T")


class Submit(Protocol):
    """Queues a job of the writer thread; `Writer.submit` is one."""

    def __call__(self, job: Job[T], /) -> Future[T]: ...


@dataclass(frozen=True, slots=True)
class ListSnapshot:
    """The whole list at one version; shared by threads, never changed.

    Attributes:
        version: rises with every committed change of the list.
        by_key: entries by match key.
    """

    version: int = -1
    by_key: Mapping[str, tuple[Entry, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def candidates(self, key: str) -> tuple[Entry, ...]:
        """The entries of one match key; empty where there are none."""
        return self.by_key.get(key, ())

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, sorted by plate."""
        return tuple(
            sorted((e for of_key in self.by_key.values() for e in of_key), key=lambda e: (e.plate, e.verdict))
        )


@dataclass(frozen=True, slots=True)
class ImportRow:
    """An entry to import; `where` names its place in messages, such as `residents.csv:12`."""

    entry: Entry
    where: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import does to the list.

    Attributes:
        added: entries the list does not hold yet.
        updated: entries it holds with another type, label or writing of the plate.
        unchanged: how many it holds just so.
    """

    added: tuple[Entry, ...]
    updated: tuple[Entry, ...]
    unchanged: int


class PlateList:
    """The list of one store.

    `current` is replaced as a whole by the writer thread: after its own commits before the future resolves,
    and within a quarter of a second of another process's commit. Readers take the attribute; no lock.
    """

    def __init__(self, submit: Submit, now_us: Callable[[], int]) -> None:
        self._submit = submit
        self._now_us = now_us
        self.current = ListSnapshot()

    def add(self, entry: Entry, *, by: str) -> Future[tuple[Entry, ...]]:
        """Add one entry; resolves to the allow entries that it now overrules, if it denies.

        Args:
            by: who asked, for the audit.

        Raises (through the future):
            PlateListError: the list holds this entry, or denies what it would allow.
            StoreError: nothing was written.
        """

        def job(conn: sqlite3.Connection) -> tuple[Entry, ...]:
            listed = self._fresh(conn).candidates(entry.key)
            for other in listed:
                if repeats(entry, other):
                    raise PlateListError(
                        f"{entry.plate} is on the list already, as {other.plate} ({other.type.value}): "
                        f"to change it, remove it first"
                    )
            overruled = tuple(other for other in listed if contradicts(entry, other))
            if overruled and entry.verdict is Verdict.ALLOW:
                raise PlateListError(_still_denied(entry, overruled[0]))
            self._insert(conn, [entry], by=by)
            return overruled

        return self._submit(job)

    def remove(self, plate: str, *, verdict: Verdict | None = None, by: str) -> Future[tuple[Entry, ...]]:
        """Remove every entry of a plate, in any writing of it; resolves to those removed.

        Args:
            verdict: remove only the entries that allow, or only those that deny.

        Raises (through the future):
            PlateListError: there is none.
            StoreError: nothing was written.
        """
        key = match_key(plate)

        def job(conn: sqlite3.Connection) -> tuple[Entry, ...]:
            gone = tuple(e for e in self._fresh(conn).candidates(key) if verdict in (None, e.verdict))
            if not gone:
                raise PlateListError(
                    f"{plate[:40]!r} is not on the list: `platebridge plates list` shows what is"
                )
            conn.execute(
                "DELETE FROM entry WHERE key = ? AND (? IS NULL OR verdict = ?)", (key, verdict, verdict)
            )
            self._changed(conn, "removed", gone, by=by)
            return gone

        return self._submit(job)

    def import_rows(self, rows: Sequence[ImportRow], *, by: str) -> Future[ImportPlan]:
        """Bring all rows in, or none; entries that the rows do not name stay.

        Raises (through the future):
            PlateListError: rows contradict the list; every such row is named.
            StoreError: nothing was written.
        """

        def job(conn: sqlite3.Connection) -> ImportPlan:
            plan = plan_import(self._fresh(conn), rows)
            for entry in plan.updated:
                conn.execute(
                    "UPDATE entry SET plate = ?, type = ?, label = ? "
                    "WHERE key = ? AND verdict = ? AND gates = ? AND starts_us IS ? AND expires_us IS ?",
                    (entry.plate, entry.type, entry.label, *_identity(entry)),
                )
            if plan.updated:
                self._changed(conn, "updated", plan.updated, by=by)
            if plan.added:
                self._insert(conn, plan.added, by=by)
            return plan

        return self._submit(job)

    def refresh(self, conn: sqlite3.Connection) -> None:
        """Take in what changed since `current`, whoever wrote it. For the writer thread.

        Raises:
            sqlite3.Error: the file can't be read; `current` stays.
        """
        if read_version(conn) != self.current.version:
            self.current = load(conn)

    def _fresh(self, conn: sqlite3.Connection) -> ListSnapshot:
        """The list as this transaction sees it, before its own changes."""
        self.refresh(conn)
        return self.current

    def _insert(self, conn: sqlite3.Connection, entries: Sequence[Entry], *, by: str) -> None:
        conn.executemany(
            "INSERT INTO entry (plate, type, label, key, verdict, gates, starts_us, expires_us) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(e.plate, e.type, e.label, *_identity(e)) for e in entries],
        )
        self._changed(conn, "added", entries, by=by)

    def _changed(self, conn: sqlite3.Connection, action: str, entries: Iterable[Entry], *, by: str) -> None:
        """One audit row an entry, so that one plate's data can be erased without its neighbours'."""
        now_us = self._now_us()
        rows = [
            audit.seal("list_change", {"action": action, **describe(e), "by": by}, now_us) for e in entries
        ]
        audit.append(conn, rows)
        conn.execute("UPDATE list_state SET version = version + 1")


def plan_import(listed: ListSnapshot, rows: Sequence[ImportRow]) -> ImportPlan:
    """What importing the rows would do to this list; the rows agree among themselves. Pure.

    Raises:
        PlateListError: rows allow what the list denies; every such row is named.
    """
    added, updated, unchanged, problems = [], [], 0, []
    for row in rows:
        entry = row.entry
        others = listed.candidates(entry.key)
        twin = next((other for other in others if repeats(entry, other)), None)
        if twin is not None:
            if twin == entry:
                unchanged += 1
            else:
                updated.append(entry)
            continue
        denial = next((other for other in others if contradicts(entry, other)), None)
        if denial is not None and entry.verdict is Verdict.ALLOW:
            problems.append(f"{row.where}: plate: {_still_denied(entry, denial)}")
        added.append(entry)
    if problems:
        raise PlateListError("\n".join(problems))
    return ImportPlan(tuple(added), tuple(updated), unchanged)


def read_version(conn: sqlite3.Connection) -> int:
    """The list's version; rises with each change."""
    (version,) = conn.execute("SELECT version FROM list_state").fetchone()
    return int(version)


def load(conn: sqlite3.Connection) -> ListSnapshot:
    """The whole list as the file holds it.

    Raises:
        sqlite3.Error: it can't be read.
        ValueError: a row holds what this program doesn't know.
    """
    by_key: dict[str, tuple[Entry, ...]] = {}
    # One statement, so that version and rows are of one moment even outside a transaction.
    rows = conn.execute(
        "SELECT version, key, plate, verdict, type, label, starts_us, expires_us, gates "
        "FROM list_state LEFT JOIN entry ON true ORDER BY entry.id"
    ).fetchall()
    for _, key, plate, verdict, type_, label, starts_us, expires_us, gates in rows:
        if key is None:
            continue
        entry = Entry(
            key=key,
            plate=plate,
            verdict=Verdict(verdict),
            type=EntryType(type_),
            label=label,
            starts_at=None if starts_us is None else from_us(starts_us),
            expires_at=None if expires_us is None else from_us(expires_us),
            gates=_gates(gates),
        )
        by_key[key] = (*by_key.get(key, ()), entry)
    return ListSnapshot(rows[0][0], MappingProxyType(by_key))


def _gates(text: str) -> tuple[str, ...]:
    """Raises: ValueError: not a list of names; read as one, it could hold for other gates than was meant."""
    gates = json.loads(text)
    if not isinstance(gates, list) or not all(isinstance(gate, str) for gate in gates):
        raise ValueError("the gates of an entry are not a list of names")
    return tuple(gates)


def _identity(entry: Entry) -> tuple[str, str, str, int | None, int | None]:
    return (
        entry.key,
        entry.verdict.value,
        json.dumps(list(entry.gates)),
        None if entry.starts_at is None else to_us(entry.starts_at),
        None if entry.expires_at is None else to_us(entry.expires_at),
    )


def _still_denied(entry: Entry, denial: Entry) -> str:
    return (
        f"{entry.plate} stays out, the list denies {denial.plate}: "
        f"first `platebridge plates remove {denial.plate} --deny`"
    )
