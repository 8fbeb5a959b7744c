"""Commands in the database: which are waited for, for which session of the POD, and what became of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sync.cloud.database import Connection
from sync.protocol.commands import ASKED_FOR_S, MOST_LIFE_S
from sync.protocol.down import Command
from sync.protocol.topics import shard_of
from sync.protocol.up import Answer

MOST_WAITING = 1000
"""So many of the newest commands are asked after; the others run out."""

_FRESH = """
SELECT c.id, c.pod FROM platebridge.command AS c
JOIN platebridge.pod AS p ON p.id = c.pod AND p.revoked_at IS NULL
WHERE c.result IS NULL AND c.session IS NULL AND c.asked_at > now() - %s * interval '1 s'
ORDER BY c.asked_at DESC LIMIT %s
"""
_BIND = """
UPDATE platebridge.command AS c SET session = k.session FROM platebridge.pod_cursor AS k
WHERE c.id = ANY (%s::text[]) AND c.session IS NULL AND k.pod = c.pod AND k.session <> ''
"""
_WAITING = """
SELECT c.pod, c.id, c.session, c.gate, c.asked_by, c.confirmed,
       extract(epoch FROM c.asked_at)::float8, extract(epoch FROM c.expires_at)::float8
FROM platebridge.command AS c JOIN platebridge.pod AS p ON p.id = c.pod AND p.revoked_at IS NULL
WHERE (c.result IS NULL OR c.result = 'unknown') AND c.reason <> 'no_answer' AND c.session IS NOT NULL
  AND c.asked_at > now() - %b * interval '1 s'
ORDER BY c.asked_at DESC LIMIT %b
"""
_SETTLE = """
UPDATE platebridge.command AS c SET result = n.result, reason = n.reason, answered_at = clock_timestamp()
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS n (id, pod, result, reason)
JOIN platebridge.pod AS p ON p.id = n.pod AND p.revoked_at IS NULL
WHERE c.id = n.id AND c.pod = n.pod AND c.session IS NOT NULL AND (c.result IS NULL OR c.result = 'unknown')
  AND (c.result, c.reason) IS DISTINCT FROM (n.result, n.reason)
"""
_GIVE_UP = """
UPDATE platebridge.command SET result = 'unknown', reason = 'no_answer', answered_at = clock_timestamp()
WHERE result IS NULL AND expires_at < now() - %s * interval '1 s'
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that nobody knows the outcome of."""

    pod: str
    command: Command


async def waiting_commands(conn: Connection, shards: Collection[str]) -> list[Waiting]:
    """Commands to send, or to ask after, for PODs of these shards; the newest first.

    A command that is seen for the first time is bound to the session that the POD has now, and that is
    committed before it is returned: whoever sends it again after a crash sends the same. One for a POD that
    never said hello waits.
    """
    bounds = (ASKED_FOR_S + MOST_LIFE_S, MOST_WAITING)
    found = await conn.execute(_FRESH, bounds)
    fresh = [str(command_id) for command_id, pod in await found.fetchall() if shard_of(str(pod)) in shards]
    if fresh:
        await conn.execute(_BIND, (fresh,))
    found = await conn.execute(_WAITING, bounds, binary=True)
    return [_waiting(row) for row in await found.fetchall() if shard_of(str(row[0])) in shards]


async def settle_commands(conn: Connection, answers: Sequence[tuple[str, Answer]]) -> int:
    """Note what became of commands, and which POD said it; returns for how many that was news.

    The first answer stands, but `unknown` is none (`protocol.commands.settled`). A POD answers for its own
    commands only, and only for those it was sent.
    """
    done = await conn.execute(
        _SETTLE,
        (
            [answer.id for _, answer in answers],
            [pod for pod, _ in answers],
            [answer.result for _, answer in answers],
            [answer.reason for _, answer in answers],
        ),
    )
    return done.rowcount


async def give_up_commands(conn: Connection) -> int:
    """Write down that nobody will ever know of those that were asked after long enough; returns how many."""
    done = await conn.execute(_GIVE_UP, (ASKED_FOR_S,))
    return done.rowcount


def _waiting(row: tuple[object, ...]) -> Waiting:
    pod, command_id, session, gate, asked_by, confirmed, issued_s, expires_s = row
    return Waiting(
        str(pod),
        Command.model_validate(
            {
                "id": command_id,
                "session": session,
                "gate": gate,
                "action": "open",
                "by": asked_by,
                "confirmed": confirmed,
                "issued_s": issued_s,
                "expires_s": expires_s,
            }
        ),
    )
