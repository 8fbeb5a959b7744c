"""Let a POD in by a join token, once; and give the next certificate to one that is in."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.cloud.database import Connection, as_tenant
from sync.cloud.errors import AuthorityError, IdentityError
from sync.cloud.identity.ca import PodSigner, certifies
from sync.cloud.identity.certificate_request import key_of_request, public_der
from sync.cloud.identity.refusal import RefusedError
from sync.cloud.identity.standing import Standing
from sync.cloud.identity.tokens import holder_of, new_api_key, token_hash
from sync.protocol.portal import Names

MOST_A_DAY = 20
"""Certificates of one POD; it needs one in twenty days."""

SIGN_S = 20.0
"""An authority may take so long; a connection to the database waits for it."""

_DAY = timedelta(days=1)
_KEPT = timedelta(days=30)
"""So long a certificate that is over stays listed."""

_ID_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"
_ID_CHARS = 12

_ASK = "ask for a new join string"


@dataclass(frozen=True, slots=True, repr=False)
class Admitted:
    """A POD that was let in; it holds a secret.

    Attributes:
        certificate_pem: of its key.
    """

    pod: str
    community: str
    certificate_pem: bytes
    names: Names
    time_zone: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Renewal:
    """The next certificate of a POD, and its place as it is now."""

    certificate_pem: bytes
    names: Names
    time_zone: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a POD shows and says in order to be let in.

    Attributes:
        community: whose audit it holds; None where it holds none.
    """

    token: bytes
    csr_pem: bytes
    name: str
    community: str | None


async def admit(conn: Connection, signer: PodSigner, asked: Asked, *, now: datetime) -> Admitted:
    """Let a POD in; nothing is spent where that fails.

    A POD that lost the answer asks again with the same token and key, and is the same POD; so is one that
    comes with a new token of its community and the key that it has.

    Raises:
        RefusedError: the token, or what the POD says, lets nobody in.
        IdentityError: the request cannot be used, or the authority failed.
    """
    key_der = public_der(key_of_request(asked.csr_pem))
    holder = await holder_of(conn, asked.token)
    if holder is None or holder.kind != "join":
        raise RefusedError("token_unknown", f"The cloud knows no such token: {_ASK}.")
    if asked.community not in (None, holder.community):
        raise RefusedError(
            "other_community",
            "This POD holds the audit of another community, which must not get into this one: enroll it with "
            "a new data directory.",
        )
    async with as_tenant(conn, holder.community):
        site, known = await _take_token(conn, asked.token, key_der, now=now)
        pod = (
            known or await _pod_of(conn, key_der) or await _new_pod(conn, holder.community, asked.name, site)
        )
        await conn.execute(
            "UPDATE platebridge.pod SET site = %s, name = %s WHERE id = %s", (site, asked.name, pod)
        )
        await conn.execute(
            "INSERT INTO platebridge.pod_key (pod, community, public_key, made_at) VALUES (%s, %s, %b, %b) "
            "ON CONFLICT (pod) DO NOTHING",
            (pod, holder.community, key_der, now),
        )
        await conn.execute(
            "UPDATE platebridge.token SET used_at = coalesce(used_at, %b), pod = %s WHERE hash = %b",
            (now, pod, token_hash(asked.token)),
        )
        api_key = await _replace_api_key(conn, holder.community, pod, now=now)
        certificate = await _certify(conn, signer, asked.csr_pem, pod=pod, now=now)
        names, time_zone = await _place(conn, pod)
    return Admitted(pod, holder.community, certificate, names, time_zone, api_key)


async def renew(
    conn: Connection, signer: PodSigner, standing: Standing, csr_pem: bytes, *, now: datetime
) -> Renewal:
    """The next certificate, for the key by which the POD is known: whoever stole its API key gets none.

    Raises:
        RefusedError: the request is for another key.
        IdentityError: the request cannot be used, or the authority failed.
    """
    key = key_of_request(csr_pem)
    if standing.key is None or public_der(standing.key) != public_der(key):
        raise RefusedError(
            "other_key", "A certificate is renewed for the key that the POD has: enroll it anew to change it."
        )
    async with as_tenant(conn, standing.community):
        # One at a time: a POD that repeats itself holds no more than one connection with it.
        await conn.execute("SELECT 1 FROM platebridge.pod WHERE id = %s FOR NO KEY UPDATE", (standing.pod,))
        certificate = await _certify(conn, signer, csr_pem, pod=standing.pod, now=now)
        names, time_zone = await _place(conn, standing.pod)
    return Renewal(certificate, names, time_zone)


