"""The bridge service: keeps a broker and a database, and stores what PODs send, each row once."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from sync.cloud.allowance import Allowance
from sync.cloud.audit_intake import take_in
from sync.cloud.bridge.inbox import Inbox
from sync.cloud.bridge.states import States
from sync.cloud.bridge.upkeep import keep_up
from sync.cloud.database import Connection, Dsn, connect
from sync.cloud.errors import DatabaseError
from sync.cloud.incidents import MAX_SAMPLE_BYTES, Incident
from sync.cloud.keep import keep
from sync.cloud.shards import BALANCE_EVERY_S, ShardLocks
from sync.mqtt import BrokerAddress, LinkBusyError, LinkError, MqttLink, TlsFiles
from sync.mqtt import Message as Delivered
from sync.mqtt import connect as connect_broker
from sync.protocol import topics
from sync.protocol.batch import Batch
from sync.protocol.down import encode_down
from sync.protocol.errors import ProtocolError, UnknownVersionError
from sync.protocol.framing import Signer, versions_frame
from sync.protocol.health import Health, Presence
from sync.protocol.topics import Topic, UpChannel, shard_of
from sync.protocol.up import Hello, Points, decode_up
from sync.protocol.wire import Message

CHANNELS: tuple[UpChannel, ...] = ("audit", "health", "presence")
INBOX_MESSAGES = 20_000
INBOX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class BridgeCounters:
    """What was done since the start, in messages unless the name says otherwise."""

    shards_owned: int
    rows_stored: int
    rows_waiting: int
    transactions: int
    answers: int
    states: int
    dropped_bad: int
    dropped_flood: int
    dropped_not_ours: int
    dropped_no_room: int
    dropped_unanswered: int
    dropped_states: int
    dropped_by_link: int


class Bridge:
    """One worker of the service; several share the PODs out among themselves.

    Attributes:
        ready: set while there are a broker and a database, and this worker has its share of PODs.
    """

    def __init__(
        self,
        dsn: Dsn,
        broker: BrokerAddress,
        *,
        signer: Signer,
        tls: TlsFiles | None = None,
    ) -> None:
        """
        Args:
            dsn: straight to the server, of a member of `platebridge_bridge`.
            signer: pinned by PODs for welcomes, and nothing else.
        """
        self._dsn = dsn
        self._broker = broker
        self._signer = signer
        self._tls = tls
        self._counts: Counter[str] = Counter()
        self._link: MqttLink | None = None
        self._dropped_by_links = 0
        self._session: _Session | None = None
        # A week's backlog is some hundred batches, four on their way at once; hellos come every 25 s.
        self._messages = Allowance(at_once=400, per_s=60)
        self._faults = Allowance(at_once=20, per_s=0.2)
        self.ready = asyncio.Event()

    @property
    def counters(self) -> BridgeCounters:
        """As of now."""
        counts, session, link = self._counts, self._session, self._link
        return BridgeCounters(
            shards_owned=0 if session is None else len(session.shards.owned),
            rows_stored=counts["rows"],
            rows_waiting=0 if session is None else session.inbox.rows,
            transactions=counts["transactions"],
            answers=counts["answers"],
            states=counts["states"],
            dropped_bad=counts["bad"],
            dropped_flood=counts["flood"],
            dropped_not_ours=counts["not_ours"],
            dropped_no_room=counts["no_room"],
            dropped_unanswered=counts["unanswered"],
            dropped_states=counts["states_dropped"] + counts["incidents_dropped"],
            dropped_by_link=self._dropped_by_links + (0 if link is None else link.dropped),
        )

    async def run(self) -> None:
        """Serve until cancelled; broker and database may come and go."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                keep("bridge: broker", self._with_broker, transient=(LinkError,)), name="bridge broker"
            )
            tasks.create_task(
                keep("bridge: database", self._with_database, transient=(psycopg.Error, DatabaseError)),
                name="bridge database",
            )

    async def _with_broker(self) -> None:
        async with connect_broker(
            self._broker,
            client_id=f"bridge-{secrets.token_hex(6)}",
            tls=self._tls,
            inbox_messages=INBOX_MESSAGES,
            inbox_bytes=INBOX_BYTES,
        ) as link:
            await link.subscribe([f"v1/+/+/up/{channel}" for channel in CHANNELS])
            self._link = link
            self._look_ready()
            try:
                async for message in link.messages():
                    self._take(message)
            finally:
                self._dropped_by_links += link.dropped
                self._link = None
                self._look_ready()

    async def _with_database(self) -> None:
        async with connect(self._dsn) as owning, connect(self._dsn) as keeping:
            session = _Session(owning, keeping, tell=self._tell, counts=self._counts)
            await session.shards.join()
            await session.shards.balance()
            self._session = session
            self._look_ready()
            try:
                await session.run()
            finally:
                self._session = None
                self._look_ready()

    def _look_ready(self) -> None:
        if self._session is not None and self._link is not None:
            self.ready.set()
        else:
            self.ready.clear()

    def _take(self, delivered: Delivered) -> None:
        """Take in a message, whatever it holds; what cannot be kept now is said again by its POD."""
        session = self._session
        try:
            topic = topics.parse(delivered.topic)
        except ProtocolError:
            self._counts["bad"] += 1
            return
        is_old_news = delivered.retained and topic.channel != "presence"
        if session is None or is_old_news or shard_of(topic.pod) not in session.shards.owned:
            self._counts["not_ours"] += 1
            return
        now_s = asyncio.get_running_loop().time()
        if not self._messages.takes(topic.pod, now_s):
            self._counts["flood"] += 1
            session.states.incident(
                Incident(topic.pod, "flood", "it sends more than a POD has to say", line=0)
            )
            return
        try:
            message = decode_up(delivered.payload, pod=topic.pod, channel=_up(topic))
        except ProtocolError as error:
            self._refuse(session, topic.pod, delivered.payload, error)
            return
        match message:
            case Hello() | Batch() | Points():
                session.inbox.put(topic.pod, message)
            case Health():
                session.states.health(topic.pod, message)
            case Presence():
                session.states.presence(topic.pod, message)

    def _refuse(self, session: "_Session", pod: str, payload: bytes, error: ProtocolError) -> None:
        """A message that nobody can use: counted, and kept for whoever looks; it holds up nothing."""
        self._counts["bad"] += 1
        if not self._faults.takes(pod, asyncio.get_running_loop().time()):
            return
        if isinstance(error, UnknownVersionError):
            self._publish(pod, versions_frame())
        sample = payload[:MAX_SAMPLE_BYTES]
        session.states.incident(Incident(pod, "poison", str(error)[:500], line=0, sample=sample))

    def _tell(self, pod: str, message: Message) -> None:
        self._publish(pod, encode_down(message, pod=pod, signer=self._signer))

    def _publish(self, pod: str, frame: bytes) -> None:
        """An answer that finds no broker, or no room, is asked for again."""
        if self._link is None:
            self._counts["unanswered"] += 1
            return
        try:
            self._link.publish(topics.down(pod, "ack"), frame)
            self._counts["answers"] += 1
        except (LinkBusyError, LinkError):
            self._counts["unanswered"] += 1


