"""PODs and workers for tests of the bridge: the protocol's own half over a real broker, real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloud_database import Database
from dispatch_world import BRIDGE, KEYS, SESSIONS

from sync.cloud.bridge.service import Bridge
from sync.mqtt import BrokerAddress, LinkBusyError, MqttLink, connect
from sync.protocol import topics
from sync.protocol.pod_side import Frame, PodSide
from sync_drill.disks import PodDisk

SALT = bytes(16)


@dataclass
class UploadingPod:
    """One POD and its audit; it keeps it in memory and says everything that the protocol has it say."""

    pod: str = "pod-elm"
    disk: PodDisk = field(default_factory=PodDisk)
    welcomes: int = 0

    def __post_init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Its program starts, with the disk that it has."""
        session = f"session-{next(SESSIONS)}"
        self.side = PodSide(
            self.pod, session=session, keys=KEYS, audit=self.disk, replica=self.disk, spent=self.disk
        )

    def decide(self, times: int = 1) -> None:
        """Rows are made."""
        for _ in range(times):
            number = len(self.disk.audit) + 1
            self.disk.append("decision", {"n": number}, ts_us=time.time_ns() // 1000, salt=SALT)
        self.side.appended(time.monotonic())

    @property
    def is_through(self) -> bool:
        """Whether the cloud signed that it has all of it."""
        return self.side.uplink.confirmed.seq == len(self.disk.audit)

    @asynccontextmanager
    async def online(self, address: str) -> AsyncIterator[MqttLink]:
        """Connected for as long as the block runs."""
        async with connect(BrokerAddress.parse(address), client_id=self.pod) as link:
            await link.subscribe([topics.down(self.pod, "ack")])
            self.side.connected(time.monotonic())
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(link))
                polling = tasks.create_task(self._poll(link))
                try:
                    yield link
                finally:
                    self.side.disconnected()
                    listening.cancel()
                    polling.cancel()

    async def _poll(self, link: MqttLink) -> None:
        while True:
            self._send(link, self.side.poll(time.monotonic()))
            await asyncio.sleep(0.01)

    async def _listen(self, link: MqttLink) -> None:
        async for message in link.messages():
            received = self.side.receive("ack", message.payload, time.monotonic())
            self.welcomes += received.is_welcome
            self._send(link, received.frames)

    def _send(self, link: MqttLink, frames: list[Frame]) -> None:
        for frame in frames:
            try:
                link.publish(topics.up(self.pod, frame.channel), frame.content)
            except LinkBusyError:
                return


@asynccontextmanager
async def bridging(database: Database, address: str) -> AsyncIterator[Bridge]:
    """A worker of the service, ready, for as long as the block runs."""
    bridge = Bridge(database.dsn("a_bridge"), BrokerAddress.parse(address), signer=BRIDGE)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bridge.run())
        try:
            async with asyncio.timeout(15):
                await bridge.ready.wait()
            yield bridge
        finally:
            running.cancel()


_WORKER = """
import asyncio, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sync.cloud.bridge.service import Bridge
from sync.cloud.database import Dsn
from sync.mqtt import BrokerAddress
from sync.protocol.framing import Signer

async def run() -> None:
    signer = Signer("bridge-1", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
    bridge = Bridge(Dsn.parse(sys.argv[1]), BrokerAddress.parse(sys.argv[2]), signer=signer)
    task = asyncio.create_task(bridge.run())
    await bridge.ready.wait()
    print("ready", flush=True)
    await task

asyncio.run(run())
"""


@contextmanager
def a_worker(database: Database, address: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own, ready; killed at the end of the block if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WORKER, database.dsn("a_bridge").conninfo, address],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """End it at once."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
