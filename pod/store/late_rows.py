"""Rows that go around the database through the journal, and back in: in order, each exactly once."""

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from pod.domain.errors import StoreError
from pod.store import audit, grants
from pod.store.journal import LateRow

_ROWS_A_BEAT = 1000


class Durability(Enum):
    """Where a row is safe."""

    COMMITTED = "committed"
    JOURNALED = "journaled"


class NotDurableError(StoreError):
    """The row is nowhere that can be relied on.

    Attributes:
        may_appear: it was on its way to the disk and may yet be found there: whoever does not act on it must
            record that.
    """

    def __init__(self, text: str, *, may_appear: bool) -> None:
        super().__init__(text)
        self.may_appear = may_appear


class Claim:
    """Settles between a job and the thread that gave up waiting for it whether the job still writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = self._is_given_up = False

    def take(self) -> None:
        """For the job, inside its transaction, before it writes.

        Raises:
            StoreError: nobody waits any more; the job must not write.
        """
        with self._lock:
            if self._is_given_up:
                raise StoreError("the row went to the journal meanwhile")
            self._is_taken = True

    def give_up(self) -> bool:
        """For the waiting thread; True where the job certainly never writes."""
        with self._lock:
            self._is_given_up = True
            return not self._is_taken


def late_row(
    sealed: audit.Sealed,
    payload: Mapping[str, object],
    *,
    after_seq: int,
    grant: grants.Grant | None,
    revoke: grants.Grant | None,
) -> LateRow:
    """The row as the journal keeps it: flagged late, dated as it was first sealed.

    Args:
        after_seq: a seq that the chain had reached before the database was asked to take `sealed`.
    """
    late = audit.seal(sealed.kind, {**payload, "late": True}, sealed.ts_us)
    return LateRow(
        kind=late.kind,
        ts_us=late.ts_us,
        salt=late.salt.hex(),
        payload=late.payload,
        first_digest=sealed.digest.hex(),
        after_seq=after_seq,
        grant=None if grant is None else (grant.camera, grant.key),
        revoke=None if revoke is None else (revoke.camera, revoke.key),
    )


def import_late(conn: sqlite3.Connection, rows: Sequence[LateRow], *, beat: Callable[[], None]) -> int:
    """Append the rows that the database does not have yet, inside the caller's transaction; returns how many.

    A row is known by its digest, salted and so unlike any other: as the database was first asked to take it,
    or as it was imported before a crash. An intent is known by its pulse, too: it is written down once more
    where nobody could tell what became of it.

    Args:
        beat: called now and then.
    """
    imported = 0
    digests, pulses = _held(conn, rows, beat=beat)
    for row in rows:
        salt = bytes.fromhex(row.salt)
        digest = audit.payload_digest(salt, row.payload.encode())
        pulse = pulse_of(row.payload) if row.kind == "intent" else None
        if digest in digests or bytes.fromhex(row.first_digest) in digests or pulse in pulses:
            continue
        if pulse is not None:
            pulses.add(pulse)
        audit.append(conn, [audit.Sealed(row.kind, row.ts_us, salt, row.payload, digest)])
        if row.grant is not None:
            grants.remember(conn, *row.grant, ts_us=row.ts_us)
        if row.revoke is not None:
            grants.forget(conn, *row.revoke)
        imported += 1
    return imported


def pulse_of(payload: Mapping[str, object] | str) -> str | None:
    """The pulse that a row tells of; None where it tells of none."""
    fields = json.loads(payload) if isinstance(payload, str) else payload
    pulse = fields.get("pulse")
    return pulse if isinstance(pulse, str) else None


def _held(
    conn: sqlite3.Connection, rows: Sequence[LateRow], *, beat: Callable[[], None]
) -> tuple[set[bytes], set[str]]:
    """The digests of audit rows, and the pulses of intents, where the audit may hold some of `rows`."""
    after_seqs = [row.after_seq for row in rows]
    # An older copy that was put back counts from an earlier end.
    after_seq = min(after_seqs, default=0) if max(after_seqs, default=0) <= audit.read_head(conn).seq else 0
    wanted = {row.first_digest for row in rows} | {
        audit.payload_digest(bytes.fromhex(row.salt), row.payload.encode()).hex() for row in rows
    }
    intents = {pulse_of(row.payload) for row in rows if row.kind == "intent"} - {None}
    digests: set[bytes] = set()
    pulses: set[str] = set()
    found = conn.execute(
        "SELECT payload_digest, CASE WHEN kind = 'intent' AND json_valid(payload) "
        "THEN json_extract(payload, '$.pulse') END FROM audit WHERE seq > ?",
        (after_seq,),
    )
    for n, (digest, pulse) in enumerate(found):
        if n % _ROWS_A_BEAT == 0:
            beat()
        if digest.hex() in wanted:
            digests.add(digest)
        if pulse in intents:
            pulses.add(pulse)
    return digests, pulses
