"""The boxes of a fragmented MP4 that come after its header: fragments, and the index over them. Pure.

ISO/IEC 14496-12:2022: moof 8.8.4, trun 8.8.8, sidx 8.16.3, free 8.1.2. One track, number 1, of `TIMESCALE`.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

TIMESCALE = 90_000
"""Ticks a second."""

MOST_INDEXED = 64
"""Fragments that an index has room for."""

_INDEX_HEAD_BYTES, _REFERENCE_BYTES, _BOX_HEAD_BYTES = 40, 12, 8
INDEX_ROOM_BYTES = _INDEX_HEAD_BYTES + MOST_INDEXED * _REFERENCE_BYTES + _BOX_HEAD_BYTES
"""What `index_room` takes, and every `index_box` with the free space behind it."""

_DEFAULT_BASE_IS_MOOF = 0x020000
_RUN_HOLDS = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800
"""data offset; and of each sample its duration, size, flags and composition offset."""
_KEYFRAME, _DEPENDENT = 0x02000000, 0x01010000
_STARTS_WITH_KEYFRAME = 1 << 31 | 1 << 28
_LONGEST = 3600 * TIMESCALE
"""No fragment of ours lasts longer, in ticks: a clip is far shorter."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of a fragment.

    Attributes:
        data: length-prefixed NAL units.
        duration: ticks until the next one is decoded; at least 1.
        offset: ticks from when it is decoded until it is shown; may be negative.
    """

    data: bytes
    duration: int
    offset: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment as the index needs it; `size_bytes` are those of its two boxes, times are in ticks."""

    size_bytes: int
    begin: int
    duration: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Box:
    """Where one box lies; `size_bytes` with its head."""

    kind: bytes
    at: int
    size_bytes: int


def fragment(number: int, decode_time: int, samples: Sequence[Sample]) -> bytes:
    """A whole fragment: moof and mdat.

    Args:
        number: counts the fragments of a file from 1.
        decode_time: ticks from the file's start to the first sample.
    """
    entries = b"".join(
        struct.pack(
            ">IIIi",
            sample.duration,
            len(sample.data),
            _KEYFRAME if sample.keyframe else _DEPENDENT,
            sample.offset,
        )
        for sample in samples
    )

    def moof(data_offset: int) -> bytes:
        run = _full_box(b"trun", 1, _RUN_HOLDS, struct.pack(">Ii", len(samples), data_offset) + entries)
        head = _full_box(b"tfhd", 0, _DEFAULT_BASE_IS_MOOF, struct.pack(">I", 1))
        time = _full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time))
        return _box(
            b"moof",
            _full_box(b"mfhd", 0, 0, struct.pack(">I", number)) + _box(b"traf", head + time + run),
        )

    size_bytes = len(moof(0))
    return moof(size_bytes + _BOX_HEAD_BYTES) + _box(b"mdat", b"".join(sample.data for sample in samples))


def index_room() -> bytes:
    """Free space for the index, which can only be written once all fragments are known."""
    return _box(b"free", bytes(INDEX_ROOM_BYTES - _BOX_HEAD_BYTES))


def index_box(fragments: Sequence[Fragment]) -> bytes:
    """The index over 1 to `MOST_INDEXED` fragments and the free space behind it: `INDEX_ROOM_BYTES`.

    A fragment counts until the next one begins.
    """
    if not 1 <= len(fragments) <= MOST_INDEXED:
        raise ValueError(f"an index has room for 1 to {MOST_INDEXED} fragments, not {len(fragments)}")
    free_bytes = INDEX_ROOM_BYTES - _INDEX_HEAD_BYTES - len(fragments) * _REFERENCE_BYTES
    begins = [*(each.begin for each in fragments), fragments[-1].begin + fragments[-1].duration]
    references = b"".join(
        struct.pack(">III", each.size_bytes, until - begin, _STARTS_WITH_KEYFRAME if each.keyframe else 0)
        for each, (begin, until) in zip(fragments, pairwise(begins), strict=True)
    )
    head = struct.pack(">IIQQHH", 1, TIMESCALE, 0, free_bytes, 0, len(fragments))
    return _full_box(b"sidx", 1, 0, head + references) + _box(b"free", bytes(free_bytes - _BOX_HEAD_BYTES))


def read_box_head(head: bytes) -> tuple[bytes, int] | None:
    """Kind and size of the box that starts with these 8 bytes; None where they are no head of ours."""
    if len(head) < _BOX_HEAD_BYTES:
        return None
    size_bytes, kind = struct.unpack(">I4s", head)
    return (kind, size_bytes) if size_bytes >= _BOX_HEAD_BYTES else None


def read_moof(moof: bytes) -> tuple[int, int, bool] | None:
    """When its first sample is decoded, how long all last, both in ticks; whether a keyframe is the first.

    None where it is no moof of ours.
    """
    inner = {box.kind: box for box in _inner(moof, b"moof", b"traf")}
    run, time = inner.get(b"trun"), inner.get(b"tfdt")
    if run is None or run.size_bytes < 20 or time is None or time.size_bytes != 20:
        return None
    (begin,) = struct.unpack_from(">Q", moof, time.at + 12)
    (flags,) = struct.unpack_from(">I", moof, run.at + 8)
    (count,) = struct.unpack_from(">I", moof, run.at + 12)
    if flags & 0xFFFFFF != _RUN_HOLDS or run.size_bytes != 20 + 16 * count or not count:
        return None
    entries = list(struct.iter_unpack(">IIIi", moof[run.at + 20 : run.at + run.size_bytes]))
    duration = sum(entry[0] for entry in entries)
    return (begin, duration, entries[0][2] == _KEYFRAME) if 0 < duration <= _LONGEST else None


def inner_boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes that lie whole between two offsets, as far as they make sense."""
    while (head := read_box_head(data[start : start + _BOX_HEAD_BYTES])) is not None:
        kind, size_bytes = head
        if start + size_bytes > end:
            return
        yield Box(kind, start, size_bytes)
        start += size_bytes


def _inner(data: bytes, *path: bytes) -> Iterator[Box]:
    """The boxes inside the box that a path of kinds leads to, each the first of its kind."""
    start, end = 0, len(data)
    for kind in path:
        box = next((box for box in inner_boxes(data, start, end) if box.kind == kind), None)
        if box is None:
            return
        start, end = box.at + _BOX_HEAD_BYTES, box.at + box.size_bytes
    yield from inner_boxes(data, start, end)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", _BOX_HEAD_BYTES + len(content), kind) + content


def _full_box(kind: bytes, version: int, flags: int, content: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + content)
