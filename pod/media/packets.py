"""A camera's video as RTP payloads, and the fan-out that hands them to whoever relays them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pod.media.nal import NalCodec

PACKET_OVERHEAD_BYTES = 150
"""Memory that a packet takes beside its payload, which may be of a single byte."""


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One RTP payload of H.264 (RFC 6184) or H.265 (RFC 7798): a NAL unit, several, or a part of one.

    Attributes:
        marker: it is the last one of its access unit.
        timestamp: RTP, 90 kHz, 32 bit.
        starts_keyframe: it is the first one of an access unit that can be decoded alone: its parameter sets
            come with it.
    """

    payload: bytes
    marker: bool
    timestamp: int
    starts_keyframe: bool

    @property
    def held_bytes(self) -> int:
        """Memory that it takes while it is kept."""
        return len(self.payload) + PACKET_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Packets that came together.

    Attributes:
        packets: in order; at least one.
        session: counts the camera's sessions from 1; timestamps of two sessions have nothing in common.
        arrival_s: monotonic clock of this machine when the last one came.
        lost: packets that are missing right before this batch.
    """

    packets: tuple[VideoPacket, ...]
    codec: NalCodec
    session: int
    arrival_s: float
    lost: int = 0


class PacketFanout:
    """Gives every batch of one camera to all listeners, on the camera's own thread; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[PacketBatch], None], ...] = ()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody wants packets: they need not be made where nobody does."""
        return bool(self._listeners)

    def subscribe(self, listener: Callable[[PacketBatch], None]) -> Callable[[], None]:
        """Have `listener` called with each batch from now on.

        Args:
            listener: runs on the camera's thread, must return at once and must not raise.

        Returns:
            What ends it; may be called twice. One batch may still arrive while it is called.
        """

        def own(batch: PacketBatch) -> None:
            listener(batch)

        with self._lock:
            self._listeners = (*self._listeners, own)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not own)

        return end

    def publish(self, batch: PacketBatch) -> None:
        """Give `batch` to every listener."""
        for listener in self._listeners:
            listener(batch)
