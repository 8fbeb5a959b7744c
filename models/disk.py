"""Copies files to a disk that may be full: whether there is room, and what to say where there is none."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from models.manifest import ModelError
from models.regular import open_regular

SPARE_BYTES = 2_000_000
"""Left free beside a file that is written: its manifest, and whoever else writes there."""

_CHUNK_BYTES = 1 << 20


def short_of_space(folder: Path, needed_bytes: int) -> str | None:
    """Why a file of that length does not fit in, with the mend; None where it does."""
    free = shutil.disk_usage(folder).free
    if free >= needed_bytes + SPARE_BYTES:
        return None
    return (
        f"{folder}: {needed_bytes + SPARE_BYTES:,} bytes are needed and {free:,} are free: free space there, "
        "or name another folder with --store"
    )


def full_disk(folder: Path, error: OSError) -> ModelError:
    """What to say when a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        what = "the disk is full"
    else:
        what = f"cannot be written ({error.strerror})"
    return ModelError(
        f"{folder}: {what}, nothing was kept: free space there, or name another folder with --store"
    )


def copy_file(
    source: Path,
    part: Path,
    *,
    sha256: str | None,
    most_bytes: int,
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> str:
    """Copies a file to `part`, which is synced.

    Args:
        sha256: what its content must be; None: whatever it is.

    Returns:
        its SHA-256.

    Raises:
        ModelError: it cannot be read, is too long or another file, or the disk is full; no part is left.
    """
    try:
        with open_regular(source) as file:
            found = _copied(source, file, part, most_bytes=most_bytes, progress=progress)
    except OSError as error:
        part.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise ModelError(f"{source}: cannot be read ({why}): check the path and its rights") from error
    except ModelError:
        part.unlink(missing_ok=True)
        raise
    if sha256 is not None and found != sha256:
        part.unlink(missing_ok=True)
        raise ModelError(
            f"{source}: has the SHA-256 {found[:12]}…, and {sha256[:12]}… is pinned: it is damaged or "
            "another file; bring it again"
        )
    return found


def _copied(
    source: Path,
    file: IO[bytes],
    part: Path,
    *,
    most_bytes: int,
    progress: Callable[[int, int | None], None],
) -> str:
    total = os.fstat(file.fileno()).st_size
    if total > most_bytes:
        raise ModelError(f"{source}: is {total:,} bytes long; more than {most_bytes:,} are not taken")
    if fault := short_of_space(part.parent, total):
        raise ModelError(fault)
    digest, done = hashlib.sha256(), 0
    with _Writing(part) as copy:
        while chunk := file.read(_CHUNK_BYTES):
            done += len(chunk)
            if done > most_bytes:
                raise ModelError(f"{source}: grows while it is copied: copy it again")
            digest.update(chunk)
            copy.write(chunk)
            progress(done, total)
        copy.sync()
    return digest.hexdigest()


class _Writing:
    """A new file whose faults are told as those of the disk, so that they are not taken for the source's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "_Writing":
        try:
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            raise full_disk(self._path.parent, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> None:
        try:
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise full_disk(self._path.parent, error) from error

    def sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise full_disk(self._path.parent, error) from error
