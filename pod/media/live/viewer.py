"""One viewer: numbers the packets for it, paces what is old, repeats what was lost, skips where too slow."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pod.media.live.aioice_private import RelayedLink
from pod.media.live.aiortc_private import OwnSender, ntp_time
from pod.media.live.gop_cache import GopCache, hurried
from pod.media.live.sent_history import Sent, SentHistory
from pod.media.live.udp_batch import UdpBatch
from pod.media.packets import VideoPacket

ViewerState = Literal["connecting", "waiting", "sending", "ended"]

TICK_S = 0.005
PACE = 4.0
"""What is old goes out this many times as fast as the camera sent it, and at least at `LEAST_PACE_BYTES`."""
LEAST_PACE_BYTES = 1_000_000
"""A second. A keyframe of 100 kB takes a tenth of a second; routers and TURN servers drop faster bursts."""

MOST_BEHIND_S = 1.5
"""A viewer that cannot take what is this old skips to a later keyframe."""
MOST_QUEUED_BYTES = 4 << 20
"""Live packets that may wait, beside what is old; beyond that, too, it skips."""

BETWEEN_KEYFRAMES_S = 0.5
"""A viewer that asks more often than this for a keyframe is not heard."""
HURRIED_TICKS = 90
REPEATED_TICKS = 1200
"""What is shown again fits between two pictures of 60 frames a second."""

REPEATS_A_SECOND = 512
"""Packets looked up to be sent again, at once as over time: who asks for all of them is not believed."""


@dataclass(frozen=True, slots=True)
class ViewerStats:
    """What is known about one viewer.

    Attributes:
        state: `connecting` until the keys are there, `waiting` for a keyframe, `sending`, `ended`.
        sent_packets: without those sent again.
        sent_bytes: payload, without what was sent again.
        skips: times it was too slow, or out of reach, and went on with a later keyframe.
        keyframes_wanted: times it asked for one.
        missing: packets it asked for again; `repeated` of them it got.
        lost: packets that by its own count never came.
        refused: datagrams that this machine's network did not take.
        rtt_s: there and back, by its reports; None before the first.
        offload: the kernel cuts its datagrams (UDP segmentation offload); False where each is a call.
    """

    state: ViewerState
    sent_packets: int
    sent_bytes: int
    skips: int
    keyframes_wanted: int
    missing: int
    repeated: int
    lost: int
    refused: int
    rtt_s: float | None
    offload: bool


class Viewer:
    """Made and ended by `CameraRelay`; belongs to the loop's thread."""

    def __init__(
        self,
        sender: OwnSender,
        gop: GopCache,
        *,
        loop: asyncio.AbstractEventLoop,
        on_started: Callable[[], None],
        new_keyframe: Callable[[], bool] = lambda: False,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            gop: what the relay keeps up to date for all its viewers.
            on_started: called before the first packet goes out, to bring `gop` up to date.
            new_keyframe: asked when the peer wants one: whether the stream will bring one now.
        """
        self._sender = sender
        self._gop = gop
        self._loop = loop
        self._on_started = on_started
        self._new_keyframe = new_keyframe
        self._clock_s = clock_s
        self._state: ViewerState = "connecting"
        self._link: UdpBatch | RelayedLink | None = None
        self._number = random.getrandbits(15)
        self._offset = random.getrandbits(32)
        self._last_timestamp = 0
        self._history = SentHistory()
        self._queue: deque[tuple[VideoPacket, float]] = deque()
        self._queued_bytes = 0
        self._most_queued_bytes = MOST_QUEUED_BYTES
        self._patience_s = MOST_BEHIND_S
        self._replay_pace_bytes_s = 0.0
        self._unsent: Sequence[bytes] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._keyframe_due = False
        self._keyframe_s = self._repeat_s = clock_s() - 1.0
        self._repeats = 0.0
        self._packets = self._bytes = self._skips = self._refused = 0
        self._keyframes_wanted = self._missing = self._repeated = self._lost = 0
        sender.listen(self)

    def stats(self) -> ViewerStats:
        return ViewerStats(
            state=self._state,
            sent_packets=self._packets,
            sent_bytes=self._bytes,
            skips=self._skips,
            keyframes_wanted=self._keyframes_wanted,
            missing=self._missing,
            repeated=self._repeated,
            lost=self._lost,
            refused=self._refused,
            rtt_s=self._sender.rtt_s,
            offload=self._link is not None and self._link.offload,
        )

    def give(self, packets: Sequence[VideoPacket]) -> None:
        """Send `packets`, at once or in turn; the relay's GOP holds them already."""
        if self._state == "waiting":
            packets = _from_keyframe(packets)
            if packets:
                self._state = "sending"
        if self._state != "sending" or not packets:
            return
        if self._keyframe_due:
            whole = _whole_pictures(packets)
            if whole:
                self._send_or_queue(packets[:whole])
                if self._state != "sending":
                    return
                if not self._queue:  # what waits there is shown first, and is of a later time
                    self._repeat_gop(without=len(packets) - whole)
                packets = packets[whole:]
        self._send_or_queue(packets)

    def start_over(self) -> None:
        """Another stream begins: go on with its first keyframe."""
        if self._state == "sending":
            self._forget_queue()
            self._state = "waiting"

    def end(self) -> None:
        """Send nothing more; may be called twice."""
        self._state = "ended"
        self._forget_queue()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._link is not None:
            self._link.close()
            self._link = None

    # What the peer says: `SenderListener`.

    def started(self) -> None:
        if self._state != "connecting":
            return
        self._on_started()
        self._state = "waiting"
        packets = self._gop.packets
        if packets:
            self._state = "sending"
            self._replay(hurried(packets, last=packets[-1].timestamp, step=HURRIED_TICKS))

    def stopped(self) -> None:
        self.end()

    def missing(self, sequence_numbers: Sequence[int]) -> None:
        self._missing += len(sequence_numbers)
        now_s = self._clock_s()
        self._repeats = min(REPEATS_A_SECOND, self._repeats + (now_s - self._repeat_s) * REPEATS_A_SECOND)
        self._repeat_s = now_s
        again: list[tuple[int, Sent]] = []
        believed = sequence_numbers[: int(self._repeats)]
        self._repeats -= len(believed)
        for number in believed:
            sent = self._history.find(number)
            if sent is not None:
                again.append((number & 0xFFFF, sent))
        if again and self._state != "ended" and self._connected():
            try:
                datagrams = self._sender.seal_again(again, offset=self._offset)
            except ConnectionError:
                self.end()
                return
            self._repeated += len(datagrams) - len(self._rest(datagrams))

    def keyframe_wanted(self) -> None:
        self._keyframes_wanted += 1
        now_s = self._clock_s()
        if self._state != "sending" or self._queue or now_s - self._keyframe_s < BETWEEN_KEYFRAMES_S:
            return
        self._keyframe_s = now_s
        if self._new_keyframe():
            return
        if self._gop.packets and self._gop.packets[-1].marker:
            self._repeat_gop(without=0)
        else:
            self._keyframe_due = True

    def reported(self, lost: int) -> None:
        self._lost = max(0, lost)

    # What goes out.

    def _repeat_gop(self, *, without: int) -> None:
        """Show the GOP again, up to the present; its newest `without` packets are left out, and follow."""
        self._keyframe_due = False
        packets = self._gop.packets[: len(self._gop.packets) - without]
        if packets:
            pictures = len({packet.timestamp for packet in packets})
            step = max(1, REPEATED_TICKS // pictures)
            self._replay(hurried(packets, last=self._last_timestamp + step * pictures, step=step))

    def _replay(self, packets: Sequence[VideoPacket]) -> None:
        """Queue what is old, to go out faster than it came, and before all that comes."""
        size_bytes = self._gop.size_bytes
        self._replay_pace_bytes_s = self._pace_bytes_s()
        self._patience_s = MOST_BEHIND_S + size_bytes / self._replay_pace_bytes_s
        self._most_queued_bytes = MOST_QUEUED_BYTES + size_bytes
        self._enqueue(packets)

    def _pace_bytes_s(self) -> float:
        return max(LEAST_PACE_BYTES, PACE * self._gop.size_bytes / max(1.0, self._gop.length_s))

    def _send_or_queue(self, packets: Sequence[VideoPacket]) -> None:
        if not packets:
            return
        if self._queue or self._unsent:
            self._enqueue(packets)
            self._skip_if_slow()
        else:
            self._send(packets)

    def _enqueue(self, packets: Sequence[VideoPacket]) -> None:
        now_s = self._clock_s()
        for packet in packets:
            self._queue.append((packet, now_s))
            self._queued_bytes += len(packet.payload)
        self._pump_later()

    def _pump(self) -> None:
        """One tick: what the socket did not take, then as much as the pace allows."""
        self._timer = None
        if self._unsent:
            self._unsent = self._rest(self._unsent)
        if not self._unsent and self._queue:
            # A GOP that has just begun tells less of the camera's rate than the one that is replayed.
            budget_bytes = max(self._replay_pace_bytes_s, self._pace_bytes_s()) * TICK_S
            packets = []
            while self._queue and budget_bytes > 0:
                packet, _ = self._queue.popleft()
                packets.append(packet)
                budget_bytes -= len(packet.payload)
                self._queued_bytes -= len(packet.payload)
            self._send(packets)
        if self._queue or self._unsent:
            self._skip_if_slow()
            self._pump_later()
        else:
            self._patience_as_ever()

    def _skip_if_slow(self) -> None:
        behind_s = self._clock_s() - self._queue[0][1] if self._queue else 0.0
        if behind_s > self._patience_s or self._queued_bytes > self._most_queued_bytes:
            self._skip()

    def _skip(self) -> None:
        """Forget all that waits, and go on with the next keyframe."""
        self._skips += 1
        self._forget_queue()
        self._state = "waiting"

    def _forget_queue(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0
        self._unsent = ()
        self._keyframe_due = False
        self._patience_as_ever()

    def _patience_as_ever(self) -> None:
        """Nothing is replayed any more."""
        self._patience_s, self._most_queued_bytes = MOST_BEHIND_S, MOST_QUEUED_BYTES
        self._replay_pace_bytes_s = 0.0

    def _send(self, packets: Sequence[VideoPacket]) -> None:
        """Number `packets` and hand them to the socket; what it does not take is tried again."""
        if not self._connected():
            self._skip()
            return
        now_ntp = ntp_time()
        try:
            datagrams = self._sender.seal(packets, self._number, offset=self._offset, sent_ntp=now_ntp)
        except ConnectionError:
            self.end()
            return
        self._history.add(self._number, packets, sent_ntp=now_ntp)
        self._number = (self._number + len(packets)) & 0xFFFF
        self._last_timestamp = packets[-1].timestamp
        self._packets += len(packets)
        self._bytes += sum(len(packet.payload) for packet in packets)
        self._sender.account(
            (self._last_timestamp + self._offset) & 0xFFFFFFFF,
            now_ntp,
            packets=self._packets,
            payload_bytes=self._bytes,
        )
        self._unsent = self._rest(datagrams)
        if self._unsent:
            self._pump_later()

    def _rest(self, datagrams: Sequence[bytes]) -> Sequence[bytes]:
        """Send; what a full socket did not take. What the network refuses is counted, and lost."""
        if not self._connected() or self._link is None:
            return ()
        try:
            return datagrams[self._link.send(datagrams) :]
        except OSError:
            self._refused += len(datagrams)
            return ()

    def _connected(self) -> bool:
        """Whether there is a way to the peer; it may change while ICE finds a better one."""
        route = self._sender.route()
        if route is None:
            return False
        transport, address = route
        if self._link is None or self._link.transport is not transport or self._link.address != address:
            if self._link is not None:
                self._link.close()
            self._link = link_to(transport, address)
        return self._link is not None

    def _pump_later(self) -> None:
        if self._timer is None and self._state == "sending":
            self._timer = self._loop.call_later(TICK_S, self._pump)


def link_to(transport: asyncio.DatagramTransport, address: tuple[str, int]) -> UdpBatch | RelayedLink | None:
    """How packets get to `address`; None while the transport closes."""
    if transport.get_extra_info("socket") is None:
        return RelayedLink(transport, address)
    return None if transport.is_closing() else UdpBatch(transport, address)


def _from_keyframe(packets: Sequence[VideoPacket]) -> Sequence[VideoPacket]:
    """What is left from the last keyframe on; empty where none begins here."""
    for at in reversed(range(len(packets))):
        if packets[at].starts_keyframe:
            return packets[at:]
    return ()


def _whole_pictures(packets: Sequence[VideoPacket]) -> int:
    """How many of `packets` come before the end of the last picture that ends here."""
    for at in reversed(range(len(packets))):
        if packets[at].marker:
            return at + 1
    return 0
