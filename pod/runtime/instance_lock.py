"""One pod per data directory: a lock that the kernel drops when its holder dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pod.domain.errors import ConfigError, PlateBridgeError
from pod.runtime.mounts import READ_ONLY_MEND, is_mounted_read_only

LOCK_NAME = "pod.lock"


class AlreadyRunningError(PlateBridgeError):
    """Another process uses this data directory now."""


class InstanceLock:
    """Held between `with InstanceLock(data_dir):` and its end, by this process alone.

    The file stays behind, and names the process that held it last; it means nothing without the lock.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LOCK_NAME
        self._fd = -1

    def __enter__(self) -> Self:
        """Take the lock; the directory is created where it is missing.

        Raises:
            AlreadyRunningError: a pod, or a command that must be alone, holds it.
            ConfigError: the directory cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as fault:
            mend = (
                READ_ONLY_MEND
                if is_mounted_read_only(self._path)
                else "create it for this user or name another directory"
            )
            raise ConfigError(
                f"data_dir: {self._path.parent} cannot be written ({fault.strerror}); {mend}"
            ) from fault
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise AlreadyRunningError(
                f"a pod already runs on {self._path.parent} (process {holder}); stop it first"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)
