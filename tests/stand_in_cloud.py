"""A small cloud for tests of the POD's side: the protocol's cloud half over a real broker, in memory."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.mqtt import BrokerAddress, MqttLink, TlsFiles, connect
from sync.protocol import topics
from sync.protocol.batch import Batch
from sync.protocol.chain import Row
from sync.protocol.down import Ack, Command, Probe, Rehome, Welcome, channel_of, encode_down
from sync.protocol.framing import PinnedKey, Signer
from sync.protocol.health import Health, Presence, newer_presence
from sync.protocol.intake import Ask, Fork, Taken, compare, greet, take
from sync.protocol.listing import answer_want, delta_from
from sync.protocol.up import Answer, Hello, Points, Receipt, WantList, decode_up
from sync.protocol.uplink import is_live
from sync.protocol.wire import Message
from sync_drill.disks import CloudDisk, ListView

BRIDGE = Signer("bridge-1", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
DISPATCH = Signer("dispatch-1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = {
    "bridge-1": PinnedKey(BRIDGE.key.public_key(), frozenset({"welcome"})),
    "dispatch-1": PinnedKey(
        DISPATCH.key.public_key(), frozenset({"list_delta", "list_chunk", "command", "rehome"})
    ),
}
"""What a POD of this cloud pins."""


def until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Wait until it holds; AssertionError where it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.005)


class StandInCloud:
    """The cloud of one POD, on a thread of its own; a context manager that is connected inside.

    Attributes:
        disk: what its database holds; it outlasts connections.
        news: seqs of rows that came as live, not as history.
        answers, healths, receipts, hellos: that came, in order.
        presence: of the POD, as known.
        is_mute: it answers nothing.
    """

    def __init__(self, address: str, pod: str, *, tls: TlsFiles | None = None) -> None:
        self.pod = pod
        self.disk = CloudDisk()
        self.news: list[int] = []
        self.answers: list[Answer] = []
        self.healths: list[Health] = []
        self.receipts: list[Receipt] = []
        self.hellos: list[Hello] = []
        self.presence: Presence | None = None
        self.is_mute = False
        self._address, self._tls = BrokerAddress.parse(address), tls
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: MqttLink | None = None
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in-cloud", daemon=True)

    def __enter__(self) -> "StandInCloud":
        self._thread.start()
        self._ready.result(timeout=15)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(timeout=10)

    @property
    def rows(self) -> list[Row]:
        """The audit as the cloud has it, in order; each row once."""
        return [row for _, row in sorted(self.disk.on_line().items())]

    @property
    def session(self) -> str:
        """The POD's, as its last hello told it."""
        return self.disk.line.session

    def put(self, entry_id: str, document: str | None) -> None:
        """Change the list and tell the POD; None: the entry goes."""

        def do() -> None:
            before = self.disk.state()
            self.disk.turn(entry_id, document)
            delta = delta_from(ListView(self.disk), before)
            if delta is not None:
                self._send(delta)

        self._call(do)

    def command(
        self, gate: str = "main", *, life_s: float = 20.0, session: str | None = None, retain: bool = False
    ) -> Command:
        """Ask the POD to open; returns what was sent."""
        now_s = time.time()
        command = Command(
            id=uuid.uuid4().hex,
            session=self.session if session is None else session,
            gate=gate,
            action="open",
            by="Ada",
            issued_s=now_s,
            expires_s=now_s + life_s,
        )
        self.send(command, retain=retain)
        return command

    def rehome(self, number: int, brokers: list[str], portal: str = "https://new.example") -> None:
        """Tell the POD that the cloud moves; as brokers of this machine have no TLS, unchecked."""
        self.send(Rehome.model_construct(number=number, portal=portal, brokers=brokers))

    def send(self, message: Message, *, retain: bool = False) -> None:
        """Send a message to the POD, signed where its kind needs it."""
        self._call(lambda: self._send(message, retain=retain))

    def send_bytes(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send anything at all."""
        self._call(lambda: self._link and self._link.publish(topic, payload, retain=retain))

    def _call(self, do: Callable[[], object]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                do()
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        assert self._loop is not None
        self._loop.call_soon_threadsafe(run)
        done.result(timeout=10)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with connect(
            self._address, client_id=f"bridge-{uuid.uuid4().hex[:8]}", tls=self._tls, inbox_messages=10_000
        ) as link:
            self._link = link
            await link.subscribe([f"v1/{topics.shard_of(self.pod)}/{self.pod}/up/+"])
            self._ready.set_result(None)
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(link))
                await self._over.wait()
                listening.cancel()

    async def _listen(self, link: MqttLink) -> None:
        async for message in link.messages():
            channel = topics.parse(message.topic).channel
            told = decode_up(message.payload, pod=self.pod, channel=channel)  # type: ignore[arg-type]  # as subscribed
            if not self.is_mute:
                self._take(told)

    def _take(self, told: object) -> None:
        match told:
            case Hello():
                self._hello(told)
            case Batch():
                self._batch(told)
            case Points():
                self._points(told)
            case WantList():
                for answer in answer_want(ListView(self.disk), told):
                    self._send(answer)
            case Receipt():
                self.receipts.append(told)
            case Answer():
                self.answers.append(told)
            case Health():
                self.healths.append(told)
            case Presence():
                self.presence = newer_presence(self.presence, told)

    def _hello(self, hello: Hello) -> None:
        self.hellos.append(hello)
        greeted = greet(self.disk.line, hello)
        if greeted is None:
            return
        self.disk.incidents += [f"rows {first} to {last} are lost" for first, last in greeted.lost]
        line = self.disk.line = greeted.line
        self._send(
            Welcome(
                session=hello.session,
                number=hello.number,
                time_s=time.time(),
                line=line.number,
                spans=line.stretches,
                listed=self.disk.state(),
            )
        )

    def _batch(self, batch: Batch) -> None:
        taken = take(self.disk.line, batch)
        if isinstance(taken, Taken):
            self.disk.table += [(taken.line.number, row) for row in taken.rows]
            self.disk.line = taken.line
            if is_live(batch, time.time()):
                self.news += [row.seq for row in taken.rows]
        elif taken.why == "fork":
            self.disk.incidents.append("a batch contradicts what is held")
        self._ack()

    def _points(self, points: Points) -> None:
        held = {seq: row.link for seq, row in self.disk.on_line().items()} if points.points else {}
        found = compare(self.disk.line, points, held)
        if isinstance(found, Ask):
            self._send(Probe(line=self.disk.line.number, seqs=list(found.seqs)))
            return
        if isinstance(found, Fork) and found.line is not None:
            self.disk.incidents.append(f"the audit parts behind row {found.at}")
            self.disk.line = found.line
        self._ack()

    def _ack(self) -> None:
        line = self.disk.line
        self._send(Ack(session=line.session, line=line.number, spans=line.stretches))

    def _send(self, message: Message, *, retain: bool = False) -> None:
        signer = BRIDGE if isinstance(message, Welcome) else DISPATCH
        frame = encode_down(message, pod=self.pod, signer=signer)
        if self._link is not None:
            self._link.publish(topics.down(self.pod, channel_of(message)), frame, retain=retain)
