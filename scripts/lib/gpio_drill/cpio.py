"""Write an initramfs: a cpio archive in the kernel's own format ("newc")."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive.

    Attributes:
        path: where the guest finds it, absolute.
        content: its bytes, or the file of this machine that holds them.
    """

    path: str
    content: Path | bytes
    executable: bool = False


def write_archive(out: BinaryIO, entries: Iterable[Entry]) -> None:
    """Write the entries and every folder they need, each once; of two entries with one path the first wins.

    Archives may follow one another in one file: the kernel unpacks them in order.

    Raises:
        OSError: a file cannot be read, or `out` not be written.
    """
    number = 0
    written: set[str] = set()

    def add(path: str, mode: int, data: bytes = b"") -> None:
        nonlocal number
        if path in written:
            return
        written.add(path)
        number += 1
        out.write(_member(path, mode, data, number=number))

    for entry in entries:
        name = entry.path.strip("/")
        for folder in reversed(Path(name).parents[:-1]):
            add(str(folder), stat.S_IFDIR | 0o755)
        data = entry.content if isinstance(entry.content, bytes) else entry.content.read_bytes()
        add(name, stat.S_IFREG | (0o755 if entry.executable else 0o644), data)
    out.write(_member("TRAILER!!!", 0, b"", number=0))


def _member(path: str, mode: int, data: bytes, *, number: int) -> bytes:
    name = path.encode() + b"\0"
    links, owner, group, time_s, major, minor, check = 1, 0, 0, 0, 0, 0, 0
    fields = (number, mode, owner, group, links, time_s, len(data))
    devices = (major, minor, major, minor, len(name), check)
    header = b"070701" + b"".join(b"%08X" % field for field in (*fields, *devices))
    return _padded(header + name) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
