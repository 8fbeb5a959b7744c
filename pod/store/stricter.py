"""Where the list that a backup brings back would let in more than the one that it replaces, it does not."""

import contextlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import list_copy
from pod.store.connection import connect_reader
from pod.store.copies import FOLDER


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the former list holds on.

    Attributes:
        lockdown: the site stays in lockdown.
        by_hand_only: opening by itself stays switched off.
        uses: plates whose entries keep the fewer uses that were left.
        is_known: whether the former list could be read.
    """

    lockdown: bool = False
    by_hand_only: bool = False
    uses: tuple[str, ...] = ()
    is_known: bool = True

    def sentences(self) -> tuple[str, ...]:
        """For people: what holds although the backup says otherwise, and how to change it."""
        said = []
        if not self.is_known:
            said.append(
                "The former list could not be read: if the site was in lockdown, lock it down again before "
                "you start the POD, and count the uses of visitors anew."
            )
        if self.lockdown:
            said.append("The site stays in lockdown: `platebridge plates lockdown off` lifts it.")
        if self.by_hand_only:
            said.append("Opening by itself stays off: `platebridge plates auto-grant on` switches it on.")
        if self.uses:
            more = f" and {len(self.uses) - 20} more" if len(self.uses) > 20 else ""
            said.append(f"Uses that were taken since stay taken: {', '.join(self.uses[:20])}{more}.")
        return tuple(said)


def read_former(database: Path) -> list_copy.ListCopy | None:
    """The newest list that database or list copy still tell of; None where there is none to read."""
    kept = list_copy.find(database.parent / FOLDER)
    with contextlib.suppress(StoreError, sqlite3.Error, TypeError), closing(connect_reader(database)) as conn:
        conn.execute("BEGIN")
        held = list_copy.read_list(conn, now_us=0)
        return held if kept is None or held.version >= kept.version else kept
    return kept


def keep_stricter(conn: sqlite3.Connection, former: list_copy.ListCopy) -> Kept:
    """Bring what was stricter in the former list into the one of `conn`, inside the caller's transaction.

    A lockdown stands on, opening by itself stays off, and of an entry that both have the fewer uses are left.
    """
    lockdown, auto_grant = conn.execute("SELECT lockdown, auto_grant FROM list_state").fetchone()
    locks = bool(former.switches.get("lockdown")) and not lockdown
    stops = not former.switches.get("auto_grant", True) and bool(auto_grant)
    conn.execute(
        "UPDATE list_state SET lockdown = ?, auto_grant = ?", (lockdown or locks, auto_grant and not stops)
    )
    lowered: list[str] = []
    if {"id", "plate", "uses_left"} <= set(former.columns):
        places = [former.columns.index(name) for name in ("id", "plate", "uses_left")]
        for row in former.rows:
            id_, plate, uses = (row[place] for place in places)
            if uses is not None:
                changed = conn.execute(
                    "UPDATE entry SET uses_left = ? "
                    "WHERE id = ? AND plate = ? AND (uses_left IS NULL OR uses_left > ?)",
                    (uses, id_, plate, uses),
                )
                lowered += [str(plate)] * changed.rowcount
    return Kept(locks, stops, tuple(lowered))
