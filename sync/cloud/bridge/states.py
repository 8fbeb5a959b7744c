"""What PODs say of themselves: the latest of each, written in one go every second. For one event loop."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from sync.cloud.database import Connection
from sync.cloud.incidents import Incident, note_incidents
from sync.protocol.health import Health, Presence, newer_presence

WRITE_EVERY_S = 1.0
MOST_PODS = 20_000
MOST_INCIDENTS = 200


class States:
    """What is written down next. Where it is full, what comes is dropped and counted: PODs say it again."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._healths: dict[str, Health] = {}
        self._presences: dict[str, Presence] = {}
        self._known: dict[str, Presence] = {}
        self._incidents: dict[tuple[str, str, str], Incident] = {}

    def health(self, pod: str, health: Health) -> None:
        """A POD's heartbeat."""
        if pod in self._healths or len(self._healths) < MOST_PODS:
            self._healths[pod] = health
        else:
            self._counts["states_dropped"] += 1

    def presence(self, pod: str, told: Presence) -> None:
        """A POD came, or its connection was lost."""
        known = self._known.get(pod)
        if known is None and len(self._known) >= MOST_PODS:
            self._counts["states_dropped"] += 1
            return
        newest = newer_presence(known, told)
        if newest != known:
            self._known[pod] = self._presences[pod] = newest

    def incident(self, incident: Incident) -> None:
        """Something that a person has to look at; the same one is written once a second."""
        key = (incident.pod, incident.kind, incident.reason)
        if key in self._incidents or len(self._incidents) < MOST_INCIDENTS:
            self._incidents.setdefault(key, incident)
        else:
            self._counts["incidents_dropped"] += 1

    async def write(self, conn: Connection, lock: asyncio.Lock) -> None:
        """Write it all down as it comes, until cancelled; raises psycopg.Error."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            healths, self._healths = self._healths, {}
            presences, self._presences = self._presences, {}
            incidents, self._incidents = list(self._incidents.values()), {}
            if not (healths or presences or incidents):
                continue
            now = datetime.now(UTC)
            async with lock, conn.transaction():
                if healths:
                    await _note_healths(conn, healths, now=now)
                if presences:
                    await _note_presences(conn, presences, now=now)
                await note_incidents(conn, incidents, now=now)
            self._counts["states"] += len(healths) + len(presences)


async def _note_healths(conn: Connection, healths: dict[str, Health], *, now: datetime) -> None:
    await conn.execute(
        "INSERT INTO platebridge.pod_health AS h (pod, community, health, health_at) "
        "SELECT n.pod, p.community, n.health::jsonb, %(now)b "
        "FROM unnest(%(pods)b::text[], %(healths)b::text[]) AS n (pod, health) "
        "JOIN platebridge.pod AS p ON p.id = n.pod AND p.revoked_at IS NULL ORDER BY n.pod "
        "ON CONFLICT (pod) DO UPDATE SET health = excluded.health, health_at = excluded.health_at, "
        "community = excluded.community",
        {
            "pods": list(healths),
            "healths": [health.model_dump_json().replace("\\u0000", "") for health in healths.values()],
            "now": now,
        },
    )


async def _note_presences(conn: Connection, presences: dict[str, Presence], *, now: datetime) -> None:
    await conn.execute(
        "INSERT INTO platebridge.pod_health AS h (pod, community, session, online, presence_at) "
        "SELECT n.pod, p.community, n.session, n.online, %(now)b "
        "FROM unnest(%(pods)b::text[], %(sessions)b::text[], %(online)b::boolean[]) "
        "AS n (pod, session, online) "
        "JOIN platebridge.pod AS p ON p.id = n.pod AND p.revoked_at IS NULL ORDER BY n.pod "
        "ON CONFLICT (pod) DO UPDATE SET session = excluded.session, online = excluded.online, "
        "presence_at = excluded.presence_at, community = excluded.community "
        # A will may come late, of a session long over.
        "WHERE excluded.online OR h.session IN ('', excluded.session)",
        {
            "pods": list(presences),
            "sessions": [one.session for one in presences.values()],
            "online": [one.online for one in presences.values()],
            "now": now,
        },
    )
