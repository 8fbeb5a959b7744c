"""The dispatch service: keeps a broker and a database, and brings what the one says to the other's PODs."""

import asyncio
import secrets
from collections import Counter
from dataclasses import dataclass

import psycopg

from sync.cloud.allowance import Allowance
from sync.cloud.database import Connection, Dsn, connect
from sync.cloud.dispatch.command_desk import CommandDesk
from sync.cloud.dispatch.list_desk import ListDesk
from sync.cloud.dispatch.moves import moves_to_tell
from sync.cloud.dispatch.notes import Notes
from sync.cloud.dispatch.post import Post
from sync.cloud.errors import DatabaseError
from sync.cloud.incidents import Incident
from sync.cloud.keep import keep
from sync.cloud.shards import BALANCE_EVERY_S, ShardLocks
from sync.mqtt import BrokerAddress, LinkError, TlsFiles
from sync.mqtt import Message as Delivered
from sync.mqtt import connect as connect_broker
from sync.protocol import topics
from sync.protocol.errors import ProtocolError, UnknownVersionError
from sync.protocol.framing import Signer
from sync.protocol.topics import shard_of
from sync.protocol.up import Answer, Receipt, WantList, decode_up

MOVES_EVERY_S = 30.0
INBOX_MESSAGES = 5_000
INBOX_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class DispatchCounters:
    """What was done since the start, in messages unless the name says otherwise."""

    shards_owned: int
    deltas_told: int
    chunks_told: int
    commands_told: int
    moves_told: int
    wants: int
    receipts: int
    answers: int
    dropped_bad: int
    dropped_flood: int
    dropped_not_ours: int
    dropped_full: int
    no_room: int


class Dispatch:
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
            dsn: straight to the server, of a member of `platebridge_dispatch`.
            signer: pinned by PODs for lists, commands and moves.
        """
        self._dsn = dsn
        self._broker = broker
        self._tls = tls
        self._counts: Counter[str] = Counter()
        self._post = Post(signer)
        self._session: _Session | None = None
        self._allowance = Allowance(at_once=60, per_s=4)
        self.ready = asyncio.Event()

    @property
    def counters(self) -> DispatchCounters:
        """As of now."""
        counts, told = self._counts, self._post.counts
        session = self._session
        return DispatchCounters(
            shards_owned=0 if session is None else len(session.shards.owned),
            deltas_told=told["ListDelta"],
            chunks_told=told["ListChunk"],
            commands_told=told["Command"],
            moves_told=told["Rehome"],
            wants=counts["wants"],
            receipts=counts["receipts"],
            answers=counts["answers"],
            dropped_bad=counts["bad"],
            dropped_flood=counts["flood"],
            dropped_not_ours=counts["not_ours"],
            dropped_full=sum(
                counts[f"{what}_dropped"] for what in ("wants", "receipts", "answers", "incidents")
            ),
            no_room=told["no_room"],
        )

    async def run(self) -> None:
        """Serve until cancelled; broker and database may come and go."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                keep("dispatch: broker", self._with_broker, transient=(LinkError,)), name="dispatch broker"
            )
            tasks.create_task(
                keep("dispatch: database", self._with_database, transient=(psycopg.Error, DatabaseError)),
                name="dispatch database",
            )

    async def _with_broker(self) -> None:
        client_id = f"dispatch-{secrets.token_hex(6)}"
        async with connect_broker(
            self._broker,
            client_id=client_id,
            tls=self._tls,
            inbox_messages=INBOX_MESSAGES,
            inbox_bytes=INBOX_BYTES,
        ) as link:
            await link.subscribe(["v1/+/+/up/reply"])
            self._post.link = link
            self._look_ready()
            if self._session is not None:
                self._session.broker_is_back()
            try:
                async for message in link.messages():
                    self._take(message)
            finally:
                self._post.link = None
                self._look_ready()

    async def _with_database(self) -> None:
        async with (
            connect(self._dsn) as owning,
            connect(self._dsn) as reading,
            connect(self._dsn) as listening,
        ):
            session = _Session(owning, reading, listening, post=self._post, counts=self._counts)
            await session.shards.join()
            await session.balance()
            self._session = session
            self._look_ready()
            try:
                await session.run()
            finally:
                self._session = None
                self._look_ready()

    def _look_ready(self) -> None:
        if self._session is not None and self._post.link is not None:
            self.ready.set()
        else:
            self.ready.clear()

    def _take(self, delivered: Delivered) -> None:
        """Take in a message, whatever it holds; what cannot be kept now is said again by its POD.

        Pictures are offered over this channel, too; they are taken by HTTPS, and not here.
        """
        session = self._session
        try:
            topic = topics.parse(delivered.topic)
        except ProtocolError:
            self._counts["bad"] += 1
            return
        if session is None or delivered.retained or shard_of(topic.pod) not in session.shards.owned:
            self._counts["not_ours"] += 1
            return
        if not self._allowance.takes(topic.pod, asyncio.get_running_loop().time()):
            self._counts["flood"] += 1
            session.notes.incident(
                Incident(topic.pod, "flood", "it sends more than a POD has to say", line=0)
            )
            return
        try:
            message = decode_up(delivered.payload, pod=topic.pod, channel="reply")
        except ProtocolError as error:
            self._counts["bad"] += 1
            if isinstance(error, UnknownVersionError):
                self._post.tell_versions(topic.pod)
            session.notes.incident(
                Incident(topic.pod, "poison", str(error)[:500], line=0, sample=delivered.payload[:4096])
            )
            return
        match message:
            case WantList():
                self._counts["wants"] += 1
                session.lists.want(topic.pod, message)
            case Receipt():
                session.notes.receipt(topic.pod, message)
            case Answer():
                session.commands.answered(topic.pod, message)
                session.notes.answer(topic.pod, message)


