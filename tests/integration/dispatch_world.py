"""PODs for tests of the dispatch: the protocol's own half over a real broker, with a disk in memory."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cloud_database import Database
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.cloud.dispatch.service import Dispatch
from sync.mqtt import BrokerAddress, MqttLink, connect
from sync.protocol import topics
from sync.protocol.down import Command, Rehome, Welcome, encode_down
from sync.protocol.framing import PinnedKey, Signer
from sync.protocol.intake import Line
from sync.protocol.lists import EMPTY
from sync.protocol.pod_side import Frame, PodSide
from sync.protocol.up import Answer, Hello, ListState, decode_up
from sync_drill.disks import PodDisk

DISPATCH = Signer("dispatch-1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
BRIDGE = Signer("bridge-1", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
KEYS = {
    "dispatch-1": PinnedKey(
        DISPATCH.key.public_key(), frozenset({"list_delta", "list_chunk", "command", "rehome"})
    ),
    "bridge-1": PinnedKey(BRIDGE.key.public_key(), frozenset({"welcome"})),
}
SESSIONS = itertools.count(1)


async def until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Wait until it holds; AssertionError where it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        await asyncio.sleep(0.005)


@dataclass
class StandInPod:
    """One POD; the bridge's part of the talk is answered here, from the database.

    Attributes:
        done: ids of the commands that it carried out, each time it did.
        commands: frames of commands that came, doubled ones too.
        is_mute: it answers no command.
    """

    database: Database
    pod: str = "pod-elm"
    disk: PodDisk = field(default_factory=PodDisk)
    done: list[str] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)
    frames: list[tuple[str, bytes]] = field(default_factory=list)
    rehome: Rehome | None = None
    is_mute: bool = False
    link: MqttLink | None = None

    def __post_init__(self) -> None:
        self.session = f"session-{next(SESSIONS)}"
        self.side = PodSide(
            self.pod, session=self.session, keys=KEYS, audit=self.disk, replica=self.disk, spent=self.disk
        )
        self.line = Line()

    @property
    def plates(self) -> set[str]:
        """Ids of the entries that are in force."""
        return set(self.disk.entries)

    def newest(self) -> ListState:
        """Its community's list as the bridge would tell it."""
        rows = self.database.run_as(
            "a_bridge",
            "SELECT s.version, s.digest FROM platebridge.list_state AS s JOIN platebridge.pod AS p "
            f"USING (community) WHERE p.id = '{self.pod}'",
        )
        return ListState(version=rows[0][0], digest=rows[0][1]) if rows else EMPTY

    def is_known(self) -> None:
        """The bridge notes this POD's session, as at each hello."""
        self.database.run_as(
            "postgres",
            "INSERT INTO platebridge.pod_cursor (pod, community, session) "
            f"SELECT id, community, '{self.session}' FROM platebridge.pod WHERE id = '{self.pod}' "
            "ON CONFLICT (pod) DO UPDATE SET session = excluded.session",
        )

    @asynccontextmanager
    async def online(self, address: str, *, greets: bool = True) -> AsyncIterator["StandInPod"]:
        """Connected for as long as the block runs.

        Args:
            greets: it says hello, and learns of the newest list by the answer.
        """
        async with connect(BrokerAddress.parse(address), client_id=self.pod) as link:
            await link.subscribe([topics.down(self.pod, "list"), topics.down(self.pod, "cmd")])
            self.link = link
            self.side.connected(time.monotonic())
            if greets:
                self.greet()
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(link))
                polling = tasks.create_task(self._poll())
                try:
                    yield self
                finally:
                    self.link = None
                    self.side.disconnected()
                    listening.cancel()
                    polling.cancel()

    def greet(self) -> None:
        """Say hello, and have the answer."""
        self.is_known()
        now_s = time.monotonic()
        self.side.uplink.connected(now_s)
        for frame in self.side.poll(now_s):
            hello = decode_up(frame.content, pod=self.pod, channel=frame.channel)
            if isinstance(hello, Hello):
                self._welcome(hello)
            else:
                self._send([frame])

    def _welcome(self, hello: Hello) -> None:
        welcome = Welcome(
            session=hello.session,
            number=hello.number,
            time_s=time.time(),
            line=self.line.number,
            spans=self.line.stretches,
            listed=self.newest(),
        )
        frame = encode_down(welcome, pod=self.pod, signer=BRIDGE)
        assert self.side.receive("ack", frame, time.monotonic()).is_welcome

    def _send(self, frames: list[Frame]) -> None:
        for frame in frames:
            if self.link is not None:
                self.link.publish(topics.up(self.pod, frame.channel), frame.content)

    async def _poll(self) -> None:
        while True:
            frames = self.side.poll(time.monotonic())
            self._send([frame for frame in frames if frame.channel == "reply"])
            await asyncio.sleep(0.02)

    async def _listen(self, link: MqttLink) -> None:
        async for message in link.messages():
            channel = topics.parse(message.topic).channel
            self.frames.append((channel, message.payload))
            received = self.side.receive(channel, message.payload, time.monotonic())  # type: ignore[arg-type]  # as subscribed
            if channel == "cmd" and received.rehome is None:
                self.commands.append(message.payload)
            if received.rehome is not None:
                self.rehome = received.rehome
            if received.carry_out is not None:
                self._carry_out(received.carry_out)
            elif not (self.is_mute and channel == "cmd"):
                self._send(received.frames)

    def _carry_out(self, command: Command) -> None:
        self.done.append(command.id)
        answer = Answer(id=command.id, result="commanded", reason="by_hand")
        self.disk.spent[command.id] = answer
        if not self.is_mute:
            self._send([self.side.answered(answer)])


