"""Which list each POD has, by its receipts, and which PODs lag behind their community's."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sync.cloud.database import Connection
from sync.protocol.lists import EMPTY
from sync.protocol.up import ListState, Receipt

_MOST_COUNTED = 2**31 - 1


_LAGGING = """
SELECT p.id, p.community, r.version, r.digest, s.version, s.digest FROM platebridge.list_state AS s
JOIN platebridge.pod AS p ON p.community = s.community AND p.revoked_at IS NULL
LEFT JOIN platebridge.receipt AS r ON r.pod = p.id AND r.community = p.community
WHERE (r.version, r.digest) IS DISTINCT FROM (s.version, s.digest)
  AND (%(all)s OR s.community = ANY (%(some)s::text[]))
ORDER BY p.community, p.id
"""
_NOTE = """
INSERT INTO platebridge.receipt AS r (pod, community, version, digest, refused_count, refused, at)
SELECT p.id, p.community, n.version, n.digest, n.refused_count, n.refused::jsonb, clock_timestamp()
FROM unnest(%b::text[], %b::bigint[], %b::bytea[], %b::integer[], %b::text[])
     AS n (pod, version, digest, refused_count, refused)
JOIN platebridge.pod AS p ON p.id = n.pod AND p.revoked_at IS NULL
ON CONFLICT (pod) DO UPDATE SET
    community = excluded.community, version = excluded.version, digest = excluded.digest, at = excluded.at,
    refused_count = excluded.refused_count, refused = excluded.refused
"""


@dataclass(frozen=True, slots=True)
class Lagging:
    """A POD that did not say that it has its community's newest list.

    Attributes:
        has: what it said last; the empty list where it never did.
        now: what it should have.
    """

    pod: str
    community: str
    has: ListState
    now: ListState


async def lagging_pods(conn: Connection, communities: Collection[str] | None) -> list[Lagging]:
    """PODs that are not revoked and lag behind; of these communities, or of all."""
    found = await conn.execute(
        _LAGGING, {"all": communities is None, "some": list(communities or ())}, binary=True
    )
    rows: list[tuple[str, str, int | None, bytes | None, int, bytes]] = await found.fetchall()  # type: ignore[assignment]  # the columns' types
    return [
        Lagging(
            pod,
            community,
            EMPTY if version is None or digest is None else ListState(version=version, digest=digest),
            ListState(version=now, digest=now_digest),
        )
        for pod, community, version, digest, now, now_digest in rows
    ]


async def community_of(conn: Connection, pod: str) -> str | None:
    """The community of a POD; None where it was not issued, or is revoked."""
    found = await conn.execute(
        "SELECT community FROM platebridge.pod WHERE id = %s AND revoked_at IS NULL", (pod,)
    )
    row = await found.fetchone()
    return None if row is None else str(row[0])


async def note_receipts(conn: Connection, receipts: Mapping[str, Receipt]) -> None:
    """Note by POD which list it has; what an unknown or revoked one says is dropped."""
    rows = sorted(receipts.items())
    await conn.execute(
        _NOTE,
        (
            [pod for pod, _ in rows],
            [receipt.listed.version for _, receipt in rows],
            [receipt.listed.digest for _, receipt in rows],
            [min(receipt.refused_count, _MOST_COUNTED) for _, receipt in rows],
            [_refused(receipt) for _, receipt in rows],
        ),
    )


def _refused(receipt: Receipt) -> str:
    """As jsonb takes it, which has no zero character."""
    return json.dumps(
        [
            {"id": one.id, "reason": one.reason.replace("\0", "\N{REPLACEMENT CHARACTER}")}
            for one in receipt.refused
        ]
    )