async def _take_token(
    conn: Connection, token: bytes, key_der: bytes, *, now: datetime
) -> tuple[str, str | None]:
    """The token's site, locked until the commit; and the POD that it let in with the very same key."""
    cursor = await conn.execute(
        "SELECT t.site, t.expires_at <= %b, t.used_at IS NOT NULL, t.revoked_at IS NOT NULL, "
        "k.pod, k.public_key = %b, p.revoked_at IS NOT NULL "
        "FROM platebridge.token AS t LEFT JOIN platebridge.pod AS p ON p.id = t.pod "
        "LEFT JOIN platebridge.pod_key AS k ON k.pod = t.pod WHERE t.hash = %b FOR UPDATE OF t",
        (now, key_der, token_hash(token)),
    )
    row = await cursor.fetchone()
    if row is None:
        raise RefusedError("token_unknown", f"The cloud knows no such token: {_ASK}.")
    site, is_over, is_used, is_revoked, pod, is_same_key, is_pod_revoked = row
    if is_revoked:
        raise RefusedError("token_revoked", f"Somebody took this join string back: {_ASK}.")
    if is_over:
        raise RefusedError("token_expired", f"This join string is too old: {_ASK}.")
    if is_used and (not is_same_key or is_pod_revoked):
        raise RefusedError("token_used", f"This join string let a POD in already: {_ASK}.")
    return str(site), str(pod) if is_used else None


async def _pod_of(conn: Connection, key_der: bytes) -> str | None:
    """The POD of this community that has this key; None where the key is new."""
    cursor = await conn.execute("SELECT platebridge.pod_of_key(%b)", (key_der,))
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return None
    cursor = await conn.execute("SELECT id, revoked_at IS NOT NULL FROM platebridge.pod WHERE id = %s", row)
    found = await cursor.fetchone()
    if found is None:
        raise RefusedError(
            "other_community",
            "This POD's key belongs to another community: enroll it with a new data directory.",
        )
    if found[1]:
        raise RefusedError(
            "pod_revoked", "This POD was revoked, and its key with it: enroll it with --new-key."
        )
    return str(found[0])


async def _new_pod(conn: Connection, community: str, name: str, site: str) -> str:
    pod = "pod-" + "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_CHARS))
    await conn.execute(
        "INSERT INTO platebridge.pod (id, community, site, name) VALUES (%s, %s, %s, %s)",
        (pod, community, site, name),
    )
    return pod


async def _replace_api_key(conn: Connection, community: str, pod: str, *, now: datetime) -> str:
    await conn.execute(
        "UPDATE platebridge.token SET revoked_at = %b "
        "WHERE pod = %s AND kind = 'api_key' AND revoked_at IS NULL",
        (now, pod),
    )
    api_key = new_api_key()
    await conn.execute(
        "INSERT INTO platebridge.token (hash, community, kind, pod, made_at) "
        "VALUES (%b, %s, 'api_key', %s, %b)",
        (token_hash(api_key.encode()), community, pod, now),
    )
    return api_key


async def _certify(conn: Connection, signer: PodSigner, csr_pem: bytes, *, pod: str, now: datetime) -> bytes:
    """A certificate that is checked and noted. On a thread: an authority may be far away."""
    await conn.execute(
        "DELETE FROM platebridge.pod_certificate WHERE pod = %s AND valid_until < %b", (pod, now - _KEPT)
    )
    cursor = await conn.execute(
        "SELECT count(*) FROM platebridge.pod_certificate WHERE pod = %s AND made_at > %b", (pod, now - _DAY)
    )
    row = await cursor.fetchone()
    if row is not None and isinstance(row[0], int) and row[0] >= MOST_A_DAY:
        raise RefusedError("too_often", "This POD had too many certificates today: see why it asks again.")
    try:
        async with asyncio.timeout(SIGN_S):
            certificate_pem = await asyncio.to_thread(signer.sign_pod, csr_pem, pod=pod, now=now)
    except TimeoutError:
        raise AuthorityError(
            f"the authority did not certify within {SIGN_S:.0f} s: see that it runs"
        ) from None
    certificate = certifies(certificate_pem, pod=pod, key=key_of_request(csr_pem))
    if certificate.not_valid_after_utc <= now:
        raise AuthorityError("the authority sent a certificate that is over already: check its clock")
    await conn.execute(
        "INSERT INTO platebridge.pod_certificate (serial, community, pod, valid_until, made_at) "
        "SELECT %b, community, id, %b, %b FROM platebridge.pod WHERE id = %s",
        (certificate.serial_number.to_bytes(20), certificate.not_valid_after_utc, now, pod),
    )
    return certificate_pem


async def _place(conn: Connection, pod: str) -> tuple[Names, str]:
    cursor = await conn.execute(
        "SELECT p.name, s.name, c.name, s.time_zone FROM platebridge.pod AS p "
        "JOIN platebridge.site AS s ON s.community = p.community AND s.id = p.site "
        "JOIN platebridge.community AS c ON c.id = p.community WHERE p.id = %s",
        (pod,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise IdentityError(f"the POD {pod} is gone: enroll it anew")
    pod_name, site, community, time_zone = (str(value) for value in row)
    return Names(pod=pod_name, site=site, community=community), time_zone