@asynccontextmanager
async def dispatching(database: Database, address: str) -> AsyncIterator[Dispatch]:
    """A worker of the service, ready, for as long as the block runs."""
    dispatch = Dispatch(database.dsn("a_dispatch"), BrokerAddress.parse(address), signer=DISPATCH)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(dispatch.run())
        try:
            async with asyncio.timeout(15):
                await dispatch.ready.wait()
            yield dispatch
        finally:
            running.cancel()


def add(database: Database, *entries: str, community: str = "elm") -> None:
    """Put entries on a list, in one transaction, as the portal does."""
    values = ", ".join(f"('{community}', '{entry}', 'AB1', 'AB1', 'allow', 'resident')" for entry in entries)
    database.run_as(
        "a_api",
        f"INSERT INTO platebridge.entry (community, id, key, plate, verdict, type) VALUES {values}",
        tenant=community,
    )


def remove(database: Database, entry: str, *, community: str = "elm") -> None:
    """Take an entry off a list."""
    database.run_as("a_api", f"DELETE FROM platebridge.entry WHERE id = '{entry}'", tenant=community)


def ask(database: Database, *, pod: str = "pod-elm", community: str = "elm", life_s: float = 20.0) -> str:
    """Ask for the gate to open; returns the command's id."""
    rows = database.run_as(
        "a_api",
        "INSERT INTO platebridge.command (community, pod, gate, kind, asked_by, expires_at) VALUES "
        f"('{community}', '{pod}', 'main', 'open', 'Ada', now() + interval '{life_s} s') RETURNING id",
        tenant=community,
    )
    return str(rows[0][0])


def outcome(database: Database, command_id: str) -> tuple[str | None, str]:
    """What became of a command, as the portal sees it."""
    query = f"SELECT result, reason FROM platebridge.command WHERE id = '{command_id}'"
    result, reason = database.run_as("a_dispatch", query)[0]
    return result, reason


def receipt(database: Database, pod: str = "pod-elm") -> ListState | None:
    """Which list a POD has, as the portal sees it."""
    query = f"SELECT version, digest FROM platebridge.receipt WHERE pod = '{pod}'"
    rows = database.run_as("a_dispatch", query)
    return ListState(version=rows[0][0], digest=rows[0][1]) if rows else None
