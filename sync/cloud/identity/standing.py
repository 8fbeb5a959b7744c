"""Whether a POD may come in, by which key it is known, and how a person takes that away or moves it."""

from dataclasses import dataclass
from datetime import datetime

from sync.cloud.database import Connection, as_tenant
from sync.cloud.errors import IdentityError
from sync.cloud.identity.ca import Revoked
from sync.cloud.identity.certificate_request import PodPublicKey, key_from_der

CHANNEL = "platebridge_pod"
"""Where the database tells, after the commit, the id of each POD that was revoked, renamed or moved."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the cloud knows of a POD that says its name.

    Attributes:
        key: by which it is known; None where it never registered.
    """

    pod: str
    community: str
    is_revoked: bool
    key: PodPublicKey | None


async def standing_of(conn: Connection, pod: str) -> Standing | None:
    """What is known of a POD; None where nothing is."""
    cursor = await conn.execute(
        "SELECT community, revoked_at IS NOT NULL, public_key FROM platebridge.pod_standing(%s)", (pod,)
    )
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return None
    community, is_revoked, der = row
    key = key_from_der(der) if isinstance(der, bytes) else None
    return Standing(pod, str(community), bool(is_revoked), key)


async def revoke(conn: Connection, community: str, pod: str, *, now: datetime) -> None:
    """Let a POD in no more, for good: its certificate, keys and tokens hold no longer.

    Raises:
        IdentityError: there is no such POD.
    """
    await _change(
        conn,
        community,
        pod,
        sql="UPDATE platebridge.pod SET revoked_at = coalesce(revoked_at, %b) WHERE id = %s",
        value=now,
    )


async def move_to_site(conn: Connection, community: str, pod: str, *, site: str) -> None:
    """Put a POD at another site of its community; it keeps its id, its certificate and its audit.

    Raises:
        IdentityError: there is no such POD or site.
    """
    async with as_tenant(conn, community):
        cursor = await conn.execute("SELECT 1 FROM platebridge.site WHERE id = %s", (site,))
        if await cursor.fetchone() is None:
            raise IdentityError(f"no site {site} in the community {community}: name one that is there")
    await _change(conn, community, pod, sql="UPDATE platebridge.pod SET site = %s WHERE id = %s", value=site)


async def revoked_certificates(conn: Connection) -> list[Revoked]:
    """Certificates that would hold still, of every POD that was revoked."""
    cursor = await conn.execute("SELECT serial, revoked_at FROM platebridge.revoked_certificates()")
    return [
        Revoked(int.from_bytes(serial), at)
        for serial, at in await cursor.fetchall()
        if isinstance(serial, bytes) and isinstance(at, datetime)
    ]


async def _change(conn: Connection, community: str, pod: str, *, sql: str, value: object) -> None:
    async with as_tenant(conn, community):
        cursor = await conn.execute(sql.encode(), (value, pod))
        if cursor.rowcount != 1:
            raise IdentityError(f"no POD {pod} in the community {community}: look at its list of PODs")
