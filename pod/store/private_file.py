"""Files that are their owner's alone: plates are personal data."""

import os
from pathlib import Path


def create_private(path: Path) -> int:
    """Make a file that only the directory's owner may read; returns it open for reading and writing.

    Raises:
        FileExistsError: there is one.
        OSError: it can't be made.
    """
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    give_to_owner(fd, path.parent)
    return fd


def make_private_folder(folder: Path) -> None:
    """Make a folder that only the owner of its parent may look into; nothing happens where there is one.

    Raises:
        OSError: it can't be made.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        give_to_owner(fd, folder.parent)
    finally:
        os.close(fd)


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data`; a disk that fills up takes a part first and refuses the rest.

    Raises:
        OSError: the disk refuses.
    """
    done = 0
    while done < len(data):
        done += os.pwrite(fd, memoryview(data)[done:], offset + done)


def give_to_owner(fd: int, folder: Path) -> None:
    """What root makes for a pod before its first start must not lock the pod's own user out.

    Raises:
        OSError: the owner can't be told or set.
    """
    if os.geteuid() == 0:
        place = folder.stat()
        os.fchown(fd, place.st_uid, place.st_gid)


def is_same_file(path: Path, fd: int) -> bool:
    """Whether `path` still names the file that is open as `fd`.

    Raises:
        OSError: the path can't be looked at, for another reason than that it is gone.
    """
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return os.path.samestat(there, os.fstat(fd))


def fsync_directory(folder: Path) -> None:
    """Make names given and taken away in `folder` last through a power cut.

    Raises:
        OSError: the disk refuses.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_file(path: Path) -> None:
    """Have what was written to a closed file on the disk.

    Raises:
        OSError: the disk refuses.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
