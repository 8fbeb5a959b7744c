"""Access units to RTP payloads, and payloads to smaller ones: single NAL units and fragments. Pure.

RFC 6184 (H.264, packetization mode 1) and RFC 7798 (H.265, without DONL).
"""

from collections.abc import Iterator
from dataclasses import replace

from pod.media.frame import AccessUnit
from pod.media.nal import FRAGMENT_END, FRAGMENT_START, NalCodec, NalRules, nal_units, rules_of
from pod.media.packets import VideoPacket
from pod.media.rtp.depacketize import pieces

CLOCK_HZ = 90_000
LEAST_BYTES = 16
"""No path is so narrow; below it a fragment would be all header."""


def packetize(unit: AccessUnit, *, most_bytes: int) -> tuple[VideoPacket, ...]:
    """The payloads of one access unit; delimiters are left out, other NAL units come as they stand.

    Args:
        most_bytes: the longest payload; at least `LEAST_BYTES`.

    Returns:
        Nothing where the unit holds no NAL unit.

    Raises:
        ValueError: the codec has no NAL units, or `most_bytes` is too small.
    """
    if unit.codec not in ("h264", "hevc"):
        raise ValueError(f"{unit.codec} has no NAL units")
    rules = rules_of(unit.codec)
    nals = [nal for nal in nal_units(unit.data) if rules.kind(nal) != rules.delimiter]
    kinds = {rules.kind(nal) for nal in nals}
    starts_keyframe = rules.parameter_sets <= kinds and any(kind in rules.keyframes for kind in kinds)
    payloads = [part for nal in nals for part in _parts(nal, rules, most_bytes)]
    timestamp = round(unit.rtp_time_s * CLOCK_HZ) & 0xFFFFFFFF
    last = len(payloads) - 1
    return tuple(
        VideoPacket(payload, at == last, timestamp, starts_keyframe and at == 0)
        for at, payload in enumerate(payloads)
    )


def refragment(packet: VideoPacket, *, most_bytes: int, codec: NalCodec = "h264") -> tuple[VideoPacket, ...]:
    """`packet` as packets of at most `most_bytes`; itself where it is short enough.

    An aggregate is taken apart; of a damaged one nothing remains. Only the first packet starts a keyframe,
    and only the last one has the marker.

    Raises:
        ValueError: `most_bytes` is below `LEAST_BYTES`.
    """
    if len(packet.payload) <= most_bytes:
        return (packet,)
    rules = rules_of(codec)
    kind = rules.kind(packet.payload)
    if kind == rules.aggregate:
        payloads = [
            part for piece in pieces(packet.payload, rules) for part in _parts(piece.data, rules, most_bytes)
        ]
    elif kind == rules.fragment:
        payloads = list(_refragmented(packet.payload, rules, most_bytes))
    else:
        payloads = list(_parts(packet.payload, rules, most_bytes))
    last = len(payloads) - 1
    return tuple(
        replace(
            packet,
            payload=payload,
            marker=packet.marker and at == last,
            starts_keyframe=packet.starts_keyframe and at == 0,
        )
        for at, payload in enumerate(payloads)
    )


def _parts(nal: bytes, rules: NalRules, most_bytes: int) -> Iterator[bytes]:
    """`nal` alone where it fits, else as fragments."""
    if len(nal) <= most_bytes:
        yield nal
        return
    header = rules.fragment_header(nal)
    marks = FRAGMENT_START | FRAGMENT_END | rules.kind(nal)
    yield from _fragments(header, marks, nal[rules.header_bytes :], most_bytes)


def _refragmented(payload: bytes, rules: NalRules, most_bytes: int) -> Iterator[bytes]:
    at = rules.header_bytes
    yield from _fragments(payload[:at], payload[at], payload[at + 1 :], most_bytes)


def _fragments(header: bytes, marks: int, content: bytes, most_bytes: int) -> Iterator[bytes]:
    """Fragments of nearly equal size, so that all but the last of them go out in one send.

    Args:
        marks: the fragment byte of the whole; its start goes to the first part, its end to the last.
    """
    if most_bytes < LEAST_BYTES:
        raise ValueError(f"a payload takes at least {LEAST_BYTES} bytes")
    room = most_bytes - len(header) - 1
    parts = -(-len(content) // room)
    size = -(-len(content) // parts)
    for at in range(0, len(content), size):
        own = marks & ~(FRAGMENT_START | FRAGMENT_END)
        own |= marks & FRAGMENT_START if at == 0 else 0
        own |= marks & FRAGMENT_END if at + size >= len(content) else 0
        yield header + bytes((own,)) + content[at : at + size]
