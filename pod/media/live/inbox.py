"""Hands a camera's packets from its thread to the live loop: bounded, and quiet while nobody watches."""

import threading
from collections import deque
from collections.abc import Callable

from pod.media.packets import PacketBatch

MOST_BYTES = 16 << 20
"""A loop that stands still loses what is older than its newest keyframe, or everything."""

GATHER_S = 0.005
"""Parts of a picture wait this long for its end: nobody can show them, and together they cost one send."""


class Inbox:
    """The queue between two threads; thread-safe.

    While it is not `awake` it keeps what came since the last keyframe and wakes nobody.

    Attributes:
        dropped: packets that never reached the loop because it was too slow.
    """

    def __init__(self, wake: Callable[[], None], *, most_bytes: int = MOST_BYTES) -> None:
        """
        Args:
            wake: called on the camera's thread when there is something to take, once until it is taken.
        """
        self.dropped = 0
        self._wake = wake
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._batches: deque[PacketBatch] = deque()
        self._bytes = 0
        self._waiting_since_s: float | None = None
        self._awake = self._woken = self._closed = False
        self._broken = False

    def put(self, batch: PacketBatch) -> None:
        """Queue `batch`; called by the camera."""
        with self._lock:
            if self._closed:
                return
            keyframe = any(packet.starts_keyframe for packet in batch.packets)
            if keyframe and not self._awake:
                self._clear()
            self._batches.append(batch)
            self._bytes += _size_bytes(batch)
            if self._bytes > self._most_bytes:
                self._overflow(keyframe)
            if self._awake and not self._woken and self._ready(batch):
                self._woken = True
                self._wake()

    def take(self) -> tuple[bool, list[PacketBatch]]:
        """Whether something is missing between what was taken before and this, and all queued, in order."""
        with self._lock:
            broken, batches = self._broken, list(self._batches)
            self._clear()
            self._broken = self._woken = False
            self._waiting_since_s = None
            return broken, batches

    def rouse(self, awake: bool) -> None:
        """Whether somebody watches: only then is the loop woken."""
        with self._lock:
            self._awake = awake

    def close(self) -> None:
        """Take nothing more, and wake nobody from when this returns."""
        with self._lock:
            self._closed = True
            self._clear()

    def _ready(self, batch: PacketBatch) -> bool:
        """Whether a picture is whole, or its parts have waited long enough."""
        if self._waiting_since_s is None:
            self._waiting_since_s = batch.arrival_s
        return batch.arrival_s - self._waiting_since_s >= GATHER_S or any(
            packet.marker for packet in batch.packets
        )

    def _overflow(self, keyframe: bool) -> None:
        """Forget all but the newest batch, and that one, too, where it starts no keyframe."""
        newest = self._batches[-1]
        kept = 1 if keyframe and _size_bytes(newest) <= self._most_bytes else 0
        if self._awake:
            self.dropped += sum(len(batch.packets) for batch in self._batches)
            self.dropped -= kept * len(newest.packets)
        self._clear()
        self._broken = True
        if kept:
            self._batches.append(newest)
            self._bytes = _size_bytes(newest)

    def _clear(self) -> None:
        self._batches.clear()
        self._bytes = 0


def _size_bytes(batch: PacketBatch) -> int:
    return sum(packet.held_bytes for packet in batch.packets)
