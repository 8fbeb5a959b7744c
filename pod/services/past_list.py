"""The access list and the site's switches as they were, walked backwards through the audit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pod.domain.entry import Entry
from pod.domain.index import AccessIndex
from pod.domain.situation import SiteState
from pod.store.audit import AuditRow
from pod.store.list_changes import step_of
from pod.store.list_snapshot import ListSnapshot


@dataclass(slots=True)
class PastList:
    """What was in force just before the newest row not yet taken back; starts with the present.

    Attributes:
        unknown: changes that are erased or of an older version, so that the list before them is a guess.
    """

    index: AccessIndex
    state: SiteState
    unknown: int = 0

    @classmethod
    def of(cls, present: ListSnapshot) -> "PastList":
        return cls(present.index, present.state)

    def take_back(self, row: AuditRow, *, came_to_nothing: bool = False) -> None:
        """Undo one row; those about other things change nothing. Newest first, without a gap.

        Args:
            came_to_nothing: of an intent: no pulse followed, so the use it had taken was given back.
        """
        if row.kind == "list_change":
            self._take_back_change(row.payload)
        elif row.kind == "site_state":
            self._take_back_switch(row.payload)
        elif row.kind == "intent" and not came_to_nothing:
            self._give_back_use(row.payload)

    def _take_back_change(self, payload: dict[str, object] | None) -> None:
        try:
            step = step_of(payload or {})
            self.index = self.index.replaced(
                [self._as_it_is(step.after)] if step.after else [], [step.before] if step.before else []
            )
        except (KeyError, ValueError):
            self.unknown += 1

    def _as_it_is(self, entry: Entry) -> Entry:
        """The entry in the list; its uses may have gone down since."""
        found = (e for e in self.index.by_key(entry.key) if e.id == entry.id)
        return next(found, entry)

    def _take_back_switch(self, payload: dict[str, object] | None) -> None:
        before = (payload or {}).get("before")
        if not isinstance(before, dict):
            self.unknown += 1
            return
        self.state = SiteState(lockdown=bool(before["lockdown"]), auto_grant=bool(before["auto_grant"]))

    def _give_back_use(self, payload: Mapping[str, object] | None) -> None:
        entry_id = (payload or {}).get("entry_id")
        entry = next((e for e in self.index.entries if e.id == entry_id), None) if entry_id else None
        if entry is not None and entry.uses_left is not None:
            self.index = self.index.replaced([entry], [replace(entry, uses_left=entry.uses_left + 1)])
