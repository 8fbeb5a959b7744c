"""Prove that a community's audits are as its PODs sent them: every link computed anew, and checkpoints."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sync.cloud.audit_lines import line_of
from sync.cloud.database import Connection
from sync.cloud.portal_rights import of_the_community
from sync.protocol.chain import Position, digest_of, link_of
from sync.protocol.intake import Line

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found of one POD's audit.

    Attributes:
        rows: that were verified, up to the first that is wrong.
        absent: of them came without their payload: it was erased, too large or spoiled.
        first: the oldest row that is there, 0 where none is; older ones were dropped with their months.
        lost: rows that the POD had no more when the cloud asked for them; an incident says so.
        checkpoints: that still hold.
        head: where the audit stands; give it to `platebridge audit verify --head` on the POD.
        broken: what is wrong first; empty where nothing is.
    """

    pod: str
    rows: int
    absent: int
    first: int
    lost: int
    checkpoints: int
    head: Position
    broken: str = ""


async def prove_audits(conn: Connection, community: str) -> Sequence[Proof]:
    """Go through every audit of a community, in a transaction that sees one moment.

    Args:
        conn: of a member of `platebridge_api`, outside a transaction.

    Raises:
        CloudError: there is no such community, or this user may not see it.
    """
    async with of_the_community(conn, community):
        found = await conn.execute(
            "SELECT pod, line, seq, head, beyond, session, hellos FROM platebridge.pod_cursor ORDER BY pod",
            binary=True,
        )
        lines = [(str(row[0]), line_of(*row[1:])) for row in await found.fetchall()]  # type: ignore[arg-type]  # the columns' types
        return [await _prove(conn, pod, line) for pod, line in lines]


async def _prove(conn: Connection, pod: str, line: Line) -> Proof:
    gone = await _gaps(conn, pod)
    walk = _Walk(line, gone)
    async for row in _rows(conn, pod, line.number):
        if not walk.step(*row):
            break
    else:
        walk.end()
    holding, contradicted = await _checkpoints(conn, pod)
    broken = walk.broken
    if not broken and contradicted:
        broken = f"row {contradicted} is not the one that a checkpoint names: the audit was written anew"
    return Proof(pod, walk.rows, walk.absent, walk.first, walk.lost, holding, line.spans[-1].head, broken)


class _Walk:
    """One pass over the rows of a line, which may lie in several stretches."""

    def __init__(self, line: Line, gone: Sequence[tuple[int, int]]) -> None:
        self._line = line
        self._gone = gone
        self._at: Position | None = None
        self.rows = self.absent = self.first = self.lost = 0
        self.broken = ""

    def step(
        self,
        seq: int,
        ts_us: int,
        kind: str,
        absent: str,
        salt: bytes | None,
        payload: bytes | None,
        digest: bytes,
        link: bytes,
    ) -> bool:
        """Take the next row in; False where it is wrong."""
        before = self._before(seq)
        if self.broken:
            return False
        if not self._line.holds(seq):
            self.broken = f"row {seq} is there, and nobody acknowledged it: put in"
        elif before is not None and link != link_of(before, seq, ts_us=ts_us, kind=kind, digest=digest):
            self.broken = f"row {seq} does not follow from the one before: changed, moved or put in"
        elif salt is not None and payload is not None and digest_of(salt, payload) != digest:
            self.broken = f"the payload of row {seq} was changed"
        if self.broken:
            return False
        for span in self._line.spans:
            if span.head.seq == seq and span.head.link != link:
                self.broken = f"row {seq} is not the one that was acknowledged: the audit was written anew"
                return False
        self._at = Position(seq, link)
        self.rows += 1
        self.absent += absent != ""
        self.first = self.first or seq
        return True

    def end(self) -> None:
        """See that no row is missing behind the last."""
        if self._at is not None:
            self._missing(self._at.seq + 1, self._line.spans[-1].head.seq)

    def _before(self, seq: int) -> bytes | None:
        """The link before a row, where it is known; what is missing between is noted."""
        if self._at is not None and self._at.seq == seq - 1:
            return self._at.link
        if self._at is not None:
            self._missing(self._at.seq + 1, seq - 1)
        base = next((span.base for span in self._line.spans if span.base.seq == seq - 1), None)
        return None if base is None else base.link

    def _missing(self, first: int, last: int) -> None:
        """Rows that should be there and are not: lost by the POD itself, or not come yet, or taken away."""
        if first > last:
            return
        left = [(first, last)]
        for low, high in self._gone:
            left = [part for one in left for part in _without(one, low, high)]
        self.lost += last - first + 1 - sum(high - low + 1 for low, high in left)
        for span in self._line.spans:
            for low, high in left:
                if max(low, span.base.seq + 1) <= min(high, span.head.seq):
                    self.broken = f"row {max(low, span.base.seq + 1)} is missing"
                    return


def _without(rows: tuple[int, int], low: int, high: int) -> list[tuple[int, int]]:
    """What is left of a range of rows without those from `low` to `high`."""
    first, last = rows
    parts = [(first, min(last, low - 1)), (max(first, high + 1), last)]
    return [(begin, end) for begin, end in parts if begin <= end] if low <= high else [rows]


async def _rows(
    conn: Connection, pod: str, line: int
) -> AsyncIterator[tuple[int, int, str, str, bytes | None, bytes | None, bytes, bytes]]:
    """The line's rows by seq: of each seq the row of the highest line up to it."""
    async with conn.cursor(name="audit_proof", binary=True) as cursor:  # fetched in parts, not held whole
        cursor.itersize = _AT_ONCE
        await cursor.execute(
            "SELECT DISTINCT ON (seq) seq, ts_us, kind, absent, salt, payload, digest, link "
            "FROM platebridge.audit WHERE pod = %s AND line <= %s ORDER BY seq, line DESC",
            (pod, line),
        )
        async for row in cursor:
            yield row  # type: ignore[misc]  # the columns' types


async def _gaps(conn: Connection, pod: str) -> Sequence[tuple[int, int]]:
    found = await conn.execute(
        "SELECT seq, through FROM platebridge.incident WHERE pod = %s AND kind = 'gap'", (pod,)
    )
    return [(int(str(first)), int(str(last))) for first, last in await found.fetchall()]


async def _checkpoints(conn: Connection, pod: str) -> tuple[int, int]:
    """How many hold, and the first row that contradicts one, or 0."""
    found = await conn.execute(
        "SELECT count(*) FILTER (WHERE r.link = c.link), "
        "coalesce(min(c.seq) FILTER (WHERE r.link <> c.link), 0) "
        "FROM platebridge.audit_checkpoint AS c CROSS JOIN LATERAL ("
        "SELECT link FROM platebridge.audit AS a WHERE a.pod = c.pod AND a.seq = c.seq AND a.line <= c.line "
        "ORDER BY a.line DESC LIMIT 1) AS r WHERE c.pod = %s",
        (pod,),
    )
    holding, contradicted = await found.fetchone() or (0, 0)
    return int(str(holding)), int(str(contradicted))
