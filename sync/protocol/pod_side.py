"""The POD's half of the protocol: frames in, frames out, and what somebody has to do. Pure.

Around it there is only a connection, a clock and the POD's store; it may be lost at any moment, for all that
has to outlast it is in the store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.protocol import down, up
from sync.protocol.batch import Batch
from sync.protocol.cloud_time import CloudClock
from sync.protocol.commands import CarryOut, SpentCommands, judge
from sync.protocol.down import Ack, Command, ListChunk, ListDelta, Probe, Refused, Rehome, Welcome
from sync.protocol.errors import ProtocolError, UnknownVersionError
from sync.protocol.framing import PinnedKey, Versions, versions_frame
from sync.protocol.replica import Replica, ReplicaStore
from sync.protocol.topics import DownChannel, UpChannel
from sync.protocol.up import Answer, encode_up
from sync.protocol.uplink import AuditSource, Uplink
from sync.protocol.wire import Message


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame to publish."""

    channel: UpChannel
    content: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """What came of a frame.

    Attributes:
        frames: answers.
        carry_out: a command to carry out now; then `PodSide.answered`.
        rehome: the cloud moves; to be written down (`homes.Homes.told`).
        confirmed_s: the list in force is the cloud's newest, as of this cloud time.
        is_welcome: the address that it came by is a home of this POD.
    """

    frames: list[Frame] = field(default_factory=list)
    carry_out: Command | None = None
    rehome: Rehome | None = None
    confirmed_s: float | None = None
    is_welcome: bool = False


class PodSide:
    """One start of a POD's program, over as many connections as it takes. For one thread.

    `now_s` is one monotonic clock, which goes on while the machine sleeps.

    Attributes:
        dropped: frames that could not be used.
        last_fault: why the last of them could not, or what the cloud refused, for people; empty before.
        cloud_speaks: versions that the cloud knows, where it did not know that of a message from here.
    """

    def __init__(
        self,
        pod: str,
        *,
        session: str,
        keys: Mapping[str, PinnedKey],
        audit: AuditSource,
        replica: ReplicaStore,
        spent: SpentCommands,
    ) -> None:
        """
        Args:
            session: drawn at random by each start.
            keys: of the cloud, by name, with what each may sign.
        """
        self._pod = pod
        self._session = session
        self._keys = keys
        self._spent = spent
        self._store = replica
        self._is_connected = False
        self.clock = CloudClock()
        self.uplink = Uplink(audit, session=session, clock=self.clock)
        self.replica = Replica(replica, session=session)
        self.dropped = 0
        self.last_fault = ""
        self.cloud_speaks: tuple[int, ...] = ()

    def connected(self, now_s: float) -> None:
        """The broker is there, and the down topics are subscribed to."""
        self._is_connected = True
        self.uplink.connected(now_s)

    def disconnected(self) -> None:
        """The broker is gone; what it still delivers comes too late."""
        self._is_connected = False
        self.uplink.disconnected()
        self.replica.disconnected()

    def appended(self, now_s: float) -> None:
        """Rows were just written to the audit."""
        self.uplink.appended(now_s)

    def due_s(self) -> float:
        """When `poll` is to be called, at the latest; at once after anything else was called."""
        return min(self.uplink.due_s(), self.replica.due_s())

    def poll(self, now_s: float) -> list[Frame]:
        """What is to be published now."""
        messages: list[Message | Batch] = [*self.uplink.poll(now_s, self._store.state())]
        want = self.replica.poll(now_s)
        return [self._frame(message) for message in (*messages, *([want] if want else []))]

    def answered(self, answer: Answer) -> Frame:
        """What became of a command, once that is written down."""
        return self._frame(answer)

    def receive(self, channel: DownChannel, content: bytes, now_s: float) -> Received:
        """Take in a frame, whatever it holds."""
        if not self._is_connected:
            return Received()
        try:
            message = down.decode_down(content, pod=self._pod, channel=channel, keys=self._keys)
        except ProtocolError as error:
            self.dropped += 1
            self.last_fault = str(error)
            unknown = isinstance(error, UnknownVersionError)
            return Received([Frame("reply", versions_frame())] if unknown else [])
        if isinstance(message, Versions):
            self.cloud_speaks = message.speaks
            return Received()
        return self._taken(message, now_s)

    def _taken(self, message: Message, now_s: float) -> Received:
        answer: Message | None = None
        match message:
            case Welcome():
                return self._welcomed(message, now_s)
            case Ack():
                self.uplink.on_ack(message, now_s)
            case Probe():
                answer = self.uplink.on_probe(message, now_s)
            case ListDelta():
                answer = self.replica.on_delta(message, now_s)
            case ListChunk():
                answer = self.replica.on_chunk(message, now_s)
            case Command():
                return self._commanded(message, now_s)
            case Rehome():
                return Received(rehome=message)
            case Refused():
                self.last_fault = message.reason
        return Received([self._frame(answer)] if answer is not None else [])

    def _welcomed(self, welcome: Welcome, now_s: float) -> Received:
        if not self.uplink.on_welcome(welcome, now_s):
            return Received()
        confirmed = self.replica.on_welcome(welcome, now_s)
        return Received(is_welcome=True, confirmed_s=welcome.time_s if confirmed else None)

    def _commanded(self, command: Command, now_s: float) -> Received:
        latest_s = self.clock.latest_s(now_s)
        verdict = judge(command, self._spent, session=self._session, cloud_latest_s=latest_s)
        if isinstance(verdict, CarryOut):
            return Received(carry_out=verdict.command)
        return Received([self._frame(verdict)])

    def _frame(self, message: Message | Batch) -> Frame:
        return Frame(up.channel_of(message), encode_up(message, pod=self._pod))
