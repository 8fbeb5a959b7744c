"""Packets in order to access units for the decoder and payloads for viewers, whatever marks they carry. Pure.

Both get the parameter sets before each keyframe, announced ones where the camera sends none, and neither gets
delimiters. A unit of which anything is missing is counted and left out; viewers get what there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pod.media.nal import START_CODE, NalCodec, rules_of
from pod.media.packets import VideoPacket
from pod.media.rtp.depacketize import NalPiece, pieces
from pod.media.rtp.rtp import RtpPacket

MOST_UNIT_BYTES = 8 * 1024 * 1024
MOST_HELD_PACKETS = 32
MOST_PARAMETER_SETS = 16
MOST_SETS_BYTES = 8 * 1024
"""Of all parameter sets together: a camera's have a few hundred. Each keyframe gets all of them, and one
read may bring thousands of keyframes of two bytes.
"""
UNMARKED_UNITS = 3
"""After so many units in a row without a marker the camera does not set it."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """One whole picture.

    Attributes:
        data: Annex B.
        timestamp: RTP, in steps of the stream's clock.
        arrival_s: when its last packet came.
    """

    data: bytes
    keyframe: bool
    timestamp: int
    arrival_s: float


@dataclass(slots=True)
class _Open:
    """The unit under way."""

    timestamp: int
    arrival_s: float
    parts: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    kinds: set[int] = field(default_factory=set)
    has_slice: bool = False
    keyframe: bool = False
    damaged: bool = False
    in_fragment: bool = False


class UnitAssembler:
    """Takes one stream's packets in order.

    Attributes:
        damaged: units left out because something of them is missing or wrong.
        refused: packets whose payload contradicts itself or is of no known kind.
        markers_lie: the camera marks ends of pictures where there are none, or none at all; from then on a
            picture ends where the next timestamp begins, which is one picture later.
    """

    def __init__(self, codec: NalCodec, parameter_sets: Iterable[bytes]) -> None:
        """
        Args:
            parameter_sets: those announced beside the stream, without start codes.
        """
        self.damaged = 0
        self.refused = 0
        self.markers_lie = False
        self._rules = rules_of(codec)
        self._known: dict[int, list[bytes]] = {kind: [] for kind in sorted(self._rules.parameter_sets)}
        for nal in parameter_sets:
            self._learn(nal)
        self._open: _Open | None = None
        self._held: list[bytes] = []
        self._withheld: VideoPacket | None = None
        self._marked_timestamp: int | None = None
        self._unmarked_units = 0

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """The newest ones known."""
        return tuple(nal for nals in self._known.values() for nal in nals)

    def lose(self) -> None:
        """Packets are missing before the next one."""
        if self._open is not None and self._open.has_slice:
            self._open.damaged = True
            self._open.in_fragment = False
        self._marked_timestamp = None
        self._unmarked_units = 0

    def take(self, packet: RtpPacket, arrival_s: float) -> tuple[list[VideoPacket], list[Assembled]]:
        """What viewers get now, and the units that are complete now."""
        units: list[Assembled] = []
        found = pieces(packet.payload, self._rules)
        if not found:
            self.refused += 1
            self.lose()
            return [], units
        if self._open is not None and self._open.timestamp != packet.timestamp:
            if self._open.has_slice:
                self._count_unmarked()
                units += self._finish()
            else:
                self._open.timestamp = packet.timestamp
        begins_here = self._open is None or not self._open.has_slice
        for piece in found:
            if self._starts_picture(piece) and self._open is not None and self._open.has_slice:
                units += self._finish()
                begins_here = True
            self._add(piece, packet.timestamp, arrival_s=arrival_s)
        assert self._open is not None
        relayed = self._relayed(packet, begins_here=begins_here)
        if packet.marker and not self.markers_lie and self._open.has_slice:
            self._unmarked_units = 0
            self._marked_timestamp = packet.timestamp
            units += self._finish()
        return self._with_true_markers(relayed), units

    def _starts_picture(self, piece: NalPiece) -> bool:
        """Whether it begins the first slice of a picture: the first bit behind the header says so."""
        rules = self._rules
        return (
            piece.begins
            and piece.kind in rules.slices
            and len(piece.data) > rules.header_bytes
            and bool(piece.data[rules.header_bytes] & 0x80)
        )

    def _add(self, piece: NalPiece, timestamp: int, *, arrival_s: float) -> None:
        unit = self._open
        if unit is None:
            unit = self._open = _Open(timestamp, arrival_s)
        unit.arrival_s = arrival_s
        if piece.begins == unit.in_fragment:
            unit.damaged = True
        unit.in_fragment = not piece.ends
        if piece.kind == self._rules.delimiter:
            return
        whole = piece.begins and piece.ends
        if whole and piece.kind in self._rules.parameter_sets:
            self._learn(piece.data)
        if piece.kind in self._rules.slices and not unit.has_slice:
            self._begin_picture(unit, piece)
        unit.kinds.add(piece.kind)
        unit.size_bytes += len(piece.data) + len(START_CODE)
        if unit.size_bytes > MOST_UNIT_BYTES:
            unit.damaged = True
        if not unit.damaged:
            unit.parts.append(START_CODE + piece.data if piece.begins else piece.data)

    def _begin_picture(self, unit: _Open, piece: NalPiece) -> None:
        unit.has_slice = True
        unit.keyframe = piece.kind in self._rules.keyframes
        if not self._starts_picture(piece):
            unit.damaged = True
            if piece.begins and unit.timestamp == self._marked_timestamp:
                self.markers_lie = True
        elif unit.keyframe and not unit.kinds >= self._rules.parameter_sets:
            unit.parts[:0] = [START_CODE + nal for nal in self.parameter_sets]

    def _finish(self) -> list[Assembled]:
        unit, self._open = self._open, None
        assert unit is not None
        if unit.damaged or unit.in_fragment:
            self.damaged += 1
            return []
        return [Assembled(b"".join(unit.parts), unit.keyframe, unit.timestamp, unit.arrival_s)]

    def _learn(self, nal: bytes) -> None:
        """Keep a parameter set for later keyframes; a new one makes those that build on it invalid.

        Sets that are too long together are forgotten, all of them: keyframes then have to bring their own.
        """
        kind = self._rules.kind(nal)
        if nal in self._known[kind]:
            return
        kinds = list(self._known)
        if kind == kinds[-1]:
            self._known[kind] = [*self._known[kind], nal][-MOST_PARAMETER_SETS:]
        else:
            for dependent in kinds[kinds.index(kind) :]:
                self._known[dependent] = []
            self._known[kind] = [nal]
        if sum(map(len, self.parameter_sets)) > MOST_SETS_BYTES:
            self._known = {one: [] for one in kinds}

    def _count_unmarked(self) -> None:
        self._unmarked_units += 1
        if self._unmarked_units >= UNMARKED_UNITS:
            self.markers_lie = True

    def _relayed(self, packet: RtpPacket, *, begins_here: bool) -> list[VideoPacket]:
        """The packet for viewers; what comes before a picture's first slice is held until that comes."""
        unit, rules = self._open, self._rules
        assert unit is not None
        if not unit.has_slice:
            if rules.kind(packet.payload) != rules.delimiter:
                self._held = [*self._held, packet.payload][-MOST_HELD_PACKETS:]
            return []
        if not begins_here:
            return [VideoPacket(packet.payload, packet.marker, packet.timestamp, starts_keyframe=False)]
        payloads, self._held = [*self._held, packet.payload], []
        complete = rules.parameter_sets <= unit.kinds
        if unit.keyframe and not complete:
            payloads[:0] = self.parameter_sets
            complete = all(self._known.values())
        starts_keyframe = unit.keyframe and complete and not unit.damaged
        last = len(payloads) - 1
        return [
            VideoPacket(payload, packet.marker and at == last, packet.timestamp, starts_keyframe and at == 0)
            for at, payload in enumerate(payloads)
        ]

    def _with_true_markers(self, packets: list[VideoPacket]) -> list[VideoPacket]:
        """`packets` as they are; of a camera whose markers lie each only once the next one is there."""
        if not self.markers_lie or not packets:
            return packets
        if self._withheld is not None:
            packets = [self._withheld, *packets]
        self._withheld = packets[-1]
        return [replace(one, marker=one.timestamp != then.timestamp) for one, then in pairwise(packets)]
