"""What the POD's requests are answered from, and the answers themselves, apart from HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from sync.cloud.api.list_snapshot import read_list
from sync.cloud.api.media_store import MediaStore
from sync.cloud.api.pool import Pool
from sync.cloud.api.problem import ProblemError
from sync.cloud.database import Connection
from sync.cloud.errors import AuthorityError, DatabaseError, IdentityError
from sync.cloud.identity.ca import PodSigner
from sync.cloud.identity.heartbeat import note_heartbeat
from sync.cloud.identity.refusal import RefusedError
from sync.cloud.identity.registration import Asked, admit, renew
from sync.cloud.identity.shown import standing_of_shown
from sync.cloud.identity.standing import Standing
from sync.protocol.down import encode_down
from sync.protocol.framing import PinnedKey, Signer
from sync.protocol.listing import answer_want
from sync.protocol.portal import (
    Heard,
    Heartbeat,
    ImagePlace,
    OfferedImage,
    Register,
    Registered,
    Renew,
    Renewed,
    key_text,
)
from sync.protocol.up import WantList

log = logging.getLogger(__name__)

READY_S = 3.0

_STATUS = {
    "token_unknown": 401,
    "token_revoked": 403,
    "token_expired": 403,
    "token_used": 409,
    "other_community": 409,
    "other_key": 403,
    "pod_revoked": 403,
    "pod_unknown": 401,
    "key_unknown": 401,
    "bad_token": 401,
    "too_often": 429,
}

BrokerCheck = Callable[[], Awaitable[str | None]]
"""Why the broker cannot be used; None while it can."""


@dataclass(slots=True)
class DeskCounters:
    """Requests that were answered, and refusals by their code."""

    registered: int = 0
    renewed: int = 0
    heartbeats: int = 0
    lists: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Desk:
    """Answers PODs.

    Attributes:
        signer: certifies PODs.
        brokers: where PODs connect, told at the registration.
        keys: that PODs are to pin, by kid.
        list_signer: signs lists that are fetched here; None: they come by brokers alone.
        broker_check: for readiness.
        now: aware UTC.
    """

    pool: Pool
    signer: PodSigner
    brokers: Sequence[str]
    keys: Mapping[str, PinnedKey]
    media: MediaStore
    broker_check: BrokerCheck
    list_signer: Signer | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    counters: DeskCounters = field(default_factory=DeskCounters)

    async def register(self, asked: Register) -> Registered:
        """Let a POD in. Raises ProblemError."""
        request = Asked(bytes.fromhex(asked.token), asked.csr.encode(), asked.name, asked.community)
        async with self._connection() as conn:
            admitted = await admit(conn, self.signer, request, now=self.now())
        self.counters.registered += 1
        log.info("%s was let in to %s as %r", admitted.pod, admitted.community, asked.name)
        return Registered(
            pod=admitted.pod,
            community=admitted.community,
            certificate=admitted.certificate_pem.decode(),
            ca=self.signer.certificate_pem.decode(),
            brokers=list(self.brokers),
            keys={kid: key_text(key) for kid, key in self.keys.items()},
            names=admitted.names,
            time_zone=admitted.time_zone,
            api_key=admitted.api_key,
        )

    async def renew(self, bearer: str | None, asked: Renew) -> Renewed:
        """The next certificate. Raises ProblemError."""
        async with self._connection() as conn:
            standing = await self._standing(conn, bearer)
            renewal = await renew(conn, self.signer, standing, asked.csr.encode(), now=self.now())
        self.counters.renewed += 1
        return Renewed(
            certificate=renewal.certificate_pem.decode(), names=renewal.names, time_zone=renewal.time_zone
        )

    async def heartbeat(self, bearer: str | None, heartbeat: Heartbeat) -> Heard:
        """Note that a POD is alive. Raises ProblemError."""
        async with self._connection() as conn:
            standing = await self._standing(conn, bearer)
            await note_heartbeat(conn, standing, heartbeat, now=self.now())
        self.counters.heartbeats += 1
        return Heard(time_s=self.now().timestamp())

    async def offer_image(self, bearer: str | None, offer: OfferedImage) -> ImagePlace:
        """From which byte on a picture is wanted. Raises ProblemError."""
        async with self._connection() as conn:
            standing = await self._standing(conn, bearer)
            return ImagePlace(from_byte=await self.media.offer(conn, standing, offer))

    async def put_image(
        self, bearer: str | None, name: str, *, from_byte: int, parts: AsyncIterator[bytes]
    ) -> ImagePlace:
        """Take bytes of a picture; no database connection is held while they come. Raises ProblemError."""
        async with self._connection() as conn:
            standing = await self._standing(conn, bearer)
        with self.media.uploading(standing.pod, name):
            have = await self.media.take(standing.pod, name, from_byte=from_byte, parts=parts)
            if have is None:
                async with self._connection() as conn:
                    await self.media.keep(conn, standing, name, now=self.now())
            return ImagePlace(from_byte=have)

    async def list_frames(self, bearer: str | None, want: WantList) -> list[bytes]:
        """The POD's list in signed frames. Raises ProblemError."""
        if self.list_signer is None:
            raise ProblemError(503, "no_list_here", "This portal signs no lists: they come by the brokers.")
        async with self._connection() as conn:
            standing = await self._standing(conn, bearer)
            source = await read_list(conn, standing.community)
        self.counters.lists += 1
        answers = answer_want(source, want)
        return [encode_down(one, pod=standing.pod, signer=self.list_signer) for one in answers]

    async def unready(self) -> dict[str, str]:
        """What keeps the cloud from its work, by part; empty while nothing does."""
        found: dict[str, str] = {}
        try:
            async with asyncio.timeout(READY_S), self.pool.connection() as conn:
                await conn.execute("SELECT 1 FROM platebridge.token_holder(''::bytea)")
        except (DatabaseError, psycopg.Error, TimeoutError) as error:
            log.warning("the database is not ready: %s", error or "it does not answer")
            found["database"] = "it does not answer, or is not migrated: see the log"
        try:
            async with asyncio.timeout(READY_S):
                trouble = await self.broker_check()
        except TimeoutError:
            trouble = "it does not answer"
        if trouble is not None:
            found["broker"] = trouble
        return found

    async def _standing(self, conn: Connection, bearer: str | None) -> Standing:
        """The POD that asks."""
        if bearer is None:
            raise ProblemError(401, "no_token", "Show the POD's API key: Authorization: Bearer pbk_...")
        return await standing_of_shown(conn, bearer, audience="api", now=self.now())

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """One to the database; what fails meanwhile becomes an answer, and is counted."""
        try:
            async with self.pool.connection() as conn:
                yield conn
        except RefusedError as refusal:
            raise self._counted(_STATUS[refusal.code], refusal.code, refusal.sentence) from None
        except AuthorityError as error:
            log.error("no certificate could be had: %s", error)
            raise self._counted(
                503, "no_authority", "The cloud cannot certify PODs now: tell whoever runs it to see its log."
            ) from None
        except IdentityError as error:
            raise self._counted(422, "bad_request", f"{error}.") from None
        except (DatabaseError, psycopg.OperationalError) as error:
            log.error("the database fails: %s", error)
            raise self._counted(
                503, "no_database", "The cloud's database does not answer: try again in a minute."
            ) from None

    def _counted(self, status: int, code: str, sentence: str) -> ProblemError:
        self.counters.refused[code] = self.counters.refused.get(code, 0) + 1
        return ProblemError(status, code, sentence[:1].upper() + sentence[1:])