class _Session:
    """What is done while the database is there; what waited in it is said again by PODs when it ends.

    Attributes:
        shards: that this worker owns.
    """

    def __init__(
        self,
        owning: Connection,
        keeping: Connection,
        *,
        tell: Callable[[str, Message], None],
        counts: Counter[str],
    ) -> None:
        self._owning = owning
        self._keeping = keeping
        self._lock = asyncio.Lock()
        self._tell = tell
        self._counts = counts
        self.shards = ShardLocks(owning, of="bridge")
        self.inbox = Inbox(counts)
        self.states = States(counts)

    async def run(self) -> None:
        """Serve until the database goes away: psycopg.Error, in a group."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_shards(), name="bridge shards")
            tasks.create_task(self._store(), name="bridge audit")
            tasks.create_task(self.states.write(self._owning, self._lock), name="bridge states")
            tasks.create_task(keep_up(self._keeping), name="bridge upkeep")

    async def _keep_shards(self) -> None:
        while True:
            await asyncio.sleep(BALANCE_EVERY_S)
            async with self._lock:
                await self.shards.balance()

    async def _store(self) -> None:
        """Transactions one after the other, by the session that owns the shards; what is told is stored."""
        while True:
            heard = await self.inbox.take()
            async with self._lock:
                answered = await take_in(self._owning, heard, now=datetime.now(UTC))
            self._counts["transactions"] += 1
            for one in answered:
                self._counts["rows"] += one.rows
                if one.told is not None:
                    self._tell(one.pod, one.told)


def _up(topic: Topic) -> UpChannel:
    for channel in CHANNELS:
        if topic.direction == "up" and topic.channel == channel:
            return channel
    raise ProtocolError("a channel that the bridge does not take")
