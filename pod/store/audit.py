"""The audit: append-only rows, each linked to the one before by a hash.

    payload_digest = H(salt, payload)              link = H(previous link, seq, ts_us, kind, payload_digest)

H is SHA-256 over its fields, each preceded by its length in 8 bytes. The salt keeps an erased payload (salt
and payload NULL) from being guessed out of its digest, and the link holds on without them.

An erasure is noted by a row of kind `erasure`, whose `seqs` names the rows before it that are emptied.

What the chain shows by itself: a changed payload, time or kind, a row that is missing, moved, put in or
emptied without such a note, and rows cut off the end while `audit_head` still names them. What it cannot
show: somebody who may write the file and computes the end, or the whole chain, anew. That takes an anchor
kept elsewhere: `verify(conn, anchor)` with a head noted down earlier, and later the cloud's "I have through
N".
"""

import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pod.domain.errors import StoreError
from pod.store.moments import from_us

KINDS = frozenset(
    {
        "pod_started",
        "pod_stopped",
        "intent",
        "outcome",
        "decision",
        "list_change",
        "camera_state",
        "gate_state",
        "gate_fact",
        "alarm",
        "site_state",
        "command",
        "login",
        "media_shared",
        "clock",
        "erasure",
        "recovery",
        "watch_started",
        "watch_ended",
        "cloud_state",
    }
)
"""What a row can tell of."""

_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload made ready outside the transaction: serialised, salted, digested."""

    kind: str
    ts_us: int
    salt: bytes
    payload: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row, for those who read.

    Attributes:
        at: aware UTC.
        payload: None once erased.
        link: 32 bytes, the chain up to and including this row.
    """

    seq: int
    at: datetime
    kind: str
    payload: dict[str, object] | None
    link: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends; a head noted down elsewhere anchors everything before it."""

    seq: int
    link: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.link.hex()}"


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Whether the chain holds.

    Attributes:
        rows: how many rows were found good, from the first on.
        erased: how many of them have no payload any more.
        first_bad_seq: the first seq that does not hold; None where all do.
        reason: what is wrong with it, for people; empty where all is well.
        head: the last good row; seq 0 where there is none.
    """

    ok: bool
    rows: int
    erased: int
    first_bad_seq: int | None
    reason: str
    head: Head


def seal(kind: str, payload: Mapping[str, object], ts_us: int) -> Sealed:
    """Serialise and digest a payload.

    Raises:
        StoreError: the kind is unknown, or the payload can't be written as JSON.
    """
    if kind not in KINDS:
        raise StoreError(f"unknown audit kind {kind!r}: use one of {', '.join(sorted(KINDS))}")
    try:
        text = json.dumps(dict(payload), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"the payload of an audit row of kind {kind!r} is not JSON: {error}") from error
    salt = secrets.token_bytes(_SALT_BYTES)
    return Sealed(kind, ts_us, salt, text, payload_digest(salt, text.encode()))


def append(conn: sqlite3.Connection, rows: Iterable[Sealed]) -> int:
    """Link rows to the end of the chain, inside the caller's write transaction; returns the last seq.

    The head is read in that transaction, so writers of several processes can't fork the chain.
    """
    head = read_head(conn)
    linked = []
    for row in rows:
        seq = head.seq + 1
        head = Head(seq, chain_link(head.link, seq, ts_us=row.ts_us, kind=row.kind, digest=row.digest))
        linked.append((seq, row.ts_us, row.kind, row.salt, row.payload, row.digest, head.link))
    conn.executemany(
        "INSERT INTO audit (seq, ts_us, kind, salt, payload, payload_digest, link) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        linked,
    )
    conn.execute("UPDATE audit_head SET seq = ?, link = ?", (head.seq, head.link))
    return head.seq


def read_head(conn: sqlite3.Connection) -> Head:
    """Where the chain ends now; seq 0 and 32 zero bytes before the first row."""
    return Head(*conn.execute("SELECT seq, link FROM audit_head").fetchone())


def verify(
    conn: sqlite3.Connection, anchor: Head | None = None, *, after: Head | None = None
) -> VerifyResult:
    """Recompute every link of one consistent view of the audit, without holding it in memory.

    Args:
        conn: not inside a transaction.
        anchor: a head noted down earlier; the chain must still hold that row.
        after: a row to believe; only those behind it are looked at.

    Raises:
        sqlite3.Error: the file can't be read.
    """
    conn.execute("BEGIN")
    try:
        return _verify(conn, anchor, after or Head(0, bytes(32)))
    finally:
        conn.execute("ROLLBACK")


