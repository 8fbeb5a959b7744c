"""The PODs of a community, as an operator looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sync.cloud.database import Connection
from sync.cloud.portal_rights import of_the_community


@dataclass(frozen=True, slots=True)
class SeenPod:
    """One POD.

    Attributes:
        online: whether the broker holds its connection, as it last said.
        heard_at: when it last said anything of itself; None: never.
        rows: of its audit that are here without a gap.
        list_version, newest_version: of the list that it has, and should have.
    """

    pod: str
    name: str
    site: str
    is_revoked: bool
    online: bool
    heard_at: datetime | None
    rows: int
    list_version: int | None
    newest_version: int

    def told(self, now: datetime) -> str:
        """In one line."""
        heard = "never heard of" if self.heard_at is None else f"heard of {_ago(now, self.heard_at)}"
        state = "REVOKED" if self.is_revoked else "online" if self.online else "offline"
        if self.is_revoked and self.online:
            state = "REVOKED, still connected"
        known = self.list_version
        listed = "no list yet" if known is None else f"list {known} of {self.newest_version}"
        return f"{self.pod}  {self.name}  at {self.site}: {state}, {heard}; {listed}; {self.rows} audit rows"


async def pods_of(conn: Connection, community: str) -> Sequence[SeenPod]:
    """All of them, by id.

    Raises:
        CloudError: there is no such community, or this user may not see it.
    """
    async with of_the_community(conn, community):
        found = await conn.execute(
            "SELECT p.id, p.name, p.site, p.revoked_at IS NOT NULL, coalesce(h.online, false), "
            "greatest(h.health_at, h.presence_at), coalesce(c.seq, 0), r.version, "
            "coalesce((SELECT version FROM platebridge.list_state), 0) "
            "FROM platebridge.pod AS p LEFT JOIN platebridge.pod_health AS h ON h.pod = p.id "
            "LEFT JOIN platebridge.pod_cursor AS c ON c.pod = p.id "
            "LEFT JOIN platebridge.receipt AS r ON r.pod = p.id ORDER BY p.id"
        )
        return [SeenPod(*row) for row in await found.fetchall()]  # type: ignore[arg-type]  # the columns' types


def _ago(now: datetime, moment: datetime) -> str:
    seconds = max(0, round((now - moment).total_seconds()))
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"
