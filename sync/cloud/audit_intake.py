"""Take in what many PODs say of their audits in one transaction: each row once, and its answers.

The lines are locked, so of two bridges that hear one POD the second sees what the first stored; rows and
lines then move in one statement. What is returned is committed, so it may be told. Rows and parameters go
as binary arrays (`unnest`), for the rate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sync.cloud.audit_lines import HeldLine, beyond_of, lock_lines
from sync.cloud.database import Connection
from sync.cloud.incidents import Incident, note_incidents
from sync.protocol.batch import Batch
from sync.protocol.chain import Row
from sync.protocol.down import Ack, Probe, Refused, Welcome
from sync.protocol.intake import Ask, Fork, Line, NotTaken, compare, greet, take
from sync.protocol.up import Hello, Points

AHEAD_US = 86_400_000_000
"""How far ahead of the cloud's clock a POD's may be before its time is not believed."""

Heard = Hello | Batch | Points
Told = Welcome | Ack | Probe | Refused


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a message.

    Attributes:
        told: the answer; None where there is none: an old hello, or a POD that is not issued or revoked.
        rows: how many were new.
    """

    pod: str
    told: Told | None
    rows: int = 0


@dataclass(slots=True)
class _Desk:
    """One POD's state while its messages are gone through."""

    held: HeldLine
    line: Line
    rows: list[tuple[int, Row]] = field(default_factory=list)
    """With the number of the line that each was taken on."""


async def take_in(conn: Connection, heard: Sequence[tuple[str, Heard]], *, now: datetime) -> list[Answered]:
    """Go through messages in their order and store what is new, in one transaction.

    Args:
        conn: of a member of `platebridge_bridge`, outside a transaction.
        heard: the POD of each message and the message; some thousand rows in all.
        now: aware, the cloud's clock: told to PODs; rows whose own time cannot be believed are placed there.

    Returns:
        what came of each, in their order.

    Raises:
        psycopg.Error: nothing was stored.
    """
    async with conn.transaction():
        lines = await lock_lines(conn, sorted({pod for pod, _ in heard}))
        desks = {pod: _Desk(held, held.line) for pod, held in lines.items()}
        incidents: list[Incident] = []
        answered = []
        for pod, message in heard:
            desk = desks.get(pod)
            if desk is None:
                answered.append(Answered(pod, None))
                continue
            match message:
                case Hello():
                    answered.append(Answered(pod, _greeted(desk, message, incidents, now=now)))
                case Batch():
                    answered.append(_taken(desk, message, incidents))
                case Points():
                    answered.append(Answered(pod, await _compared(conn, desk, message, incidents)))
        await _store(conn, [desk for desk in desks.values() if desk.line != desk.held.line], now=now)
        await note_incidents(conn, incidents, now=now)
    return answered


def _greeted(desk: _Desk, hello: Hello, incidents: list[Incident], *, now: datetime) -> Welcome | None:
    greeted = greet(desk.line, hello)
    if greeted is None:
        return None
    desk.line = line = greeted.line
    for first, last in greeted.lost:
        reason = f"rows {first} to {last} are lost: the POD has them no more, and they never came"
        incidents.append(Incident(desk.held.pod, "gap", reason, first, line.number, through=last))
    return Welcome(
        session=hello.session,
        number=hello.number,
        time_s=now.timestamp(),
        line=line.number,
        spans=line.stretches,
        listed=desk.held.listed,
    )


def _taken(desk: _Desk, batch: Batch, incidents: list[Incident]) -> Answered:
    taken = take(desk.line, batch)
    rows: tuple[Row, ...] = ()
    if isinstance(taken, NotTaken):
        if taken.why == "fork":
            reason = "the audit goes on differently than it is held"
            incidents.append(Incident(desk.held.pod, "fork", reason, batch.prev.seq + 1, desk.line.number))
    else:
        desk.line, rows = taken.line, taken.rows
        desk.rows += ((desk.line.number, row) for row in rows)
    return Answered(desk.held.pod, _ack(desk.line), len(rows))


async def _compared(conn: Connection, desk: _Desk, points: Points, incidents: list[Incident]) -> Told:
    links = await _links(conn, desk, [seq for seq, _ in points.points])
    found = compare(desk.line, points, links)
    if isinstance(found, Ask):
        return Probe(line=desk.line.number, seqs=list(found.seqs))
    if isinstance(found, Fork):
        pod, number = desk.held.pod, desk.line.number
        incidents.append(
            Incident(
                pod, "fork", "two audits of this POD part: see whether it was restored", found.at, number
            )
        )
        if found.line is None:
            return Refused(reason=f"the audit parted {number} times: let a person look at this POD")
        desk.line = found.line
    return _ack(desk.line)


def _ack(line: Line) -> Ack:
    return Ack(session=line.session, line=line.number, spans=line.stretches)


