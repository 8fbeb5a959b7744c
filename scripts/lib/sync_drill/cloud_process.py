"""The cloud around the protocol's functions: what a bridge does for one POD, each step one transaction."""

from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.protocol.batch import Batch
from sync.protocol.commands import Pending, settled
from sync.protocol.down import SIGNED_KINDS, Ack, Command, Probe, Welcome, channel_of, encode_down
from sync.protocol.framing import PinnedKey, Signer
from sync.protocol.intake import Ask, Fork, Taken, compare, greet, take
from sync.protocol.listing import answer_want, delta_from
from sync.protocol.topics import DownChannel, UpChannel
from sync.protocol.up import Answer, Hello, Points, Receipt, WantList, decode_up
from sync.protocol.uplink import is_live
from sync.protocol.wire import Message
from sync_drill.chaos import Chaos, CrashError
from sync_drill.disks import CloudDisk, ListView
from sync_drill.pod_process import POD

EPOCH_S = 1_800_000_000.0
LIFE_S = 15.0
_LABEL = "x" * 3900
"""So long that a list takes several chunks."""

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("drill", _KEY)
PINNED = {"drill": PinnedKey(_KEY.public_key(), SIGNED_KINDS)}


class CloudProcess:
    """The cloud, as far as one POD goes.

    Attributes:
        issued: true time of each command that was issued, whatever the database forgot since.
        news: link and true time of each row that was taken for news.
        step_s: how far its clock is off.
    """

    def __init__(self, chaos: Chaos) -> None:
        self.chaos = chaos
        self.disk = CloudDisk()
        self.issued: dict[str, float] = {}
        self.told_refused: set[str] = set()
        self.news: list[tuple[bytes, float]] = []
        self.down: dict[DownChannel, list[bytes]] = {}
        self.to_pod: Callable[[DownChannel, bytes], None] = lambda channel, frame: None
        self.step_s = 0.0
        self.is_up = True
        self._copies: list[CloudDisk] = []
        self._pending: dict[str, Pending] = {}

    @property
    def clock_s(self) -> float:
        return EPOCH_S + self.chaos.now_s + self.step_s

    @property
    def is_waiting(self) -> bool:
        """Whether it waits to hear of a command."""
        return not self.is_up or bool(self._pending)

    def receive(self, channel: UpChannel, frame: bytes) -> None:
        """Take a frame from the POD."""
        self._guarded(lambda: self._receive(channel, frame))

    def turn(self) -> None:
        """Somebody changes the list; online PODs are told."""
        self._guarded(self._turn)

    def command(self) -> None:
        """Somebody asks to open, where the POD was heard of."""
        self._guarded(self._command)

    def tick(self) -> None:
        """Send commands again that nothing was heard of."""
        self._guarded(self._resend)

    def keep_copy(self) -> None:
        """Remember the database as it is, for `restore`."""
        self._copies.append(self.disk.copy())
        del self._copies[:-12]

    def restore(self) -> None:
        """Put the database back to an older state."""
        if self._copies:
            at = self.chaos.chance.randrange(len(self._copies))
            self._copies = self._copies[: at + 1]
            self.disk = self._copies[at].copy()
            self._crash()

    def _guarded(self, do: Callable[[], None]) -> None:
        if self.is_up:
            try:
                do()
            except CrashError:
                self._crash()

    def _crash(self) -> None:
        self.is_up = False
        self._pending.clear()
        self.chaos.after(self.chaos.chance.uniform(0.1, 3), self._start)

    def _start(self) -> None:
        self.is_up = True
        self._pending = {
            one.id: Pending(one) for one, answer in self.disk.commands.values() if answer is None
        }

    def _receive(self, channel: UpChannel, frame: bytes) -> None:
        message = decode_up(frame, pod=POD, channel=channel)
        self.chaos.crash_point("cloud")
        match message:
            case Hello():
                self._hello(message)
            case Batch():
                self._batch(message)
            case Points():
                self._points(message)
            case WantList():
                for answer in answer_want(ListView(self.disk), message):
                    self._send(answer)
            case Receipt():
                self.disk.told = message.listed
            case Answer():
                self._answer(message)

    def _hello(self, hello: Hello) -> None:
        greeted = greet(self.disk.line, hello)
        if greeted is None:
            return
        self.disk.incidents += [f"rows {first} to {last} are lost" for first, last in greeted.lost]
        self.disk.line, self.disk.told = greeted.line, hello.listed
        self.chaos.crash_point("cloud")
        line = self.disk.line
        self._send(
            Welcome(
                session=hello.session,
                number=hello.number,
                time_s=self.clock_s,
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
            if is_live(batch, self.clock_s):
                self.news += [(row.link, self.chaos.now_s) for row in taken.rows]
        elif taken.why == "fork":
            self.disk.incidents.append("a batch contradicts what is held")
        self.chaos.crash_point("cloud")
        self._ack()

    def _points(self, points: Points) -> None:
        held = {seq: row.link for seq, row in self.disk.on_line().items()} if points.points else {}
        found = compare(self.disk.line, points, held)
        if isinstance(found, Ask):
            self._send(Probe(line=self.disk.line.number, seqs=list(found.seqs)))
            return
        if isinstance(found, Fork) and found.line is not None:
            self.disk.incidents.append(f"the audit parts behind row {found.at}")
            self.chaos.met["forks"] += 1
            self.disk.line = found.line
            self.chaos.crash_point("cloud")
        self._ack()

    def _ack(self) -> None:
        line = self.disk.line
        self._send(Ack(session=line.session, line=line.number, spans=line.stretches))

    def _turn(self) -> None:
        before, chance = self.disk.state(), self.chaos.chance
        for _ in range(chance.choice((1, 1, 1, 30))):
            entry_id = f"e{chance.randrange(100)}"
            plate = f'{{"plate":"{self.chaos.name()}","label":"{_LABEL}"}}'
            document = None if chance.random() < 0.2 else plate
            self.disk.turn(entry_id, document)
        self.chaos.crash_point("cloud")
        delta = delta_from(ListView(self.disk), before)
        if delta is not None:
            self._send(delta)

    def _command(self) -> None:
        session = self.disk.line.session
        if session:
            now_s = self.clock_s
            command = Command(
                id=self.chaos.name(),
                session=session,
                gate="main",
                action="open",
                by="drill",
                issued_s=now_s,
                expires_s=now_s + LIFE_S,
            )
            self.issued[command.id] = self.chaos.now_s
            self.disk.commands[command.id] = (command, None)
            self._pending[command.id] = Pending(command)
            self.chaos.crash_point("cloud")
            self._resend()

    def _resend(self) -> None:
        now_s = self.chaos.now_s
        for command_id, pending in list(self._pending.items()):
            if pending.is_over(self.clock_s):
                del self._pending[command_id]
            elif now_s >= pending.due_s:
                self._pending[command_id] = pending.sent(now_s)
                self._send(pending.command)

    def _answer(self, told: Answer) -> None:
        known = self.disk.commands.get(told.id)
        if known is not None:
            command, before = known
            self.disk.commands[told.id] = (command, settled(before, told))
            self.chaos.crash_point("cloud")
            self._pending.pop(told.id, None)
            if told.result == "refused":
                self.told_refused.add(told.id)

    def _send(self, message: Message) -> None:
        self.chaos.crash_point("cloud")
        channel = channel_of(message)
        frame = encode_down(message, pod=POD, signer=SIGNER)
        past = self.down.setdefault(channel, [])
        self.chaos.deliver("down", frame, partial(self.to_pod, channel), past)
