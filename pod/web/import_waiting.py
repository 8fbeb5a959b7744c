"""Imports that were previewed and wait for a yes: in memory, few, for a while."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pod.store.list_plan import ImportPlan, ImportRow

MOST_WAITING = 4
MOST_ROWS = 100_000
"""Of all imports together; a further one takes the place of the oldest. A row holds about a kilobyte."""

WAITING_S = 30 * 60.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """One import as it was previewed.

    Attributes:
        session: the token of the session that may say yes.
        since_s: monotonic clock.
    """

    session: str
    name: str
    rows: tuple[ImportRow, ...]
    plan: ImportPlan
    since_s: float


class WaitingImports:
    """The imports that wait. Used by the event loop alone."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()

    def put(self, session: str, name: str, *, rows: tuple[ImportRow, ...], plan: ImportPlan) -> str:
        """Keep a previewed import, however long; returns what names it."""
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._rows() + len(rows) > MOST_ROWS):
            self._waiting.popitem(last=False)
        token = secrets.token_urlsafe(16)
        self._waiting[token] = Waiting(session, name, rows, plan, self._clock_s())
        return token

    def take(self, token: str, session: str) -> Waiting | None:
        """The import, which waits no more; None where it is gone or another session's."""
        found = self._waiting.get(token)
        if found is None or found.session != session:
            return None
        del self._waiting[token]
        return found if self._clock_s() - found.since_s <= WAITING_S else None

    def _rows(self) -> int:
        return sum(len(waiting.rows) for waiting in self._waiting.values())
