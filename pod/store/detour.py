"""The way around a database that takes no rows: into the journal, and back in order once it takes them."""

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future

from pod.domain.errors import StoreError
from pod.store import audit
from pod.store.grants import Grant
from pod.store.journal import Journal, JournalStats, LateRow
from pod.store.keeping import Attendants
from pod.store.late_rows import import_late, late_row, pulse_of
from pod.store.unwritten import Unwritten

JOURNALED_SEQ = 0
"""What a row's future resolves to when it went to the journal: its seq is not known yet."""

_log = logging.getLogger(__name__)


class Detour:
    """Takes rows for the journal from any thread, and gives them to the database in the writer's.

    Args:
        beat: called during long work, so that nobody takes it for a hanging thread.
    """

    def __init__(self, journal: Journal, attendants: Attendants, *, beat: Callable[[], None]) -> None:
        self._journal = journal
        self._attendants = attendants
        self._beat = beat
        self._unwritten = Unwritten()
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        # The outcome of an intent that waits here must not overtake it, nor be lost with the writer's queue.
        self._pulses = _pulses_of(journal.waiting())

    @property
    def stats(self) -> JournalStats:
        return self._journal.stats

    @property
    def unwritten(self) -> Unwritten:
        """The rows that not even the journal took."""
        return self._unwritten

    @property
    def is_waiting(self) -> bool:
        """Whether rows wait for the database."""
        return self._journal.is_waiting or len(self._unwritten) > 0

    def must_take(self, payload: Mapping[str, object]) -> bool:
        """Whether a row belongs to a pulse of which the journal has, or is about to have, a row already."""
        pulse = pulse_of(payload)
        with self._lock:
            return pulse is not None and self._pulses[pulse] > 0

    def take(
        self,
        sealed: audit.Sealed,
        payload: Mapping[str, object],
        *,
        after_seq: int,
        grant: Grant | None,
        revoke: Grant | None,
        awaited: bool,
    ) -> Future[None]:
        """Put a row into the journal, flagged late; never blocks.

        Where the journal does not take it, a row that nobody waits for is kept in memory, and its future
        resolves once the database has it.

        Args:
            after_seq: a seq that the chain had reached before the database was asked to take `sealed`.
            awaited: somebody waits for it.
        """
        row = late_row(sealed, payload, after_seq=after_seq, grant=grant, revoke=revoke)
        pulse = pulse_of(payload)
        if pulse is not None:
            with self._lock:
                self._pulses[pulse] += 1

        kept: Future[None] = Future()

        def appended(journaled: Future[None]) -> None:
            error = None if journaled.cancelled() else journaled.exception()
            if not journaled.cancelled() and error is None:
                kept.set_result(None)
            elif error is not None and not awaited and self._unwritten.keep(row, kept, refused=error):
                pass
            elif pulse is not None:
                # A journal that refused it must not draw the pulse's other rows after it.
                with self._lock:
                    self._pulses -= Counter([pulse])
            self._tell()

        journaled = self._journal.append(row, awaited=awaited)
        journaled.add_done_callback(appended)
        return journaled if awaited else kept

    def catch(self, write: Future[int], *, take: Callable[[], Future[None]]) -> Future[int]:
        """A future that resolves as `write` does, or to `JOURNALED_SEQ` where the journal took the row.

        Args:
            take: puts the row into the journal; called where the database refused it.
        """
        seq: Future[int] = Future()

        def kept(journaled: Future[None]) -> None:
            error = journaled.exception()
            if error is None:
                seq.set_result(JOURNALED_SEQ)
            else:
                seq.set_exception(error)

        def written(done: Future[int]) -> None:
            error = done.exception()
            if error is None:
                seq.set_result(done.result())
            elif isinstance(error, StoreError):
                take().add_done_callback(kept)
            else:
                seq.set_exception(error)

        write.add_done_callback(written)
        return seq

    def follow(self, *, take: Callable[[], Future[None]], write: Callable[[], Future[int]]) -> Future[int]:
        """As `catch`, the other way around: the journal first, for a row that others there go before.

        Args:
            write: asks the database; called where the journal refused the row. The order holds: the writer
                brings in what waits before it takes another row.
        """
        seq: Future[int] = Future()

        def written(done: Future[int]) -> None:
            error = done.exception()
            if error is None:
                seq.set_result(done.result())
            else:
                seq.set_exception(error)

        def kept(journaled: Future[None]) -> None:
            if journaled.exception() is None:
                seq.set_result(JOURNALED_SEQ)
                return
            try:
                write().add_done_callback(written)
            except StoreError as error:
                seq.set_exception(error)

        take().add_done_callback(kept)
        return seq

    def bring_in(self, conn: sqlite3.Connection) -> None:
        """Append what waits, in one transaction. For the writer's thread.

        Raises:
            sqlite3.Error: the database still takes no row; all stays in the journal.
        """
        journaled, unwritten = self._journal.waiting(), self._unwritten.rows()
        rows = sorted((*journaled, *unwritten), key=lambda row: row.ts_us)
        if not rows:
            return
        conn.execute("BEGIN IMMEDIATE")
        try:
            imported = import_late(conn, rows, beat=self._beat)
            conn.execute("COMMIT")
        except BaseException:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
            raise
        self._journal.forget(len(journaled))
        self._unwritten.forget(len(unwritten))
        with self._lock:
            self._pulses -= _pulses_of(rows)
        self._tell()
        _log.warning("%d rows came in late from the journal", imported)

    def close(self, timeout_s: float) -> None:
        """Write what the journal has taken, and let go of it."""
        self._journal.close(timeout_s)
        if lost := self._unwritten.close():
            _log.error("%d rows that waited in memory for the disk are lost", lost)

    def _tell(self) -> None:
        """Raise the alarm where rows wait, else clear it; after each change of that."""
        with self._telling:
            if len(self._unwritten):
                self._attendants.begin(
                    "store_journaling",
                    "Neither the database nor the journal takes rows. They wait in memory, and are lost if "
                    "the POD ends: look at the disk.",
                )
            elif self._journal.is_waiting:
                self._attendants.begin(
                    "store_journaling",
                    "The database takes no rows, they go to the journal. Look at the disk, and for another "
                    "program that holds the database.",
                )
            else:
                self._attendants.end("store_journaling")


def _pulses_of(rows: Iterable[LateRow]) -> Counter[str]:
    return Counter(pulse for row in rows if (pulse := pulse_of(row.payload)) is not None)
