"""What the sync agent asks of the POD around it, and tells it.

The agent calls all of it from threads of its own, never from one that decides; what a call raises ends the
connection, is told to `on_fault`, and is tried again later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from sync.protocol.commands import SpentCommands
from sync.protocol.down import Command
from sync.protocol.health import Health
from sync.protocol.homes import Homes
from sync.protocol.replica import ReplicaStore
from sync.protocol.up import Answer
from sync.protocol.uplink import AuditSource

__all__ = [
    "AuditSource",
    "CommandSink",
    "HealthSource",
    "HomeStore",
    "ImageSource",
    "LinkState",
    "PodPorts",
    "ReplicaStore",
    "SpentCommands",
]


class CommandSink(Protocol):
    """Carries out what the cloud commands."""

    def carry_out(self, command: Command, *, before_s: float) -> Answer:
        """Spend the id and write the intent in one transaction, then act; returns once that is over.

        Called for one command after the other, on a thread for them alone. Where the id is spent already,
        nothing is done, and the answer is what became of it.

        Args:
            before_s: CLOCK_BOOTTIME; from then on nothing may move any more: the command is refused,
                `command_expired`.
        """


class HomeStore(Protocol):
    """Where the POD finds its cloud, on its disk."""

    def load(self) -> Homes:
        """What was saved last; the home of the enrolment before the first move."""

    def save(self, homes: Homes) -> None:
        """Durable once it returns."""


class HealthSource(Protocol):
    """What the POD knows of its own state, without asking anything that could take long."""

    def health(self, *, session: str, backlog_rows: int) -> Health:
        """As of now.

        Args:
            session, backlog_rows: as they go into the message.
        """


class ImageSource(Protocol):
    """Pictures and clips on the POD's disk, by the names that they were offered by."""

    def read(self, name: str, from_byte: int, *, most_bytes: int) -> bytes | None:
        """A part; None where the picture is no longer there."""


Phase = Literal["connecting", "connected", "welcomed", "stopped"]


@dataclass(frozen=True, slots=True)
class LinkState:
    """How it stands with the cloud.

    Attributes:
        phase: `connected`: to a broker, but the cloud does not answer; `welcomed`: it does.
        broker: that is connected, or tried; empty before the first.
        trouble: what the last attempt failed by and what to do, for people; empty while all is well.
    """

    phase: Phase
    broker: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class PodPorts:
    """All that the POD gives its agent.

    Attributes:
        on_confirmed: told through which seq the cloud signed to have the audit, each time it changes; only
            behind it may a POD forget rows. It falls where the cloud was put back to an older state.
        on_list_confirmed: told, at each welcome that names the list in force, the cloud's time, seconds.
        on_state: told each change.
        on_fault: told what a port raised, or what is wrong in the agent itself; it goes on by itself.
    """

    audit: AuditSource
    replica: ReplicaStore
    spent: SpentCommands
    commands: CommandSink
    homes: HomeStore
    health: HealthSource
    images: ImageSource
    on_confirmed: Callable[[int], None]
    on_list_confirmed: Callable[[float], None]
    on_state: Callable[[LinkState], None]
    on_fault: Callable[[Exception], None]