async def _links(conn: Connection, desk: _Desk, seqs: Sequence[int]) -> Mapping[int, bytes]:
    """The line's links of those rows that it holds: of a row, that of the highest line up to its own."""
    found = await conn.execute(
        "SELECT DISTINCT ON (seq) seq, link FROM platebridge.audit "
        "WHERE pod = %s AND line <= %s AND seq = ANY (%b::bigint[]) ORDER BY seq, line DESC",
        (desk.held.pod, desk.line.number, list(seqs)),
        binary=True,
    )
    links: dict[int, bytes] = dict(await found.fetchall())  # type: ignore[arg-type]  # the columns' types
    links.update((row.seq, row.link) for _, row in desk.rows)
    return {seq: link for seq, link in links.items() if desk.line.holds(seq)}


async def _store(conn: Connection, desks: Sequence[_Desk], *, now: datetime) -> None:
    """Insert the rows and move the lines, in one statement for all PODs.

    Raises:
        RuntimeError: a line was not as it was locked; the transaction is to be rolled back.
    """
    if not desks:
        return
    rows = [(desk.held.pod, number, row) for desk in desks for number, row in desk.rows]
    through = [desk.line.through for desk in desks]
    done = await conn.execute(
        _STORE,
        {
            "pods": [desk.held.pod for desk in desks],
            "turns": [desk.held.turn for desk in desks],
            "lines": [desk.line.number for desk in desks],
            "throughs": [position.seq for position in through],
            "heads": [position.link for position in through],
            "beyonds": [beyond_of(desk.line) for desk in desks],
            "sessions": [desk.line.session for desk in desks],
            "hellos": [desk.line.hellos for desk in desks],
            "row_pods": [pod for pod, _, _ in rows],
            "row_lines": [number for _, number, _ in rows],
            "seqs": [row.seq for _, _, row in rows],
            "times": [row.ts_us for _, _, row in rows],
            "kinds": [row.kind for _, _, row in rows],
            "absences": [row.absent for _, _, row in rows],
            "salts": [None if row.absent else row.salt for _, _, row in rows],
            "payloads": [None if row.absent else row.payload for _, _, row in rows],
            "digests": [row.digest for _, _, row in rows],
            "links": [row.link for _, _, row in rows],
            "now": now,
            "ahead_us": AHEAD_US,
        },
    )
    moved, stored = await done.fetchone() or (0, 0)
    if (moved, stored) != (len(desks), len(rows)):
        raise RuntimeError(
            f"{len(rows)} rows of {len(desks)} PODs were to be stored; {stored} of {moved} were"
        )


# A row's own time is believed between the oldest month that is kept and a day from now.
_STORE = """
WITH bounds AS (
    SELECT (extract(epoch FROM oldest) * 1000000)::bigint AS low,
           (extract(epoch FROM %(now)b::timestamptz) * 1000000)::bigint + %(ahead_us)b AS high
    FROM (SELECT (date_trunc('month', %(now)b::timestamptz AT TIME ZONE 'UTC')
                  - make_interval(months => keep_months)) AT TIME ZONE 'UTC' AS oldest
          FROM platebridge.store_setting) AS kept
), moved AS (
    UPDATE platebridge.pod_cursor AS c
    SET line = n.line, seq = n.through, head = n.head, beyond = n.beyond, session = n.session,
        hellos = n.hellos, turn = c.turn + 1, moved_at = %(now)b
    FROM unnest(%(pods)b::text[], %(turns)b::bigint[], %(lines)b::integer[], %(throughs)b::bigint[],
                %(heads)b::bytea[], %(beyonds)b::bytea[], %(sessions)b::text[], %(hellos)b::bigint[])
         AS n (pod, turn, line, through, head, beyond, session, hellos)
    WHERE c.pod = n.pod AND c.turn = n.turn
    RETURNING c.pod, c.community
), stored AS (
    INSERT INTO platebridge.audit
        (community, pod, line, seq, at, ts_us, kind, absent, salt, payload, digest, link, received_at)
    SELECT m.community, r.pod, r.line, r.seq,
           CASE WHEN r.ts_us BETWEEN b.low AND b.high
                THEN timestamptz 'epoch' + r.ts_us * interval '1 microsecond' ELSE %(now)b END,
           r.ts_us, r.kind, r.absent, r.salt, r.payload, r.digest, r.link, %(now)b
    FROM unnest(%(row_pods)b::text[], %(row_lines)b::integer[], %(seqs)b::bigint[], %(times)b::bigint[],
                %(kinds)b::text[], %(absences)b::text[], %(salts)b::bytea[], %(payloads)b::bytea[],
                %(digests)b::bytea[], %(links)b::bytea[])
         AS r (pod, line, seq, ts_us, kind, absent, salt, payload, digest, link)
    JOIN moved AS m ON m.pod = r.pod CROSS JOIN bounds AS b
    RETURNING 1
)
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM stored)
"""
