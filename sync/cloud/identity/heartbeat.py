"""Note that a POD was heard over HTTPS, and where operators reach it."""

import ipaddress
from datetime import datetime

from sync.cloud.database import Connection, as_tenant
from sync.cloud.errors import IdentityError
from sync.cloud.identity.standing import Standing
from sync.protocol.portal import Heartbeat


async def note_heartbeat(
    conn: Connection, standing: Standing, heartbeat: Heartbeat, *, now: datetime
) -> None:
    """Replace what was known; what this one does not say stays.

    Raises:
        IdentityError: the address is none.
    """
    try:
        ip = str(ipaddress.ip_address(heartbeat.tailscale_ip)) if heartbeat.tailscale_ip else None
    except ValueError:
        raise IdentityError("tailscale_ip is no IP address: send what `tailscale ip` prints") from None
    health = None if heartbeat.health is None else heartbeat.health.model_dump_json()
    async with as_tenant(conn, standing.community):
        await conn.execute(
            "INSERT INTO platebridge.pod_heartbeat AS h (pod, community, at, tailscale_ip, health) "
            "VALUES (%s, %s, %b, %s::inet, %s::jsonb) ON CONFLICT (pod) DO UPDATE SET at = excluded.at, "
            "tailscale_ip = coalesce(excluded.tailscale_ip, h.tailscale_ip), "
            "health = coalesce(excluded.health, h.health)",
            (standing.pod, standing.community, now, ip, health),
        )
