"""The access list: an immutable snapshot for those who decide; each change goes through writer and audit."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime

from pod.domain.entry import Entry, Owner, Verdict
from pod.domain.errors import PlateListError
from pod.domain.index import AccessIndex
from pod.domain.plates import match_key
from pod.domain.situation import SiteState
from pod.store.cloud_entries import CloudEntries
from pod.store.entries import contradicts
from pod.store.list_changes import Change, Step, newest_change, read_change, write_change
from pod.store.list_follower import ListFollower
from pod.store.list_import import ListImport
from pod.store.list_plan import ImportPlan, ImportRow, not_yours, obstacle, plan_import
from pod.store.list_snapshot import ListSnapshot
from pod.store.list_staging import Pause, Staging, Submit
from pod.store.moments import to_us
from pod.store.site_state import read_state, write_state


class PlateList:
    """The list of one store. Any thread may call; changes resolve once they are on disk.

    Attributes:
        cloud: the entries that the cloud keeps, which nothing else here changes.

    Each change raises through its future:
        PlateListError: it can't be made; the text says why and names the mend.
        StoreError: nothing was written.
    """

    def __init__(self, submit: Submit, submit_change: Submit, now_us: Callable[[], int]) -> None:
        """
        Args:
            submit_change: of jobs after which the list is another one.
        """
        self._submit = submit
        self._submit_change = submit_change
        self._now_us = now_us
        self._follower = ListFollower()
        staging = Staging(submit, submit_change, self._follower, now_us)
        self._import = ListImport(submit_change, staging, self._follower, now_us)
        self.cloud = CloudEntries(submit_change, staging, self._follower, now_us)

    @property
    def current(self) -> ListSnapshot:
        """The list now; replaced as a whole.

        Own imports, and own changes of up to 200 entries, are in it before their futures resolve; what
        another process commits within a quarter of a second, and larger changes soon after that.
        """
        return self._follower.current

    @property
    def fault(self) -> str | None:
        """Why `current` is an older list than the one on file, of which only the switches hold; else None."""
        return self._follower.fault

    def add(self, entry: Entry, *, by: str) -> Future[Change]:
        """Add one entry of the pod; refused where the list repeats it, denies it, or holds one too alike.

        Args:
            by: who asked, for the audit.
        """

        def job(conn: sqlite3.Connection) -> Change:
            index = self._follower.catch_up(conn).index
            return self._write(conn, [Step(None, entry)], index, by=by)

        return self._submit_change(job)

    def replace(self, entry_id: int, entry: Entry, *, by: str) -> Future[Change]:
        """Put `entry` in the place of the one with this id; refused as `add` would refuse it."""

        def job(conn: sqlite3.Connection) -> Change:
            snapshot = self._follower.catch_up(conn)
            step = Step(_found(snapshot, entry_id), replace(entry, id=entry_id))
            return self._write(conn, [step], snapshot.index, by=by)

        return self._submit_change(job)

    def remove(
        self, what: str | Collection[int], *, verdict: Verdict | None = None, by: str
    ) -> Future[Change]:
        """Remove every entry of a plate, in any writing of it, or the entries with these ids.

        Args:
            verdict: remove only the entries that allow, or only those that deny.
        """

        def job(conn: sqlite3.Connection) -> Change:
            snapshot = self._follower.catch_up(conn)
            if isinstance(what, str):
                named = snapshot.index.by_key(match_key(what))
            else:
                named = tuple(_found(snapshot, entry_id) for entry_id in sorted(set(what)))
            gone = tuple(entry for entry in named if verdict in (None, entry.verdict))
            if not gone:
                name = repr(what[:40]) if isinstance(what, str) else "the entry"
                raise PlateListError(f"{name} is not on the list: `platebridge plates list` shows what is")
            return self._write(conn, [Step(entry, None) for entry in gone], snapshot.index, by=by)

        return self._submit_change(job)

    def undo(self, change_id: int | None = None, *, by: str) -> Future[Change]:
        """Take a change back as a whole; resolves to the change that does so, which can be taken back too.

        Refused where an entry was changed again since. Uses that were counted meanwhile stay counted.

        Args:
            change_id: `Change.id`, or the seq of any audit row of it; None: the newest change.
        """

        def job(conn: sqlite3.Connection) -> Change:
            snapshot = self._follower.catch_up(conn)
            change = newest_change(conn) if change_id is None else change_id
            back = [_back(step, snapshot) for step in read_change(conn, change)]
            return self._write(conn, back, snapshot.index, by=by, undoes=change)

        return self._submit_change(job)

    def preview(self, rows: Sequence[ImportRow]) -> ImportPlan:
        """What importing the rows would do now, every problem included; writes nothing.

        Takes seconds for many thousand rows: call it from a thread that nobody waits for.
        """
        return plan_import(self.current.index, rows, pause=Pause())

    def import_rows(self, rows: Sequence[ImportRow], *, by: str, name: str = "") -> Future[ImportPlan]:
        """Bring all rows in, or none; entries that the rows do not name stay.

        Long imports go on in a thread of their own and never hold the file's lock for long; one at a time.

        Args:
            name: the file's, for messages.
        """
        return self._import.start(rows, by=by, name=name)

    def switch(self, turn: Callable[[SiteState], SiteState], *, by: str) -> Future[SiteState]:
        """Throw switches of the site; resolves to what they were.

        Args:
            turn: from how the switches stand at that moment to how they shall, so that throwing the one
                undoes nothing that somebody else does to the other.
        """
        return self._submit_change(
            lambda conn: write_state(conn, turn(read_state(conn)), by=by, now_us=self._now_us())
        )

    def confirm(self, at: datetime) -> Future[None]:
        """Note that the owner of the cloud's entries confirmed them as of `at`, aware UTC."""
        at_us = to_us(at)

        def job(conn: sqlite3.Connection) -> None:
            conn.execute("UPDATE list_state SET confirmed_us = ?", (at_us,))

        return self._submit(job)

    def refresh(self, conn: sqlite3.Connection) -> None:
        """Take in what changed since `current`, whoever wrote it; see `ListFollower.refresh`."""
        self._follower.refresh(conn)

    def reload(self, conn: sqlite3.Connection) -> None:
        """Read the whole list again, after another file was put in this one's place."""
        self._follower.reload(conn)

    def _write(
        self,
        conn: sqlite3.Connection,
        steps: Sequence[Step],
        index: AccessIndex,
        *,
        by: str,
        undoes: int | None = None,
    ) -> Change:
        """Write steps that the list permits, all of them or none."""
        overruled = _check(steps, index)
        change = write_change(conn, steps, by=by, now_us=self._now_us(), undoes=undoes)
        return Change(change.id, change.steps, overruled)


