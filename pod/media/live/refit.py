"""A camera's packets in the sizes that viewers' paths take. Pure.

Cameras fill packets of some 1,400 bytes; cut one by one they would become twice as many. The parts of a NAL
unit that came together are put together and cut anew, into equal parts: fewer to encrypt, and one send.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pod.media.nal import FRAGMENT_END, FRAGMENT_START, H264
from pod.media.packetize import refragment
from pod.media.packets import VideoPacket

_MARKS_AT = H264.header_bytes
_CONTENT_AT = _MARKS_AT + 1


def refit(packets: Iterable[VideoPacket], *, most_bytes: int) -> list[VideoPacket]:
    """Packets of H.264, in order, no payload longer than `most_bytes`; short ones stay as they are."""
    return [
        part for joined in _joined(packets, most_bytes) for part in refragment(joined, most_bytes=most_bytes)
    ]


def _joined(packets: Iterable[VideoPacket], most_bytes: int) -> Iterator[VideoPacket]:
    """Fragments that follow one another and are too long as one; all others by themselves."""
    run: list[VideoPacket] = []
    for packet in packets:
        if run and not _continues(run[-1], packet):
            yield from _whole(run, most_bytes)
            run = []
        run.append(packet)
    yield from _whole(run, most_bytes)


def _whole(run: list[VideoPacket], most_bytes: int) -> Iterable[VideoPacket]:
    if len(run) < 2 or all(len(packet.payload) <= most_bytes for packet in run):
        return run
    first, last = run[0], run[-1]
    marks = first.payload[_MARKS_AT] | last.payload[_MARKS_AT] & FRAGMENT_END
    content = b"".join(packet.payload[_CONTENT_AT:] for packet in run)
    return [replace(first, payload=first.payload[:_MARKS_AT] + bytes((marks,)) + content, marker=last.marker)]


def _continues(one: VideoPacket, later: VideoPacket) -> bool:
    """Whether `later` holds what follows `one` in the same NAL unit."""
    return (
        len(one.payload) > _CONTENT_AT
        and len(later.payload) > _CONTENT_AT
        and H264.kind(one.payload) == H264.fragment
        and one.payload[0] == later.payload[0]
        and one.timestamp == later.timestamp
        and not one.marker
        and not one.payload[_MARKS_AT] & FRAGMENT_END
        and not later.payload[_MARKS_AT] & FRAGMENT_START
        and not later.starts_keyframe
        and H264.fragment_kind(one.payload[_MARKS_AT]) == H264.fragment_kind(later.payload[_MARKS_AT])
    )
