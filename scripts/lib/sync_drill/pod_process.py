"""A POD's program around `PodSide`: it starts, writes rows, loses its memory, and starts again."""

from collections.abc import Callable
from functools import partial

from sync.protocol.down import Command
from sync.protocol.framing import PinnedKey
from sync.protocol.pod_side import Frame, PodSide
from sync.protocol.topics import DownChannel, UpChannel
from sync.protocol.up import Answer
from sync_drill.chaos import Chaos, CrashError
from sync_drill.disks import PodDisk

POD = "pod-drill"

_ODD_CLOCKS_US = (0, -62_135_596_800_000_000, 4_070_908_800_000_000)
"""1970, the year 1 and 2099."""


class PodProcess:
    """One POD.

    Attributes:
        made: true time at which each row was written, by link.
        done: true times at which each command was carried out.
        forgot: commands that ran and that a restored disk knows nothing of.
    """

    def __init__(self, chaos: Chaos, keys: dict[str, PinnedKey]) -> None:
        self.chaos = chaos
        self.keys = keys
        self.disk = PodDisk()
        self.made: dict[bytes, float] = {}
        self.done: dict[str, list[float]] = {}
        self.forgot: set[str] = set()
        self.up: dict[UpChannel, list[bytes]] = {}
        self.to_cloud: Callable[[UpChannel, bytes], None] = lambda channel, frame: None
        self.is_connected = False
        self._drift = 1 + chaos.chance.uniform(-2e-4, 2e-4)
        self._booted_s = 0.0
        self._copies: list[PodDisk] = []
        self._polls = 0
        self.side: PodSide | None = None
        self.start()

    def start(self) -> None:
        """Start the program with an empty memory."""
        self.side = PodSide(
            POD,
            session=self.chaos.name(),
            keys=self.keys,
            audit=self.disk,
            replica=self.disk,
            spent=self.disk,
        )
        self.write("pod_started")
        self.connect()

    def connect(self) -> None:
        """The broker is there again."""
        self.is_connected = True
        if self.side is not None:
            self.side.connected(self._mono_s())
            self._soon()

    def disconnect(self) -> None:
        """A link broke."""
        self.is_connected = False
        if self.side is not None:
            self.side.disconnected()

    def crash(self, *, down_s: float) -> None:
        """Lose the memory; another start follows."""
        self.side, self.is_connected = None, False
        self.chaos.after(down_s, lambda: self.start() if self.side is None else None)

    def keep_copy(self) -> None:
        """Make a backup."""
        self._copies.append(self.disk.copy())

    def restore(self) -> None:
        """Put a backup in the place of the disk; later ones are thrown away with the disk."""
        if self._copies:
            at = self.chaos.chance.randrange(len(self._copies))
            self._copies = self._copies[: at + 1]
            self.disk = self._copies[at].copy()
            self.forgot |= self.done.keys() - self.disk.spent.keys()
            self.crash(down_s=self.chaos.chance.uniform(0.1, 5))

    def write(self, kind: str, **payload: object) -> None:
        """Write a row; the clock that dates it is wrong now and then."""
        chance = self.chaos.chance
        ts_us = int(self.chaos.now_s * 1e6) if chance.random() < 0.9 else chance.choice(_ODD_CLOCKS_US)
        told = {"n": self.chaos.name(), **payload}
        row = self.disk.append(kind, told, ts_us=ts_us, salt=chance.randbytes(16))
        self.made[row.link] = self.chaos.now_s
        if self.side is not None:
            self.side.appended(self._mono_s())
            self._soon()

    def receive(self, channel: DownChannel, frame: bytes) -> None:
        """Take a frame from the cloud."""
        if self.side is None or not self.is_connected:
            return
        try:
            self.chaos.crash_point("POD")
            received = self.side.receive(channel, frame, self._mono_s())
            self.chaos.crash_point("POD")
            self._send(received.frames)
            if received.carry_out is not None:
                self._carry_out(self.side, received.carry_out)
            self._soon()
        except CrashError:
            self.crash(down_s=self.chaos.chance.uniform(0.1, 3))

    def _carry_out(self, side: PodSide, command: Command) -> None:
        if command.id in self.disk.spent:
            return
        self.disk.spent[command.id] = Answer(id=command.id, result="unknown", reason="command_unknown")
        self.write("intent", command=command.id)
        self.chaos.crash_point("POD")
        self.done.setdefault(command.id, []).append(self.chaos.now_s)
        self.chaos.crash_point("POD")
        answer = Answer(id=command.id, result="commanded", reason="by_hand")
        self.disk.spent[command.id] = answer
        self.write("outcome", command=command.id)
        self.chaos.crash_point("POD")
        self._send([side.answered(answer)])

    def _soon(self) -> None:
        """Poll when it is due; a later call makes an earlier appointment void."""
        if self.side is not None:
            self._polls += 1
            number, side = self._polls, self.side
            wait_s = max(0.0, side.due_s() - self._mono_s())
            if wait_s < 1e6:
                self.chaos.after(wait_s + 1e-6, lambda: self._poll(number))
            self.chaos.after(0.0, lambda: self._poll(number))

    def _poll(self, number: int) -> None:
        if self.side is None or number != self._polls:
            return
        try:
            self._send(self.side.poll(self._mono_s()))
        except CrashError:
            self.crash(down_s=self.chaos.chance.uniform(0.1, 3))
            return
        wait_s = self.side.due_s() - self._mono_s()
        if wait_s < 1e6:
            self._polls += 1
            again = self._polls
            self.chaos.after(max(0.0, wait_s) / self._drift + 1e-4, lambda: self._poll(again))

    def _send(self, frames: list[Frame]) -> None:
        for frame in frames:
            self.chaos.crash_point("POD")
            if self.is_connected:
                past = self.up.setdefault(frame.channel, [])
                self.chaos.deliver("up", frame.content, partial(self.to_cloud, frame.channel), past)

    def _mono_s(self) -> float:
        return 1000 + self.chaos.now_s * self._drift
