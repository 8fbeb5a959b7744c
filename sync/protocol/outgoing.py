"""Make rows of a POD's store ready to be sent, spoiled ones included: none holds up the others. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sync.protocol.chain import Position, Row, digest_of, link_of
from sync.protocol.limits import MAX_ROW_BYTES


@dataclass(frozen=True, slots=True)
class Provable:
    """Rows that follow from a position.

    Attributes:
        rows: empty where already the first does not follow.
        withheld: how many go without a payload that they have here.
        broken: the first row that does not follow, and can be proved to nobody; None where all do.
    """

    rows: tuple[Row, ...]
    withheld: int
    broken: Row | None


def provable(prev: Position | None, rows: Sequence[Row]) -> Provable:
    """The rows that lead on from `prev`, each as it can be sent.

    Args:
        prev: None where the row before is missing: nothing follows.
    """
    good: list[Row] = []
    withheld = 0
    for row in rows:
        if prev is None or row.position != _after(prev, row):
            return Provable(tuple(good), withheld, row)
        sent = _as_sent(row)
        withheld += sent.absent != row.absent
        good.append(sent)
        prev = row.position
    return Provable(tuple(good), withheld, None)


def _after(prev: Position, row: Row) -> Position:
    seq = prev.seq + 1
    return Position(seq, link_of(prev.link, seq, ts_us=row.ts_us, kind=row.kind, digest=row.digest))


def _as_sent(row: Row) -> Row:
    if row.absent:
        return row
    if len(row.payload) > MAX_ROW_BYTES:
        return replace(row, salt=b"", payload=b"", absent="too_large")
    if row.digest != digest_of(row.salt, row.payload):
        return replace(row, salt=b"", payload=b"", absent="damaged")
    return row
