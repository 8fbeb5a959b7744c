"""Note what is wrong with PODs, for people: forks, gaps and messages that nobody can use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sync.cloud.database import Connection

MAX_SAMPLE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a person has to look at.

    Attributes:
        pod: as the message's topic named it; need not exist.
        kind: `fork`: the audit goes on differently than the cloud holds it. `gap`: rows that the POD has no
            more and the cloud never had. `poison`: a message that cannot be used. `flood`: a POD asks for
            more than its share. `list`: a list that cannot be sent.
        reason: in words, the same each time, for equal ones are counted together; at most 500 characters.
        seq: the row it is about, 0 where it is about none.
        through: the last row it is about, where it is about several.
        sample: the message, for whoever looks for the fault; its beginning is kept.
    """

    pod: str
    kind: Literal["fork", "gap", "poison", "flood", "list"]
    reason: str
    seq: int = 0
    line: int = 1
    sample: bytes | None = None
    through: int = 0


async def note_incidents(conn: Connection, incidents: Sequence[Incident], *, now: datetime) -> None:
    """Note them, in the caller's transaction; one that is open already is counted, its first sample kept."""
    for one in sorted(incidents, key=lambda i: (i.pod, i.kind, i.line, i.reason)):
        await conn.execute(
            "INSERT INTO platebridge.incident AS i "
            "(community, pod, kind, line, reason, seq, through, sample, first_at, last_at) "
            "VALUES ((SELECT community FROM platebridge.pod WHERE id = %(pod)s), %(pod)s, %(kind)s, "
            "%(line)s, %(reason)s, %(seq)s, %(through)s, %(sample)b, %(now)s, %(now)s) "
            "ON CONFLICT (pod, kind, line, reason) WHERE closed_at IS NULL "
            "DO UPDATE SET times = i.times + 1, last_at = greatest(i.last_at, excluded.last_at)",
            {
                "pod": one.pod[:64],
                "kind": one.kind,
                "line": one.line,
                "reason": one.reason[:500],
                "seq": one.seq,
                "through": one.through,
                "sample": None if one.sample is None else one.sample[:MAX_SAMPLE_BYTES],
                "now": now,
            },
        )