def _check(steps: Sequence[Step], index: AccessIndex) -> tuple[Entry, ...]:
    """The entries that denials among the steps overrule.

    Raises:
        PlateListError: the list does not permit a step.
    """
    touched = [entry for step in steps for entry in (step.before, step.after) if entry is not None]
    for entry in touched:
        if entry.owner is not Owner.POD:
            raise PlateListError(not_yours(entry))
    rest = index.replaced([step.before for step in steps if step.before is not None], ())
    overruled: list[Entry] = []
    beside: Counter[str] = Counter()
    for step in steps:
        if step.after is None:
            continue
        refusal = obstacle(step.after, rest, before=step.before, beside=beside[step.after.key])
        if refusal is not None:
            raise PlateListError(refusal)
        beside[step.after.key] += 1
        if step.after.verdict is Verdict.DENY:
            overruled += [other for other in rest.by_key(step.after.key) if contradicts(step.after, other)]
    return tuple(overruled)


def _back(step: Step, snapshot: ListSnapshot) -> Step:
    """The step that takes one back from the list as it is now.

    Raises:
        PlateListError: the entry was changed again since.
    """
    now = snapshot.find(step.entry.id)
    before, after = step.before, step.after
    if now is not None and after is not None and (before is None or before.uses_left == after.uses_left):
        after = replace(after, uses_left=now.uses_left)
        before = None if before is None else replace(before, uses_left=now.uses_left)
    if now != after:
        raise PlateListError(
            f"{step.entry.plate} was changed again since: take that change back first, or change the entry"
        )
    return Step(after, before)


def _found(snapshot: ListSnapshot, entry_id: int) -> Entry:
    entry = snapshot.find(entry_id)
    if entry is None:
        raise PlateListError("the entry is not on the list any more: look at the list again")
    return entry