def _verify(conn: sqlite3.Connection, anchor: Head | None, last: Head) -> VerifyResult:
    claimed = read_head(conn)
    before, erased = last.seq, 0
    unnoted = bytearray()  # a byte a row: 1 where it was emptied and no erasure names it yet

    def bad(seq: int, reason: str) -> VerifyResult:
        return VerifyResult(False, last.seq, erased, seq, reason, last)

    # As bytes: a tampered text need not be valid UTF-8.
    rows = conn.execute(
        "SELECT seq, ts_us, CAST(kind AS BLOB), salt, CAST(payload AS BLOB), payload_digest, link "
        "FROM audit WHERE seq > ? ORDER BY seq",
        (last.seq,),
    )
    for seq, ts_us, kind, salt, payload, digest, link in rows:
        expected = last.seq + 1
        if seq != expected:
            missing = f"row {expected} is" if seq == expected + 1 else f"rows {expected} to {seq - 1} are"
            return bad(expected, f"{missing} missing")
        if link != _chain_link(last.link, seq, ts_us=ts_us, kind=kind, digest=digest):
            return bad(seq, f"row {seq} does not follow from the one before: changed, moved or put in")
        is_erased = payload is None or salt is None
        unnoted.append(is_erased)
        if is_erased:
            erased += 1
        elif digest != payload_digest(salt, payload):
            return bad(seq, f"the payload of row {seq} was changed")
        elif kind == b"erasure":
            for low, high in noted_rows(payload):
                named = slice(max(0, low - 1 - before), max(0, high - before))
                unnoted[named] = bytes(len(unnoted[named]))
        last = Head(seq, link)
        if anchor is not None and seq == anchor.seq and link != anchor.link:
            return bad(seq, f"row {seq} is not the one that was noted down: the chain was written anew")
    if claimed.seq > last.seq:
        return bad(last.seq + 1, f"rows {last.seq + 1} to {claimed.seq} were cut off the end")
    if claimed != last:
        return bad(last.seq, f"row {last.seq} is not the one the store noted as its last")
    if anchor is not None and anchor.seq > last.seq:
        return bad(last.seq + 1, f"rows {last.seq + 1} to {anchor.seq} were cut off the end")
    if (at := unnoted.find(1)) >= 0:
        seq = before + at + 1
        return bad(seq, f"row {seq} was emptied, and no erasure that was noted names it")
    return VerifyResult(True, last.seq, erased, None, "", last)


def row_ranges(seqs: Iterable[int]) -> str:
    """Ascending rows as the note of an erasure names them, such as `3-7,9`."""
    spans: list[list[int]] = []
    for seq in seqs:
        if spans and seq == spans[-1][1] + 1:
            spans[-1][1] = seq
        else:
            spans.append([seq, seq])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


def noted_rows(payload: bytes | str) -> list[tuple[int, int]]:
    """The rows that the note of an erasure names, as first and last of each run."""
    note = json.loads(payload)
    named = note.get("seqs") if isinstance(note, dict) else None
    found = re.findall(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", named if isinstance(named, str) else "")
    return [(max(1, int(low)), int(high or low)) for low, high in found]


def payload_digest(salt: bytes, payload: bytes) -> bytes:
    """What the chain keeps of a payload; says nothing about it once the salt is gone."""
    return _hash(salt, payload)


def chain_link(previous: bytes, seq: int, *, ts_us: int, kind: str, digest: bytes) -> bytes:
    """The link of a row, 32 bytes, from the link before it (32 zero bytes before the first)."""
    return _chain_link(previous, seq, ts_us=ts_us, kind=kind.encode(), digest=digest)


def _chain_link(previous: bytes, seq: int, *, ts_us: int, kind: bytes, digest: bytes) -> bytes:
    return _hash(
        previous, seq.to_bytes(8, "big", signed=True), ts_us.to_bytes(8, "big", signed=True), kind, digest
    )


def _hash(*fields: bytes) -> bytes:
    digest = hashlib.sha256()
    for field in fields:
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()


LATEST_SQL = "SELECT seq, ts_us, kind, payload, link FROM audit ORDER BY seq DESC LIMIT ?"
LATEST_OF_CARS_SQL = (
    "SELECT seq, ts_us, kind, payload, link FROM audit "
    "WHERE kind IN ('decision', 'intent', 'outcome') AND payload IS NOT NULL ORDER BY seq DESC LIMIT ?"
)
"""Its condition is word for word that of the index `audit_of_cars`, which SQLite uses for no other."""

SINCE_SQL = "SELECT seq, ts_us, kind, payload, link FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"


def row_from(columns: tuple[int, int, str, str | None, bytes]) -> AuditRow:
    """A row of one of the queries above."""
    seq, ts_us, kind, payload, link = columns
    return AuditRow(seq, from_us(ts_us), kind, None if payload is None else json.loads(payload), link)
