"""Finish a clip's file, also one that a crash left: cut it behind its last whole fragment, and index it."""

import os
from pathlib import Path

from pod.media.clips.boxes import (
    INDEX_ROOM_BYTES,
    MOST_INDEXED,
    TIMESCALE,
    Fragment,
    index_box,
    read_box_head,
    read_moof,
)

_HEAD_BYTES = 8
_MOST_MOOF_BYTES = 1024 * 1024
_LONGEST_GAP = 3600 * TIMESCALE


def seal(path: Path) -> tuple[int, int] | None:
    """Make the file what a player wants: whole fragments only, with an index that tells how long it is.

    May be called again and again; a power cut in the midst of it leaves a file that it mends.

    Returns:
        The bytes and the milliseconds of the clip; None where the file holds nothing to play.

    Raises:
        OSError: the file cannot be read or written.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        room_at, fragments, end = _walk(fd)
        if room_at is None or not fragments:
            return None
        if end < os.fstat(fd).st_size:
            os.ftruncate(fd, end)
        if len(fragments) <= MOST_INDEXED:
            os.pwrite(fd, index_box(fragments), room_at)
    finally:
        os.close(fd)
    return end, (fragments[-1].begin + fragments[-1].duration) * 1000 // TIMESCALE


def _walk(fd: int) -> tuple[int | None, list[Fragment], int]:
    """Where the room for the index is, the whole fragments, and where they end."""
    size_bytes = os.fstat(fd).st_size
    at, room_at, fragments = 0, None, list[Fragment]()
    while (head := read_box_head(os.pread(fd, _HEAD_BYTES, at))) is not None:
        kind, box_bytes = head
        if at + box_bytes > size_bytes:
            break
        if kind == b"moof":
            whole = _fragment_at(fd, at, box_bytes, size_bytes)
            last_end = fragments[-1].begin + fragments[-1].duration if fragments else 0
            if whole is None or room_at is None or not last_end <= whole.begin <= last_end + _LONGEST_GAP:
                break
            fragments.append(whole)
            box_bytes = whole.size_bytes
        elif kind in (b"free", b"sidx") and room_at is None:
            # The index and the free space behind it take as much as the free space before they did.
            room_at, box_bytes = at, INDEX_ROOM_BYTES
        elif kind not in (b"ftyp", b"moov"):
            break
        at += box_bytes
    return room_at, fragments, at


def _fragment_at(fd: int, at: int, moof_bytes: int, size_bytes: int) -> Fragment | None:
    """The fragment that starts there; None where it is not whole."""
    if moof_bytes > _MOST_MOOF_BYTES:
        return None
    facts = read_moof(os.pread(fd, moof_bytes, at))
    data = read_box_head(os.pread(fd, _HEAD_BYTES, at + moof_bytes))
    if facts is None or data is None or data[0] != b"mdat" or at + moof_bytes + data[1] > size_bytes:
        return None
    return Fragment(moof_bytes + data[1], *facts)
