"""A POD around the sync agent, with a disk in memory, for tests of the agent."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stand_in_cloud import KEYS

from sync.agent.agent import Agent, Timing
from sync.agent.identity_files import Identity
from sync.agent.ports import LinkState, PodPorts
from sync.protocol.down import Command
from sync.protocol.health import Health
from sync.protocol.homes import Home, Homes
from sync.protocol.up import Answer
from sync_drill.disks import PodDisk

POD = "pod-a1"
QUICK = Timing(again_s=0.1, again_at_most_s=0.4, silent_s=1.0, nearer_s=600)


@dataclass
class PodAround:
    """What `PodPorts` asks for, and what the agent told.

    Attributes:
        done: ids of commands that were carried out, each time they were.
        stall: while cleared, a command takes as long.
    """

    homes: Homes
    disk: PodDisk = field(default_factory=PodDisk)
    done: list[str] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    listed_s: list[float] = field(default_factory=list)
    states: list[LinkState] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)
    stall: threading.Event = field(default_factory=threading.Event)
    agent: Agent | None = None

    def __post_init__(self) -> None:
        self.stall.set()

    def load(self) -> Homes:
        return self.homes

    def save(self, homes: Homes) -> None:
        self.homes = homes

    def carry_out(self, command: Command, *, before_s: float) -> Answer:
        self.stall.wait(20)
        self.done.append(command.id)
        answer = Answer(id=command.id, result="commanded", reason="remote")
        self.disk.spent[command.id] = answer
        return answer

    def health(self, *, session: str, backlog_rows: int) -> Health:
        return Health(
            session=session,
            versions={"platebridge": "0"},
            cameras=[],
            detections_per_hour=0.0,
            unread_approaches=0,
            backlog_rows=backlog_rows,
            disk_free_bytes=1,
            disk_used=0.5,
            temperature_c=None,
            clock_doubt="",
            list_age_s=None,
            tailscale_state="",
            tailscale_ip="",
        )

    def read(self, name: str, from_byte: int, *, most_bytes: int) -> bytes | None:
        content = self.images.get(name)
        return None if content is None else content[from_byte : from_byte + most_bytes]

    def append(self, count: int = 1) -> None:
        """Write rows, and tell the agent."""
        for _ in range(count):
            self.disk.append(
                "decision", {"n": len(self.disk.audit)}, ts_us=time.time_ns() // 1000, salt=os.urandom(16)
            )
            if self.agent is not None:
                self.agent.appended()

    @property
    def ports(self) -> PodPorts:
        return PodPorts(
            audit=self.disk,
            replica=self.disk,
            spent=self.disk,
            commands=self,
            homes=self,
            health=self,
            images=self,
            on_confirmed=self.confirmed.append,
            on_list_confirmed=self.listed_s.append,
            on_state=self.states.append,
            on_fault=self.faults.append,
        )


def an_identity(folder: Path, *brokers: str) -> Identity:
    """Of a POD whose brokers are on this machine, so that none of its files is read."""
    now = datetime.now(UTC)
    return Identity(
        POD,
        "elm",
        Home("https://old.example", brokers),
        "ca",
        KEYS,
        {},
        "UTC",
        "key",
        folder / "pod.key",
        folder / "pod.crt",
        folder / "ca.crt",
        now - timedelta(days=1),
        now + timedelta(days=29),
    )


@contextmanager
def syncing(
    folder: Path,
    *brokers: str,
    around: PodAround | None = None,
    timing: Timing = QUICK,
    identity: Identity | None = None,
    before: Callable[[PodAround], object] = lambda pod: None,
) -> Iterator[PodAround]:
    """A POD whose agent runs for as long as the block does; `before` is called just before it starts."""
    identity = identity or an_identity(folder, *brokers)
    around = around or PodAround(Homes(identity.home))
    around.agent = Agent(identity, around.ports, data_dir=folder, timing=timing)
    before(around)
    around.agent.start()
    try:
        yield around
    finally:
        assert around.agent.stop(10), "the agent did not end"
        around.agent = None
