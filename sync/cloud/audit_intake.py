"""Take the audit rows of many PODs into the database in one go, each row once and in its order.

The cursors are locked, so of two bridges that insert for one POD the second sees what the first did; rows
and cursors then move in one statement that compares the cursor once more. What is returned may be
acknowledged: it is committed. Rows and parameters go as binary arrays (`unnest`), for the rate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sync.cloud.audit_cursor import AuditBatch, AuditRow, Cursor, Outcome, judge
from sync.cloud.database import Connection
from sync.cloud.incidents import Incident, note_incidents

AHEAD_US = 86_400_000_000
"""How far ahead of the cloud's clock a POD's may be before its time is not believed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch.

    Attributes:
        through, head: all rows up to there are held and committed: what to acknowledge. Nothing is to be
            acknowledged to an `unknown_pod`.
        rows: how many were new.
    """

    pod: str
    outcome: Outcome
    through: int
    head: bytes
    rows: int


async def take_batches(conn: Connection, batches: Sequence[AuditBatch], *, now: datetime) -> list[Taken]:
    """Store what is new, in one transaction; a fork is noted as an incident and stores nothing.

    Args:
        conn: of a member of `platebridge_bridge`, outside a transaction.
        batches: one for each POD; some thousand rows in all.
        now: aware, the cloud's clock: rows whose own time cannot be believed are placed there.

    Returns:
        what became of each batch, in their order.

    Raises:
        ValueError: a POD has two batches.
        psycopg.Error: nothing was stored.
    """
    if len({batch.pod for batch in batches}) != len(batches):
        raise ValueError("one batch for each POD: join those of one POD, or take them one after the other")
    async with conn.transaction():
        cursors = await lock_cursors(conn, [batch.pod for batch in batches])
        held = await _held(conn, [b for b in batches if b.pod in cursors and b.last < cursors[b.pod].seq])
        taken, stored = [], []
        for batch in batches:
            cursor = cursors.get(batch.pod)
            if cursor is None:
                taken.append(Taken(batch.pod, "unknown_pod", 0, b"", 0))
                continue
            outcome = judge(cursor, batch, held.get(batch.pod, {}))
            if outcome == "stored":
                rows = batch.rows[cursor.seq + 1 - batch.first :]
                stored.append((cursor, rows))
                taken.append(Taken(batch.pod, outcome, batch.last, rows[-1].link, len(rows)))
            else:
                taken.append(Taken(batch.pod, outcome, cursor.seq, cursor.head, 0))
        await store_rows(conn, stored, now=now)
        forks = [
            Incident(one.pod, "fork", "the audit goes on differently than it was held", one.through)
            for one in taken
            if one.outcome == "fork"
        ]
        await note_incidents(conn, forks, now=now)
    return taken


async def lock_cursors(conn: Connection, pods: Sequence[str]) -> Mapping[str, Cursor]:
    """The cursors of those PODs that are issued and not revoked, locked until the transaction ends.

    They are locked in the order of their ids: two bridges never wait for each other in a circle.
    """
    cursors = await _locked(conn, pods)
    if len(cursors) < len(pods):
        # Where another bridge makes them just now this waits for it and makes none: look them up either way.
        await conn.execute(
            "INSERT INTO platebridge.pod_cursor (pod, community) SELECT id, community FROM platebridge.pod "
            "WHERE id = ANY (%b::text[]) AND revoked_at IS NULL ORDER BY id ON CONFLICT DO NOTHING",
            ([pod for pod in pods if pod not in cursors],),
        )
        cursors = await _locked(conn, pods)
    return cursors


async def _locked(conn: Connection, pods: Sequence[str]) -> Mapping[str, Cursor]:
    found = await conn.execute(
        "SELECT c.pod, c.line, c.seq, c.head FROM platebridge.pod_cursor AS c "
        "JOIN platebridge.pod AS p ON p.id = c.pod "
        "WHERE c.pod = ANY (%b::text[]) AND p.revoked_at IS NULL ORDER BY c.pod FOR UPDATE OF c",
        (list(pods),),
        binary=True,
    )
    cursors = [Cursor(*row) for row in await found.fetchall()]  # type: ignore[arg-type]  # the columns' types
    return {cursor.pod: cursor for cursor in cursors}


async def store_rows(
    conn: Connection, stored: Iterable[tuple[Cursor, Sequence[AuditRow]]], *, now: datetime
) -> None:
    """Insert rows and move the cursors behind them, in one statement for all PODs.

    Args:
        conn: in the transaction that locked the cursors.
        stored: cursors as they are, and the rows that follow each, at least one.

    Raises:
        RuntimeError: a cursor was not where it was said to be; the transaction is to be rolled back.
    """
    moves = list(stored)
    if not moves:
        return
    rows = [(cursor, row) for cursor, new in moves for row in new]
    done = await conn.execute(
        _STORE,
        {
            "pods": [cursor.pod for cursor, _ in moves],
            "lines": [cursor.line for cursor, _ in moves],
            "froms": [cursor.seq for cursor, _ in moves],
            "throughs": [new[-1].seq for _, new in moves],
            "heads": [new[-1].link for _, new in moves],
            "row_pods": [cursor.pod for cursor, _ in rows],
            "seqs": [row.seq for _, row in rows],
            "times": [row.ts_us for _, row in rows],
            "kinds": [row.kind for _, row in rows],
            "absences": [row.absent for _, row in rows],
            "salts": [row.salt for _, row in rows],
            "payloads": [row.payload for _, row in rows],
            "digests": [row.digest for _, row in rows],
            "links": [row.link for _, row in rows],
            "now": now,
            "ahead_us": AHEAD_US,
        },
    )
    if done.rowcount != len(rows):
        raise RuntimeError(f"{len(rows)} rows were to be stored and {done.rowcount} were")


# A row's own time is believed between the oldest month that is kept and a day from now.
_STORE = """
WITH bounds AS (
    SELECT (extract(epoch FROM oldest) * 1000000)::bigint AS low,
           (extract(epoch FROM %(now)b::timestamptz) * 1000000)::bigint + %(ahead_us)b AS high
    FROM (SELECT (date_trunc('month', %(now)b::timestamptz AT TIME ZONE 'UTC')
                  - make_interval(months => keep_months)) AT TIME ZONE 'UTC' AS oldest
          FROM platebridge.store_setting) AS kept
), moved AS (
    UPDATE platebridge.pod_cursor AS c SET seq = n.through, head = n.head, moved_at = %(now)b
    FROM unnest(%(pods)b::text[], %(lines)b::integer[], %(froms)b::bigint[], %(throughs)b::bigint[],
                %(heads)b::bytea[]) AS n (pod, line, seq, through, head)
    WHERE c.pod = n.pod AND c.line = n.line AND c.seq = n.seq
    RETURNING c.pod, c.community, c.line
)
INSERT INTO platebridge.audit
    (community, pod, line, seq, at, ts_us, kind, absent, salt, payload, digest, link, received_at)
