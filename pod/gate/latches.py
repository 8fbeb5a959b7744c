"""Latches on disk: a gate whose switching off failed takes no pulse until a person unlatches it.

One file a gate. That it is there is the latch; what it holds only tells why. So a file cut short by a power
cut or a full disk, or one that cannot be read, latches as well.
"""

import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pod.domain.errors import GateError

log = logging.getLogger(__name__)

KEEP_WAIT_S = 1.0
"""How long the guard's client waits for the disk; the gate is shut in memory long before."""

RETRY_S = 5.0
"""Between two tries to write a latch that the disk refused."""

LONGEST_REASON = 500
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Latch:
    """Why a gate takes no pulses any more.

    Attributes:
        reason: what failed, without its mend.
        at: ISO 8601 UTC, by the clock of that moment; empty where the file does not tell.
    """

    gate: str
    reason: str
    at: str

    def sentence(self) -> str:
        """What failed, when, and what a person does about it."""
        since = f" at {self.at}" if self.at else ""
        return (
            f"{self.reason}{since}; check the relay and its wiring, then stop the POD and run "
            f"`platebridge gate unlatch {self.gate}`: a restart does not undo this"
        )


def latch_now(gate: str, reason: str) -> Latch:
    """A latch of this moment."""
    return Latch(gate, reason[:LONGEST_REASON], f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


class Latches:
    """The latches of one pod. Any thread may call.

    Args:
        folder: exists; only the pod and commands that are alone on its data write here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closing = threading.Event()

    def path(self, gate: str) -> Path:
        """Where the latch of a gate lies while there is one."""
        return self._folder / f"{gate}.latched"

    def read(self, gate: str) -> Latch | None:
        """The latch of a gate; None only where it is certain that there is none."""
        try:
            content = self.path(gate).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            return Latch(gate, f"whether it is latched cannot be read ({fault.strerror})", "")
        try:
            told = json.loads(content)
            return Latch(gate, str(told["reason"]), str(told["at"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return Latch(gate, "it was latched, and the file that says why is spoilt", "")

    def write(self, latch: Latch) -> None:
        """Have the latch on the disk; from the file's first moment on it counts.

        Raises:
            OSError: the disk refuses; an empty file may stay, and latches.
        """
        fd = os.open(self.path(latch.gate), os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, json.dumps(asdict(latch)).encode() + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        _fsync(self._folder)

    def keep(self, latch: Latch) -> str | None:
        """Write the latch, and try again for as long as the disk refuses; waits `KEEP_WAIT_S` at most.

        Returns:
            None once it is on the disk, else why it is not yet.
        """
        tried = threading.Event()
        fault = ["the disk does not answer"]

        def told(text: str | None) -> None:
            fault[:] = [] if text is None else [text]
            tried.set()

        threading.Thread(
            target=self._keep, args=(latch, told), name=f"latch-{latch.gate}", daemon=True
        ).start()
        tried.wait(KEEP_WAIT_S)
        return fault[0] if fault else None

    def clear(self, gate: str) -> None:
        """Forget the latch, for good once this returns.

        Raises:
            GateError: the disk refuses; the gate stays latched, or may be latched again after a power cut.
        """
        path = self.path(gate)
        try:
            path.unlink(missing_ok=True)
            _fsync(self._folder)
        except OSError as fault:
            raise GateError(
                f"{path} cannot be removed ({fault.strerror}): check the disk and who may write there"
            ) from fault

    def close(self) -> None:
        """Try no more."""
        self._closing.set()

    def _keep(self, latch: Latch, told: Callable[[str | None], None]) -> None:
        before: str | None = None
        while True:
            try:
                self.write(latch)
            except OSError as fault:
                if fault.strerror != before:
                    before = fault.strerror
                    log.error("gate %s: its latch is not on disk yet: %s", latch.gate, before)
                told(before or str(fault))
            else:
                told(None)
                return
            if self._closing.wait(RETRY_S):
                return


def _fsync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
