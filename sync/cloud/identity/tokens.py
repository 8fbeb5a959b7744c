"""Secrets that let a POD in: join tokens, good once, and API keys. The cloud keeps their digests alone."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.cloud.database import Connection, as_tenant
from sync.cloud.errors import IdentityError
from sync.protocol.join import TOKEN_BYTES

JOIN_LIFE_S = 24 * 3600.0
MAX_JOIN_LIFE_S = 30 * 24 * 3600.0

KEY_PREFIX = "pbk_"
MAX_KEY_CHARS = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is.

    Attributes:
        kind: `join` or `api_key`.
        pod: that it belongs to, or let in; None where it is a join token that nobody used.
        is_revoked: the token, or its POD.
    """

    community: str
    kind: str
    pod: str | None
    is_revoked: bool


def token_hash(secret: bytes) -> bytes:
    """As the database keeps it. Secrets are random and long, so a plain digest is enough."""
    return hashlib.sha256(secret).digest()


def new_api_key() -> str:
    """A key for one POD, as it is sent."""
    return KEY_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


async def new_join_token(
    conn: Connection, community: str, *, site: str, now: datetime, life_s: float = JOIN_LIFE_S
) -> bytes:
    """A token that lets one POD into a site, once; `sync.protocol.join` makes a string of it.

    Raises:
        IdentityError: there is no such site, or it would be good for too long.
    """
    if not 0 < life_s <= MAX_JOIN_LIFE_S:
        raise IdentityError(f"a join string is good for up to {MAX_JOIN_LIFE_S / 86400:.0f} days")
    token = secrets.token_bytes(TOKEN_BYTES)
    async with as_tenant(conn, community):
        cursor = await conn.execute(
            "INSERT INTO platebridge.token (hash, community, kind, site, made_at, expires_at) "
            "SELECT %b, %s, 'join', id, %b, %b FROM platebridge.site WHERE community = %s AND id = %s",
            (token_hash(token), community, now, now + timedelta(seconds=life_s), community, site),
        )
        if cursor.rowcount != 1:
            raise IdentityError(f"no site {site} in the community {community}: name one that is there")
    return token


async def holder_of(conn: Connection, secret: bytes) -> Holder | None:
    """Whose token this is; None where nobody made it."""
    cursor = await conn.execute(
        "SELECT community, kind, pod, revoked_at IS NOT NULL FROM platebridge.token_holder(%b)",
        (token_hash(secret),),
    )
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return None
    community, kind, pod, is_revoked = row
    return Holder(str(community), str(kind), None if pod is None else str(pod), bool(is_revoked))
