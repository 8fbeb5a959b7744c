"""What a batch of audit rows means beside what is held already: new, repeated, a gap or a fork. Pure.

Links chain: two audits that share the link of a row share every row before it. So one comparison judges a
whole batch, and the rows of a batch are taken to be chained among themselves (whoever reads them checks).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["stored", "repeated", "gap", "fork", "unknown_pod"]
"""`gap`: rows before the batch are missing. `fork`: a row that is held came with another link, or the batch
goes on from another. `unknown_pod`: not issued, or revoked."""

Absence = Literal["", "erased", "too_large", "damaged"]

START_LINK = bytes(32)
"""The link before the first row."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row as the POD has it.

    Attributes:
        ts_us: microseconds since 1970 by the POD's clock; any 64-bit number, for clocks are wrong.
        salt, payload: both None where the payload is absent.
        digest, link: 32 bytes each.
        absent: why the payload is; empty where it is not.
    """

    seq: int
    ts_us: int
    kind: str
    salt: bytes | None
    payload: bytes | None
    digest: bytes
    link: bytes
    absent: Absence = ""


@dataclass(frozen=True, slots=True)
class AuditBatch:
    """Rows of one POD that follow each other.

    Attributes:
        line: which of the POD's audits they belong to; rises where one goes on differently.
        previous: the link before the first row, 32 bytes.
        rows: at least one.
    """

    pod: str
    previous: bytes
    rows: tuple[AuditRow, ...]
    line: int = 1

    def __post_init__(self) -> None:
        first = self.rows[0].seq if self.rows else 0
        if first < 1 or any(row.seq != first + n for n, row in enumerate(self.rows)):
            raise ValueError("the rows of a batch count up from one another, from 1 on")

    @property
    def first(self) -> int:
        """The first row's seq."""
        return self.rows[0].seq

    @property
    def last(self) -> int:
        """The last row's seq."""
        return self.rows[-1].seq

    def link_at(self, seq: int) -> bytes | None:
        """The link of a row, or of the one before the first; None where the batch does not tell."""
        if seq == self.first - 1:
            return self.previous
        return self.rows[seq - self.first].link if self.first <= seq <= self.last else None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a POD's audit is held: every row of the line up to `seq`, whose link is `head`."""

    pod: str
    line: int = 1
    seq: int = 0
    head: bytes = START_LINK


def judge(cursor: Cursor, batch: AuditBatch, held: Mapping[int, bytes]) -> Outcome:
    """What the batch is beside what is held; the rows behind the cursor are new where it is `stored`.

    Args:
        held: the link of the batch's last row, where that lies before the cursor and is held. Rows whose
            month was dropped are believed to be repeated.
    """
    if batch.line != cursor.line:
        return "repeated" if batch.line < cursor.line else "gap"
    if batch.first > cursor.seq + 1:
        return "gap"
    if batch.last < cursor.seq:
        known = held.get(batch.last)
        return "repeated" if known is None or known == batch.rows[-1].link else "fork"
    if batch.link_at(cursor.seq) != cursor.head:
        return "fork"
    return "stored" if batch.last > cursor.seq else "repeated"
