"""Read the audits of a community, for people."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sync.cloud.database import Connection
from sync.cloud.portal_rights import of_the_community

_TOLD = ("camera", "gate", "plate", "verdict", "state", "outcome", "reason")


@dataclass(frozen=True, slots=True)
class ToldRow:
    """One row.

    Attributes:
        at: aware; when, where the POD's clock can be believed, else when it came.
        payload: as the POD wrote it; None where it is absent, or no JSON object.
    """

    pod: str
    line: int
    seq: int
    at: datetime
    kind: str
    payload: dict[str, object] | None

    @property
    def words(self) -> str:
        """The gist of the payload: what it holds is the POD's to say, so anything may be absent, or odd."""
        told = self.payload or {}
        text = "  ".join(str(told[name]) for name in _TOLD if told.get(name) not in (None, ""))
        return "".join(c if c.isprintable() else "\ufffd" for c in text[:200])


async def latest_rows(conn: Connection, community: str, limit: int) -> Sequence[ToldRow]:
    """The newest rows of all PODs of a community, the newest last.

    Raises:
        CloudError: there is no such community, or this user may not see it.
    """
    async with of_the_community(conn, community):
        found = await conn.execute(
            "SELECT pod, line, seq, at, kind, payload FROM platebridge.audit "
            "WHERE community = %s ORDER BY at DESC, pod, line DESC, seq DESC LIMIT %s",
            (community, limit),
        )
        rows = await found.fetchall()
    told = [(*columns, _object(payload)) for *columns, payload in reversed(rows)]
    return [ToldRow(*row) for row in told]  # type: ignore[arg-type]  # the columns' types


def _object(payload: object) -> dict[str, object] | None:
    if not isinstance(payload, bytes):
        return None
    try:
        read = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