SELECT m.community, r.pod, m.line, r.seq,
       CASE WHEN r.ts_us BETWEEN b.low AND b.high
            THEN timestamptz 'epoch' + r.ts_us * interval '1 microsecond' ELSE %(now)b END,
       r.ts_us, r.kind, r.absent, r.salt, r.payload, r.digest, r.link, %(now)b
FROM unnest(%(row_pods)b::text[], %(seqs)b::bigint[], %(times)b::bigint[], %(kinds)b::text[],
            %(absences)b::text[], %(salts)b::bytea[], %(payloads)b::bytea[], %(digests)b::bytea[],
            %(links)b::bytea[])
     AS r (pod, seq, ts_us, kind, absent, salt, payload, digest, link)
JOIN moved AS m ON m.pod = r.pod CROSS JOIN bounds AS b
"""


async def _held(conn: Connection, behind: Sequence[AuditBatch]) -> Mapping[str, Mapping[int, bytes]]:
    """By POD the link of the last row of each batch, where it is held."""
    if not behind:
        return {}
    found = await conn.execute(
        "SELECT a.pod, a.seq, a.link "
        "FROM unnest(%b::text[], %b::integer[], %b::bigint[]) AS w (pod, line, seq) "
        "JOIN platebridge.audit AS a ON a.pod = w.pod AND a.line = w.line AND a.seq = w.seq",
        ([b.pod for b in behind], [b.line for b in behind], [b.last for b in behind]),
        binary=True,
    )
    return {str(pod): {seq: link} for pod, seq, link in await found.fetchall()}  # type: ignore[dict-item]  # as above
