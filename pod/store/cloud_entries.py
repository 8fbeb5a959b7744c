"""The entries that the cloud keeps: put in force as its signed lists say, and changed by nobody else.

Uses are the POD's own count. An entry says how often it may open in all; what was taken here is subtracted,
whatever else of the entry changes, until it goes or is without limit for a while. So it does not matter which
of the cloud's lists a POD saw in between.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pod.domain.entry import Entry, Owner, Verdict
from pod.domain.errors import StoreError
from pod.domain.index import MOST_OF_A_PLATE, AccessIndex
from pod.store.list_changes import Step, write_change
from pod.store.list_follower import ListFollower
from pod.store.list_staging import CHUNK, TRIES, Beside, Pause, Staged, Staging, Submit
from pod.store.site_state import next_version

BY = "cloud"
"""Who changed the list, for the audit."""

MOST_REFUSED = 1000
"""Refused entries that are remembered; of others the whole list is asked for once they change."""

_HELD_SQL = "SELECT id, key, cloud_id, cloud_hash, cloud_uses FROM entry_in_force WHERE owner = 'cloud'"


@dataclass(frozen=True, slots=True)
class CloudEntry:
    """An entry as the cloud sent it.

    Attributes:
        id: the cloud's.
        hash: SHA-256 of what was sent, hex.
        entry: None where this program cannot put it in force.
        refused: why not, for people; empty where it can.
    """

    id: str
    hash: str
    entry: Entry | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class CloudList:
    """Which of the cloud's lists is in force; the digest in hex."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Held:
    """A row that is in force; `uses`: what were left before the first was taken here."""

    entry_id: int
    key: str
    cloud_id: str | None
    hash: str | None
    uses: int | None


