"""Where audit and list stand, noted outside the database: one that lost its last rows is whole, and too old.

The note is not fsynced: after a power cut it may be older than the database, and then proves nothing. It is
never newer, for it is written after the commit.
"""

import contextlib
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from pod.store.private_file import create_private

FILE_NAME = "head.note"

_FIELDS = struct.Struct(">qq")
_CHECK_BYTES = 16


@dataclass(frozen=True, slots=True)
class Noted:
    """Highest numbers known to have been committed; -1 where nothing is known.

    Attributes:
        seq: of the audit.
        list_version: of the access list.
    """

    seq: int = -1
    list_version: int = -1


class HeadNote:
    """One small file. For one thread.

    Attributes:
        written: what this process noted last.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self.written = Noted()

    def read(self) -> Noted:
        """What was noted; a missing or spoiled note knows nothing."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return Noted()
        fields, check = content[: _FIELDS.size], content[_FIELDS.size :]
        return Noted(*_FIELDS.unpack(fields)) if check == _check(fields) else Noted()

    def write(self, noted: Noted) -> None:
        """Note it; a disk that refuses leaves the old note, which is merely weaker."""
        if noted == self.written:
            return
        fields = _FIELDS.pack(noted.seq, noted.list_version)
        with contextlib.suppress(OSError):
            try:
                fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                fd = create_private(self._path)
            try:
                os.pwrite(fd, fields + _check(fields), 0)
            finally:
                os.close(fd)
            self.written = noted

    def reset(self) -> None:
        """Forget it: another database begins.

        Raises:
            OSError: the disk refuses.
        """
        self._path.unlink(missing_ok=True)
        self.written = Noted()


def _check(fields: bytes) -> bytes:
    return hashlib.sha256(fields).digest()[:_CHECK_BYTES]