class _Session:
    """What is done while the database is there; what it remembers ends with it.

    Attributes:
        shards: that this worker owns.
    """

    def __init__(
        self,
        owning: Connection,
        reading: Connection,
        listening: Connection,
        *,
        post: Post,
        counts: Counter[str],
    ) -> None:
        self._owning = owning
        self._lock = asyncio.Lock()
        self._listening = listening
        self._post = post
        self.shards = ShardLocks(owning, of="dispatch")
        self.notes = Notes(counts)
        self.lists = ListDesk(reading, post, owned=self._owned, note=self.notes.incident, counts=counts)
        self.commands = CommandDesk(owning, self._lock, post, owned=self._owned)

    def _owned(self) -> frozenset[str]:
        return self.shards.owned

    def broker_is_back(self) -> None:
        """Whatever was sent lately may not have come."""
        self.lists.all_changed()
        self.commands.all_due()

    async def balance(self) -> None:
        """Take or give back shards."""
        before = self.shards.owned
        async with self._lock:
            owned = await self.shards.balance()
        if owned - before:
            self.lists.all_changed()
            self.commands.asked()

    async def run(self) -> None:
        """Serve until the database goes away: psycopg.Error, in a group."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_shards(), name="dispatch shards")
            tasks.create_task(self._listen(), name="dispatch listen")
            tasks.create_task(self.lists.tell(), name="dispatch lists")
            tasks.create_task(self.lists.answer(), name="dispatch questions")
            tasks.create_task(self.commands.send(), name="dispatch commands")
            tasks.create_task(self.notes.write(self._owning, self._lock), name="dispatch notes")
            tasks.create_task(self._tell_moves(), name="dispatch moves")

    async def _keep_shards(self) -> None:
        while True:
            await asyncio.sleep(BALANCE_EVERY_S)
            await self.balance()

    async def _listen(self) -> None:
        await self._listening.execute("LISTEN platebridge_list")
        await self._listening.execute("LISTEN platebridge_command")
        # What was told before this moment was told to nobody.
        self.lists.all_changed()
        self.commands.asked()
        async for told in self._listening.notifies():
            if told.channel == "platebridge_list":
                self.lists.changed(told.payload)
            else:
                self.commands.asked()

    async def _tell_moves(self) -> None:
        while True:
            async with self._lock:
                moves = await moves_to_tell(self._owning, self.shards.owned)
            for pod, rehome in moves:
                if not await self._post.tell_in_time([pod], rehome):
                    break
            await asyncio.sleep(MOVES_EVERY_S)