@dataclass(frozen=True, slots=True)
class _Planned:
    """One step, and what the cloud sent for it; None where an entry goes."""

    step: Step
    sent: CloudEntry | None
    uses: int | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    planned: tuple[_Planned, ...]
    refused: tuple[CloudEntry, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(one.step for one in self.planned)


class CloudEntries:
    """The cloud's part of one access list. For a thread that may wait; one change at a time."""

    def __init__(
        self, submit_change: Submit, staging: Staging, follower: ListFollower, now_us: Callable[[], int]
    ) -> None:
        self._submit_change = submit_change
        self._staging = staging
        self._follower = follower
        self._now_us = now_us

    def change(self, put: Sequence[CloudEntry], gone: Collection[str], to: CloudList) -> Mapping[str, str]:
        """Put entries in force, or take them out; returns once that counts, with what is refused and why.

        Raises:
            StoreError: nothing of it counts.
            PlateListError: an import is going on; nothing of it counts.
        """
        touched = {*gone, *(entry.id for entry in put)}
        if len(touched) > CHUNK:
            return _told(self._in_steps(put, touched, to))

        def job(conn: sqlite3.Connection) -> _Plan:
            plan = _plan(put, _held(conn, touched), self._follower.catch_up(conn).index)
            if plan.planned:
                done = write_change(conn, plan.steps, by=BY, now_us=self._now_us())
                _note_sent(conn, done.steps, plan.planned)
            else:
                next_version(conn)
            _note_list(conn, plan.refused, touched, to)
            return plan

        return _told(self._submit_change(job).result())

    def replace(self, entries: Sequence[CloudEntry], to: CloudList) -> Mapping[str, str]:
        """Put a whole list in the place of the one that is there; returns and raises as `change`."""
        return _told(self._in_steps(entries, None, to))

    def _in_steps(self, put: Sequence[CloudEntry], touched: Collection[str] | None, to: CloudList) -> _Plan:
        """Args: touched: the cloud's ids that the change is about; None: all of them."""
        staging = self._staging
        staging.clean_up(by=BY)
        held: tuple[_Plan, Staged] | None = None
        told = {"by": BY, "owner": Owner.CLOUD.value, "list": to.version}
        try:
            for _ in range(TRIES):
                base = staging.base()  # first: what is read later is of it, or it is not put in force
                plan = _plan(put, staging.read(partial(_held, cloud_ids=touched)), base.index, pause=Pause())
                if held is not None and held[0] != plan:
                    dropped, held = held[1], None
                    staging.drop(dropped.id, by=BY)
                if held is None:
                    held = plan, staging.stage(plan.steps, by=BY, beside=_noting(plan.planned))
                also = partial(_note_list, refused=plan.refused, touched=touched, to=to)
                if staging.put_in_force(held[1], base, told=told, also=also):
                    staging.leave_tidy(partial(staging.tidy, held[1].id))
                    return plan
        except BaseException:
            if held is not None:
                staging.leave_tidy(partial(staging.drop, held[1].id, by=BY))
            raise
        if held is not None:
            staging.drop(held[1].id, by=BY)
        raise StoreError("the list kept changing while the cloud's entries came: they are asked for again")


def _plan(
    put: Sequence[CloudEntry],
    held: Sequence[_Held],
    index: AccessIndex,
    *,
    pause: Callable[[], None] = lambda: None,
) -> _Plan:
    """What is to be done so that of `held` and `put` the latter alone is in force."""
    wanted = {sent.id: sent for sent in put}
    planned: list[_Planned] = []
    before: dict[str, tuple[_Held, Entry]] = {}
    kept: set[str] = set()
    for row in held:
        pause()
        entry = next((e for e in index.by_key(row.key) if e.id == row.entry_id), None)
        sent = None if row.cloud_id is None else wanted.get(row.cloud_id)
        if entry is None:
            continue
        if sent is not None and sent.hash == row.hash and sent.entry is not None:
            kept.add(sent.id)
        elif sent is None or sent.entry is None:
            planned.append(_Planned(Step(entry, None), None))
        else:
            before[sent.id] = row, entry
    leaving = {one.step.entry.id for one in planned} | {entry.id for _, entry in before.values()}
    refused: list[CloudEntry] = []
    beside: Counter[str] = Counter()
    for sent in wanted.values():
        pause()
        if sent.id in kept:
            continue
        if sent.entry is None:
            refused.append(sent)
            continue
        row_before = before.get(sent.id)
        now = None if row_before is None else row_before[1]
        others = sum(e.id not in leaving for e in index.by_key(sent.entry.key)) + beside[sent.entry.key]
        if others >= MOST_OF_A_PLATE and sent.entry.verdict is Verdict.ALLOW:
            refused.append(replace(sent, entry=None, refused=_TOO_MANY))
            if now is not None:
                planned.append(_Planned(Step(now, None), None))
            continue
        beside[sent.entry.key] += 1
        left, uses = _uses(sent.entry, row_before)
        after = replace(sent.entry, owner=Owner.CLOUD, uses_left=left, id=0 if now is None else now.id)
        planned.append(_Planned(Step(now, after), sent, uses))
    return _Plan(tuple(planned), tuple(refused))


_TOO_MANY = f"the POD's list has {MOST_OF_A_PLATE} entries of this plate already: join their hours into one"


def _uses(entry: Entry, before: tuple[_Held, Entry] | None) -> tuple[int | None, int | None]:
    """Uses that are left now, and how many they would be had none been taken here."""
    if entry.uses_left is None:
        return None, None
    taken = 0
    if before is not None and before[0].uses is not None and before[1].uses_left is not None:
        taken = max(0, before[0].uses - before[1].uses_left)
    left = max(0, entry.uses_left - taken)
    return left, left + taken


def _held(conn: sqlite3.Connection, cloud_ids: Collection[str] | None) -> list[_Held]:
    """The cloud's entries in force, those with these ids; None: all."""
    if cloud_ids is None:
        return [_Held(*row) for row in conn.execute(_HELD_SQL)]
    found = (conn.execute(f"{_HELD_SQL} AND cloud_id = ?", (cloud_id,)) for cloud_id in cloud_ids)
    return [_Held(*row) for rows in found for row in rows]


def _noting(planned: Sequence[_Planned]) -> Beside:
    def note(conn: sqlite3.Connection, steps: Sequence[Step], first: int) -> None:
        _note_sent(conn, steps, planned[first : first + len(steps)])

    return note


def _note_sent(conn: sqlite3.Connection, steps: Sequence[Step], planned: Sequence[_Planned]) -> None:
    """Write to each row what the cloud sent for it; `steps` are those planned, with their ids."""
    conn.executemany(
        "UPDATE entry SET cloud_id = ?, cloud_hash = ?, cloud_uses = ? WHERE id = ?",
        [
            (one.sent.id, one.sent.hash, one.uses, step.after.id)
            for step, one in zip(steps, planned, strict=True)
            if one.sent is not None and step.after is not None
        ],
    )


def _note_list(
    conn: sqlite3.Connection,
    refused: Sequence[CloudEntry],
    touched: Collection[str] | None,
    to: CloudList,
) -> None:
    """Which list is in force now, and what of it is not."""
    if touched is None:
        conn.execute("DELETE FROM cloud_refused")
    else:
        conn.executemany("DELETE FROM cloud_refused WHERE id = ?", [(one,) for one in touched])
    (known,) = conn.execute("SELECT count(*) FROM cloud_refused").fetchone()
    conn.executemany(
        "INSERT OR REPLACE INTO cloud_refused (id, hash, reason) VALUES (?, ?, ?)",
        [(one.id, one.hash, one.refused) for one in refused[: max(0, MOST_REFUSED - known)]],
    )
    conn.execute("UPDATE list_state SET cloud_version = ?, cloud_digest = ?", (to.version, to.digest))


def _told(plan: _Plan) -> Mapping[str, str]:
    return {sent.id: sent.refused for sent in plan.refused}
