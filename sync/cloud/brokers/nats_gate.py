"""Lets clients in at nats-server (its auth callout), and ends the connections of PODs that are revoked."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import nats
import nats.errors
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.aio.client import Client
from nats.aio.msg import Msg

from sync.cloud.api.pool import Pool
from sync.cloud.brokers.access import MAX_PAYLOAD_BYTES
from sync.cloud.brokers.admission import Admitted, admit
from sync.cloud.brokers.nats_config import ACCOUNT, ADMISSION, OVERSEER
from sync.cloud.brokers.nats_talk import Asked, servers_answers
from sync.cloud.brokers.nats_words import permissions, token
from sync.cloud.database import Dsn, connect
from sync.cloud.errors import DatabaseError
from sync.cloud.identity.refusal import RefusedError
from sync.cloud.identity.standing import CHANNEL
from sync.cloud.keep import keep

log = logging.getLogger(__name__)

_QUESTIONS = "$SYS.REQ.USER.AUTH"
MOST_AT_ONCE = 256
"""Clients that are looked at together; one more is refused, and comes again."""
_SWEEP_S = 5.0
_MARGIN = timedelta(minutes=2)
"""A client that was let in just before the revocation may be seen only now."""
_ANSWER_S = 2.0
_MOST_SUBSCRIPTIONS = 16


@dataclass(frozen=True, slots=True)
class GateCounters:
    """Clients since the start.

    Attributes:
        refused: by reason.
        ended: connections of PODs that were revoked.
    """

    admitted: int
    refused: Mapping[str, int]
    ended: int


@dataclass(frozen=True, slots=True, repr=False)
class NatsControl:
    """How the gate reaches its server; it holds secrets.

    Attributes:
        servers: such as nats://127.0.0.1:4222.
        issuer: signs who comes in.
    """

    servers: tuple[str, ...]
    issuer: Ed25519PrivateKey
    admission_password: str
    overseer_password: str


class NatsGate:
    """The gate as a service; several may run, and each client is looked at by one of them.

    Attributes:
        ready: set while there are a broker and a database.
    """

    def __init__(
        self, dsn: Dsn, control: NatsControl, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """
        Args:
            dsn: straight to the server, of a member of `platebridge_broker`.
        """
        self._dsn = dsn
        self._control = control
        self._now = now
        self._pool = Pool(dsn)
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._looking: set[asyncio.Task[None]] = set()
        self._is_connected = self._is_listening = False
        self.ready = asyncio.Event()

    @property
    def counters(self) -> GateCounters:
        """As of now."""
        return GateCounters(self._counts["admitted"], dict(self._refused), self._counts["ended"])

    async def run(self) -> None:
        """Serve until cancelled; broker and database may come and go."""
        lost = (OSError, TimeoutError, nats.errors.Error, psycopg.Error, DatabaseError)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep("gate: broker", self._answer, transient=lost), name="gate broker")
                tasks.create_task(
                    keep("gate: revoked", self._end_revoked, transient=lost), name="gate revoked"
                )
        finally:
            await self._pool.close()

    async def _answer(self) -> None:
        """Answer the server's questions about clients until the connection to it is lost."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        client = await self._connected(ADMISSION, self._control.admission_password, lost)
        try:
            await client.subscribe(_QUESTIONS, queue="gate", cb=self._take)
            await client.flush()
            self._is_connected = True
            self._look_ready()
            await lost
        finally:
            self._is_connected = False
            self._look_ready()
            for task in list(self._looking):
                task.cancel()
            await client.close()

    async def _take(self, question: Msg) -> None:
        if len(self._looking) >= MOST_AT_ONCE:
            self._refused["too_many"] += 1  # unanswered: the server refuses it by itself
            return
        task = asyncio.create_task(self._look(question), name="gate client")
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look(self, question: Msg) -> None:
        try:
            asked = Asked.read(question.data)
        except (ValueError, KeyError, TypeError):
            self._refused["unreadable"] += 1
            return
        said: dict[str, object] = {"type": "authorization_response", "version": 2}
        try:
            async with self._pool.connection() as conn:
                admitted = await admit(conn, asked.shown, now=self._now())
            said["jwt"] = self._user_token(asked, admitted).decode()
            self._counts["admitted"] += 1
        except RefusedError as refusal:
            self._refused[refusal.code] += 1
            said["error"] = refusal.code
            log.warning("refused %r at %s: %s", asked.shown.client_id[:64], asked.host, refusal.sentence)
        except (psycopg.Error, DatabaseError) as error:
            self._refused["no_database"] += 1
            said["error"] = "no_database"
            log.error("nobody can be let in: %s", error)
        answer = token(
            self._control.issuer,
            said,
            subject=asked.user_key,
            issued_at_s=int(self._now().timestamp()),
            audience=asked.server,
        )
        await question.respond(answer)

    def _user_token(self, asked: Asked, admitted: Admitted) -> bytes:
        rights: dict[str, object] = {
            **permissions(admitted.access),
            "subs": _MOST_SUBSCRIPTIONS,
            "data": -1,
            "payload": MAX_PAYLOAD_BYTES,
            "allowed_connection_types": ["MQTT", "MQTT_WS"],
            "type": "user",
            "version": 2,
        }
        return token(
            self._control.issuer,
            rights,
            subject=asked.user_key,
            issued_at_s=int(self._now().timestamp()),
            name=admitted.name,
            audience=ACCOUNT,
            expires_at_s=int(admitted.until.timestamp()),
        )

    async def _end_revoked(self) -> None:
        """End live connections of PODs as they are revoked, and of those that were while nobody looked."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        client = await self._connected(OVERSEER, self._control.overseer_password, lost)
        try:
            async with connect(self._dsn) as conn:
                await conn.execute(f"LISTEN {CHANNEL}".encode())
                self._is_listening = True
                self._look_ready()
                since = datetime.fromtimestamp(0, UTC)
                while not lost.done():
                    began = self._now()
                    cursor = await conn.execute("SELECT * FROM platebridge.pods_revoked(%b)", (since,))
                    for (pod,) in await cursor.fetchall():
                        await self._end(client, str(pod))
                    since = began - _MARGIN
                    async for _ in conn.notifies(timeout=_SWEEP_S, stop_after=1):
                        pass
                lost.result()
        finally:
            self._is_listening = False
            self._look_ready()
            await client.close()

    async def _end(self, client: Client, pod: str) -> None:
        asked = json.dumps({"mqtt_client": pod}).encode()
        async for server, connections in servers_answers(client, "$SYS.REQ.SERVER.PING.CONNZ", asked):
            for number in connections:
                kick = json.dumps({"cid": number}).encode()
                await client.request(f"$SYS.REQ.SERVER.{server}.KICK", kick, timeout=_ANSWER_S)
                self._counts["ended"] += 1
                log.warning("ended the connection of %s, which was revoked", pod)

    async def _connected(self, user: str, password: str, lost: asyncio.Future[None]) -> Client:
        async def closed() -> None:
            if not lost.done():
                lost.set_exception(nats.errors.ConnectionClosedError())
                lost.exception()  # nobody may be waiting any more

        return await nats.connect(
            list(self._control.servers),
            user=user,
            password=password,
            allow_reconnect=False,
            connect_timeout=5,
            closed_cb=closed,
            disconnected_cb=closed,
            error_cb=_ignore,
            name=f"platebridge-{user}",
        )

    def _look_ready(self) -> None:
        if self._is_connected and self._is_listening:
            self.ready.set()
        else:
            self.ready.clear()


async def _ignore(error: Exception) -> None:
    """The client's owner learns of its end by `closed`; nothing else is wrong with it."""
