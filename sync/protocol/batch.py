"""A batch of audit rows as one message: columns in JSON, payloads behind it byte for byte. Pure.

The payloads are what the chain digests, so they go as they are, and what their bytes are is nobody's business
here: a row that somebody spoiled travels like any other.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from sync.protocol.chain import Absence, Position, Row, digest_of, link_of
from sync.protocol.errors import ProtocolError
from sync.protocol.limits import MAX_ROW_BYTES, MAX_ROWS
from sync.protocol.wire import Count, Message, Name, Point, Seconds, read

SALT_BYTES = 16
_DIGEST_BYTES = 32
_ABSENT: tuple[Absence, ...] = ("erased", "too_large", "damaged")
_MAX_TS_US = 2**63 - 1

Kind = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]


class RowsHead(Message):
    """The columns of a batch.

    Attributes:
        session: of the POD that sends them.
        line: which stretch of audit the rows go on, as the cloud numbered it.
        prev, end: where the audit stands before the first row and with the last.
        live_s: cloud time at which rows were sent that had just been made; None: they are history.
        ts_us, kinds: one a row.
        sizes: bytes of each payload; -1 erased, -2 too large, -3 damaged.
        salts: of the rows with a payload, 16 bytes each.
        digests: of the others, 32 bytes each.
    """

    t: Literal["rows"] = "rows"
    session: Name
    line: Count
    prev: Point
    end: Point
    live_s: Seconds | None
    ts_us: list[Annotated[int, Field(ge=-_MAX_TS_US, le=_MAX_TS_US)]] = Field(
        min_length=1, max_length=MAX_ROWS
    )
    kinds: list[Kind] = Field(max_length=MAX_ROWS)
    sizes: list[Annotated[int, Field(ge=-len(_ABSENT), le=MAX_ROW_BYTES)]] = Field(max_length=MAX_ROWS)
    salts: bytes
    digests: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that follow each other, proved to lead from `prev` to the last of them.

    Attributes:
        session, line, live_s: as those of `RowsHead`.
    """

    session: str
    line: int
    prev: Position
    rows: tuple[Row, ...]
    live_s: float | None = None

    @property
    def end(self) -> Position:
        """Where the audit stands with the last row."""
        return self.rows[-1].position

    def content(self) -> bytes:
        """The body of a frame."""
        full = [row for row in self.rows if not row.absent]
        head = RowsHead(
            session=self.session,
            line=self.line,
            prev=(self.prev.seq, self.prev.link),
            end=(self.end.seq, self.end.link),
            live_s=self.live_s,
            ts_us=[row.ts_us for row in self.rows],
            kinds=[row.kind for row in self.rows],
            sizes=[-1 - _ABSENT.index(row.absent) if row.absent else len(row.payload) for row in self.rows],
            salts=b"".join(row.salt for row in full),
            digests=b"".join(row.digest for row in self.rows if row.absent),
        )
        return head.content() + b"\n" + b"".join(row.payload for row in full)


def read_batch(content: bytes) -> Batch:
    """The batch that a body holds.

    Raises:
        ProtocolError: columns and payloads do not fit together, or the rows do not lead from `prev` to `end`.
    """
    line, _, tail = content.partition(b"\n")
    head = read(line, {"rows": RowsHead})
    absent = sum(size < 0 for size in head.sizes)
    if not len(head.ts_us) == len(head.kinds) == len(head.sizes):
        raise ProtocolError("a batch whose columns are not equally long")
    if len(head.salts) != SALT_BYTES * (len(head.sizes) - absent):
        raise ProtocolError("a batch without one salt a payload")
    if len(head.digests) != _DIGEST_BYTES * absent:
        raise ProtocolError("a batch without one digest a row that comes without its payload")
    if len(tail) != sum(size for size in head.sizes if size > 0):
        raise ProtocolError("a batch whose payloads are not as long as it says")
    rows = _rows(head, tail)
    if rows[-1].position != head.end:
        raise ProtocolError("a batch whose rows do not lead to the end that it names: changed, or cut")
    return Batch(head.session, head.line, Position(*head.prev), rows, head.live_s)


def _rows(head: RowsHead, tail: bytes) -> tuple[Row, ...]:
    at = salt_at = digest_at = 0
    seq, link = head.prev
    rows = []
    for ts_us, kind, size in zip(head.ts_us, head.kinds, head.sizes, strict=True):
        seq += 1
        if size < 0:
            salt = payload = b""
            digest = head.digests[digest_at : digest_at + _DIGEST_BYTES]
            digest_at += _DIGEST_BYTES
        else:
            salt, payload = head.salts[salt_at : salt_at + SALT_BYTES], tail[at : at + size]
            digest = digest_of(salt, payload)
            at, salt_at = at + size, salt_at + SALT_BYTES
        link = link_of(link, seq, ts_us=ts_us, kind=kind, digest=digest)
        absent: Absence = _ABSENT[-1 - size] if size < 0 else ""
        rows.append(Row(seq, ts_us, kind, salt, payload, digest, link, absent))
    return tuple(rows)
